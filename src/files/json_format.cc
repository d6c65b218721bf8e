#include "files/json_format.h"

#include <algorithm>

#include "base/nearest.h"

namespace weir::files {
namespace {

std::unexpected<Error> refuse(std::string_view option, std::string_view why, std::string hint) {
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("json option '{}' {}", option, why),
                        std::move(hint));
}

Result<JsonPath> plain_path(std::string_view option, const std::string& text) {
  WEIR_ASSIGN(auto path,
              while_doing(JsonPath::parse(text), fmt::format("reading json option '{}'", option)));
  if (!path.has_every()) return path;
  return refuse(option, fmt::format("is '{}': '[*]' leads to many places", text),
                "name the array itself, like $.data.items");
}

Status check_known(const Json& json) {
  static const std::vector<std::string> kKnown = {"records",  "lines",          "columns",
                                                  "timezone", "max_file_bytes", "max_record_bytes"};
  for (const auto& [name, value] : json.items())
    if (std::ranges::find(kKnown, name) == kKnown.end())
      return refuse(
          name, "is not known",
          did_you_mean(name, kKnown) + fmt::format("options are: {}", fmt::join(kKnown, ", ")));
  return {};
}

}  // namespace

Result<JsonFormat> json_format_from_json(const Json& json) {
  JsonFormat format;
  if (!json.is_object())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("format 'json' is {}, expected options", dump_json(json)),
                          "write {json: {records: $.data}}");
  WEIR_TRY(check_known(json));
  const auto limit = [&](const char* name, int64_t& to) -> Status {
    WEIR_ASSIGN(to, json_field_or<int64_t>(json, name, to));
    if (to < 1) return refuse(name, fmt::format("is {}, expected more than 0", to), "");
    return {};
  };
  WEIR_TRY(limit("max_file_bytes", format.max_file_bytes));
  WEIR_TRY(limit("max_record_bytes", format.max_record_bytes));
  WEIR_ASSIGN(format.is_lines, json_field_or<bool>(json, "lines", false));
  WEIR_ASSIGN(format.timezone, json_field_or<std::string>(json, "timezone", ""));
  WEIR_ASSIGN(const auto records, json_field_or<std::string>(json, "records", "$"));
  WEIR_ASSIGN(format.records, plain_path("records", records));
  if (format.is_lines && !format.records.steps().empty())
    return refuse("records", fmt::format("is '{}', and 'lines' is true", records),
                  "each line is a record of its own; `columns` reach deeper into it");
  WEIR_ASSIGN(const auto columns, json_field_or<Json>(json, "columns", Json::object()));
  if (!columns.is_object())
    return refuse("columns", "is no object", "write {city: $.address.city}");
  for (const auto& [name, value] : columns.items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : "";
    WEIR_ASSIGN(format.columns[name], plain_path("columns", text));
    if (format.columns[name].steps().empty())
      return refuse("columns",
                    fmt::format("has '{}' at {}, the record itself", name, dump_json(value)), "");
  }
  return format;
}

}  // namespace weir::files
