#include "engine/error_json.h"

#include "base/redact.h"

namespace weir::engine {

Json to_json(const Error& error) {
  Json json = {{"code", to_text(error.code)}, {"message", error.message}};
  if (!error.trail.empty()) json["trail"] = error.trail;
  if (!error.hint.empty()) json["hint"] = error.hint;
  if (error.place)
    json["place"] = {{"file", error.place->file},
                     {"line", error.place->line},
                     {"column", error.place->column},
                     {"text", error.place->text},
                     {"length", error.place->length}};
  return json;
}

Result<Error> error_from_json(const Json& json) {
  Error error;
  WEIR_ASSIGN(const auto code, json_field<std::string>(json, "code"));
  WEIR_ASSIGN(error.message, json_field<std::string>(json, "message"));
  WEIR_ASSIGN(error.hint, json_field_or<std::string>(json, "hint", ""));
  const auto known = error_code_from_text(code);
  error.code = known.value_or(ErrorCode::kInternal);
  if (!known) error.message = fmt::format("{} ({})", error.message, code);
  WEIR_ASSIGN(const Json trail, json_field_or<Json>(json, "trail", Json::array()));
  for (const auto& step : trail)
    if (step.is_string()) error.trail.push_back(step.get<std::string>());
  WEIR_ASSIGN(const Json place, json_field_or<Json>(json, "place", Json()));
  if (!place.is_object()) return error;
  Place& where = error.place.emplace();
  WEIR_ASSIGN(where.file, json_field_or<std::string>(place, "file", ""));
  WEIR_ASSIGN(where.line, json_field_or<int64_t>(place, "line", 0));
  WEIR_ASSIGN(where.column, json_field_or<int64_t>(place, "column", 0));
  WEIR_ASSIGN(where.text, json_field_or<std::string>(place, "text", ""));
  WEIR_ASSIGN(where.length, json_field_or<int64_t>(place, "length", 1));
  return error;
}

std::optional<Error> error_from_line(std::string_view line) {
  const auto json = parse_json(line);
  if (!json || !json->is_object() || !json->contains("error")) return std::nullopt;
  auto error = error_from_json(json->at("error"));
  if (!error) return std::nullopt;
  return std::move(*error);
}

std::string error_line(const Error& error) {
  return dump_json({{"error", to_json(without_secrets(error))}});
}

}  // namespace weir::engine
