#include "templates/fetch_http/since.h"

#include <algorithm>
#include <charconv>

#include "base/instant.h"
#include "base/nearest.h"
#include "base/printable.h"

namespace weir::templates {
namespace {

using Form = Since::Form;

std::unexpected<Error> refuse(std::string message, std::string hint) {
  return fail_with_hint(ErrorCode::kInvalidConfig, "parameter 'since' " + std::move(message),
                        std::move(hint));
}

Result<Form> form_of(const std::string& word) {
  static const std::vector<std::pair<std::string, Form>> kWords = {{"rfc3339", Form::kRfc3339},
                                                                   {"date", Form::kDate},
                                                                   {"unix", Form::kUnix},
                                                                   {"unix_ms", Form::kUnixMs},
                                                                   {"number", Form::kNumber}};
  std::vector<std::string> names;
  for (const auto& [name, form] : kWords) {
    if (name == word) return form;
    names.push_back(name);
  }
  return refuse(fmt::format("is as '{}'", word),
                did_you_mean(word, names) + fmt::format("it is as {}", fmt::join(names, ", ")));
}

Result<int64_t> whole_number(const Json& value) {
  if (value.is_number_integer()) return value.get<int64_t>();
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (!text.empty() && error == std::errc() && end == text.data() + text.size()) return number;
  return fail(ErrorCode::kInvalidData, "{} is no whole number",
              printable(dump_json(value).substr(0, 100)));
}

/// Digits below a microsecond are left out: a little earlier asks for a little more.
std::string without_nanoseconds(std::string text) {
  const auto point = text.find('.');
  if (point == std::string::npos) return text;
  size_t end = point + 1;
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  if (end - point > 7) text.erase(point + 7, end - point - 7);
  return text;
}

int64_t scale_of(Form form) {
  return form == Form::kUnix ? 1'000'000 : form == Form::kUnixMs ? 1'000 : 1;
}

}  // namespace

Result<int64_t> read_point(Form form, const Json& value) {
  if (form == Form::kRfc3339 || form == Form::kDate) {
    if (!value.is_string())
      return fail(ErrorCode::kInvalidData, "{} is no instant",
                  printable(dump_json(value).substr(0, 100)));
    return parse_instant(without_nanoseconds(value.get<std::string>()));
  }
  WEIR_ASSIGN(const int64_t number, whole_number(value));
  int64_t point = 0;
  if (__builtin_mul_overflow(number, scale_of(form), &point))
    return fail(ErrorCode::kInvalidData, "{} is beyond all instants", number);
  return point;
}

std::string write_point(Form form, int64_t point) {
  switch (form) {
    case Form::kRfc3339: return format_instant(point);
    case Form::kDate: return format_instant(point).substr(0, 10);
    default: break;
  }
  const int64_t scale = scale_of(form);
  // Towards the past, so that nothing is left out.
  const int64_t whole = point / scale - (point % scale < 0 ? 1 : 0);
  return fmt::format("{}", whole);
}

Result<Since> read_since(const Json& said) {
  static const std::vector<std::string> kKnown = {"parameter", "value", "as", "lag", "first"};
  if (!said.is_object())
    return refuse("is no object", "write {parameter: updated_since, value: \"$.data[*].updated\"}");
  for (const auto& [name, value] : said.items())
    if (std::ranges::find(kKnown, name) == kKnown.end())
      return refuse(fmt::format("has no '{}'", name),
                    did_you_mean(name, kKnown) + fmt::format("it has {}", fmt::join(kKnown, ", ")));
  Since since;
  WEIR_ASSIGN(since.parameter, json_field_or<std::string>(said, "parameter", ""));
  if (since.parameter.empty()) return refuse("lacks 'parameter'", "name what the API calls it");
  WEIR_ASSIGN(const auto form, json_field_or<std::string>(said, "as", "rfc3339"));
  WEIR_ASSIGN(since.form, form_of(form));
  WEIR_ASSIGN(const auto value, json_field_or<std::string>(said, "value", "logical_time"));
  if (value != "logical_time") {
    WEIR_ASSIGN(since.value, JsonPath::parse(value));
  } else if (since.form == Form::kNumber) {
    return refuse("is a number, and 'value' is the logical time", "write value: \"$.data[*].id\"");
  }
  if (const auto first = said.find("first"); first != said.end() && !first->is_null()) {
    WEIR_ASSIGN(since.first, while_doing(read_point(since.form, *first), "reading 'since.first'"));
  }
  const auto lag = said.find("lag");
  if (lag == said.end() || lag->is_null()) return since;
  if (since.form == Form::kNumber) {
    WEIR_ASSIGN(since.lag, while_doing(whole_number(*lag), "reading 'since.lag'"));
  } else {
    WEIR_ASSIGN(const auto text, json_field<std::string>(said, "lag"));
    WEIR_ASSIGN(const int64_t lag_ms, while_doing(parse_duration_ms(text), "reading 'since.lag'"));
    since.lag = lag_ms * 1000;
  }
  if (since.lag < 0) return refuse("has a lag below 0", "");
  return since;
}

Result<std::optional<int64_t>> greatest_point(const Since& since, const Json& answer) {
  std::optional<int64_t> greatest;
  if (!since.value) return greatest;
  for (const Json* value : since.value->find_all(answer)) {
    if (value->is_null()) continue;
    WEIR_ASSIGN(const int64_t point,
                while_doing(read_point(since.form, *value),
                            fmt::format("reading what is at {}", since.value->text())));
    greatest = std::max(greatest.value_or(point), point);
  }
  return greatest;
}

}  // namespace weir::templates
