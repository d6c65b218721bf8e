#include "task/template.h"

#include <algorithm>

#include "base/instant.h"
#include "base/nearest.h"
#include "base/pattern.h"
#include "task/define.h"

namespace weir::task {
namespace {

/// A value that is not known yet: a variable or a template parameter stands in it.
bool is_open(const Json& value) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  return text.find("{{") != std::string::npos || text.find("${") != std::string::npos;
}

bool is_date(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00";
  if (text.size() != kShape.size()) return false;
  for (size_t i = 0; i < text.size(); ++i)
    if (kShape[i] == '-' ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
  return parse_instant(text).has_value();
}

std::string words(const std::vector<std::string>& list) {
  return fmt::format("{}", fmt::join(list, ", "));
}

Status refuse(const Param& param, const Json& value, std::string hint) {
  return fail_with_hint(
      ErrorCode::kInvalidConfig,
      fmt::format("parameter '{}' is {}, no {}", param.name, dump_json(value), to_text(param.type)),
      std::move(hint));
}

Status lint_number(const Param& param, const Json& value) {
  const bool is_good =
      param.type == ParamType::kInteger ? value.is_number_integer() : value.is_number();
  if (!is_good) return refuse(param, value, "write a number");
  const double number = value.get<double>();
  if ((param.least && number < *param.least) || (param.greatest && number > *param.greatest))
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("parameter '{}' is {}, out of range", param.name, dump_json(value)),
        fmt::format("write a number from {} to {}", param.least.value_or(0),
                    param.greatest.value_or(0)));
  return {};
}

Status lint_text(const Param& param, const Json& value) {
  if (!value.is_string()) return refuse(param, value, "write text");
  const std::string text = value.get<std::string>();
  switch (param.type) {
    case ParamType::kDuration: WEIR_TRY(parse_duration_ms(text)); break;
    case ParamType::kDataset: WEIR_TRY(model::parse_dataset_name(text)); break;
    case ParamType::kPattern: WEIR_TRY(Pattern::compile(text)); break;
    case ParamType::kGlob:
      if (text.find('/') == std::string::npos)
        return refuse(param, value, "write layer/glob, such as landing/airports-*.csv");
      WEIR_TRY(glob_matches(text, ""));
      break;
    case ParamType::kChoice:
      if (std::ranges::find(param.choices, text) == param.choices.end()) {
        std::string hint = did_you_mean(text, param.choices);
        return fail_with_hint(ErrorCode::kInvalidConfig,
                              fmt::format("parameter '{}' is '{}'", param.name, text),
                              hint.empty() ? "write one of: " + words(param.choices) : hint);
      }
      break;
    case ParamType::kDate:
      if (!is_date(text)) return refuse(param, value, "write it as 2026-01-31");
      break;
    case ParamType::kTimestamp:
      if (!parse_instant(text))
        return refuse(param, value, "write it as 2026-01-31T06:00:00Z, or with an offset");
      break;
    default: break;
  }
  return {};
}

Status lint_value(const Param& param, const Json& value) {
  if (is_open(value) || value.is_null()) return {};
  switch (param.type) {
    case ParamType::kInteger:
    case ParamType::kNumber: return lint_number(param, value);
    case ParamType::kBoolean:
      if (!value.is_boolean()) return refuse(param, value, "write true or false");
      return {};
    case ParamType::kNames:
      if (value.is_string()) return {};
      if (!value.is_array() ||
          !std::ranges::all_of(value, [](const Json& v) { return v.is_string(); }))
        return refuse(param, value, "write a list of names");
      return {};
    case ParamType::kJson: return {};
    default: return lint_text(param, value);
  }
}

}  // namespace

std::string_view to_text(ParamType type) {
  switch (type) {
    case ParamType::kText: return "text";
    case ParamType::kInteger: return "integer";
    case ParamType::kNumber: return "number";
    case ParamType::kBoolean: return "boolean";
    case ParamType::kDuration: return "duration";
    case ParamType::kDataset: return "dataset";
    case ParamType::kGlob: return "files";
    case ParamType::kPattern: return "pattern";
    case ParamType::kSqlFile: return "sql file";
    case ParamType::kConnection: return "connection";
    case ParamType::kNames: return "names";
    case ParamType::kChoice: return "choice";
    case ParamType::kDate: return "date";
    case ParamType::kTimestamp: return "timestamp";
    case ParamType::kJson: break;
  }
  return "structure";
}

const Param* Template::find_param(std::string_view param) const {
  const auto found = std::ranges::find(params, param, &Param::name);
  return found == params.end() ? nullptr : &*found;
}

Status lint_params(const std::string& template_name, const std::vector<Param>& params,
                   const Json& values) {
  const std::string see =
      fmt::format("`weir template show {}` lists the parameters", template_name);
  if (!values.is_object())
    return fail_with_hint(ErrorCode::kInvalidConfig, "parameters are no key/value pairs", see);
  std::vector<std::string> names;
  for (const auto& param : params) names.push_back(param.name);
  for (const auto& [name, value] : values.items()) {
    const auto param = std::ranges::find(params, name, &Param::name);
    if (param == params.end()) {
      const std::string guess = did_you_mean(name, names);
      return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("unknown parameter '{}'", name),
                            guess.empty() ? see : guess + " " + see);
    }
    WEIR_TRY(lint_value(*param, value));
  }
  for (const auto& param : params) {
    if (param.is_required && (!values.contains(param.name) || values.at(param.name).is_null()))
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("parameter '{}' is missing", param.name),
                            param.doc + " " + see);
  }
  return {};
}

Json with_defaults(const std::vector<Param>& params, const Json& values) {
  Json whole = values.is_object() ? values : Json::object();
  for (const auto& param : params) {
    if (!whole.contains(param.name)) whole[param.name] = param.otherwise;
  }
  return whole;
}

namespace internal {
namespace {

template <typename T>
Status take(const Json& value, T& member, bool is_good, std::string_view what) {
  if (!is_good) return fail(ErrorCode::kInvalidConfig, "{} is no {}", dump_json(value), what);
  member = value.get<T>();
  return {};
}

}  // namespace

Status bind(const Json& value, std::string& member) {
  return take(value, member, value.is_string(), "text");
}
Status bind(const Json& value, bool& member) {
  return take(value, member, value.is_boolean(), "boolean");
}
Status bind(const Json& value, int64_t& member) {
  return take(value, member, value.is_number_integer(), "integer");
}
Status bind(const Json& value, double& member) {
  return take(value, member, value.is_number(), "number");
}
Status bind(const Json& value, std::optional<double>& member) {
  double number = 0;
  WEIR_TRY(bind(value, number));
  member = number;
  return {};
}
Status bind(const Json& value, std::optional<int64_t>& member) {
  int64_t number = 0;
  WEIR_TRY(bind(value, number));
  member = number;
  return {};
}
Status bind(const Json& value, Duration& member) {
  std::string text;
  WEIR_TRY(bind(value, text));
  WEIR_ASSIGN(member.ms, parse_duration_ms(text));
  return {};
}
Status bind(const Json& value, model::DatasetName& member) {
  std::string text;
  WEIR_TRY(bind(value, text));
  WEIR_ASSIGN(member, model::parse_dataset_name(text));
  return {};
}
Status bind(const Json& value, std::vector<std::string>& member) {
  if (value.is_string()) {
    member = {value.get<std::string>()};
    return {};
  }
  if (!value.is_array()) return fail(ErrorCode::kInvalidConfig, "{} is no list", dump_json(value));
  member.clear();
  for (const auto& item : value) {
    std::string name;
    WEIR_TRY(bind(item, name));
    member.push_back(std::move(name));
  }
  return {};
}
Status bind(const Json& value, Json& member) {
  member = value;
  return {};
}

Json default_of(const std::string& member) { return member.empty() ? Json() : Json(member); }
Json default_of(bool member) { return member; }
Json default_of(int64_t member) { return member; }
Json default_of(double member) { return member; }
Json default_of(const std::optional<double>& member) { return member ? Json(*member) : Json(); }
Json default_of(const std::optional<int64_t>& member) { return member ? Json(*member) : Json(); }
Json default_of(const Duration& member) { return format_duration_ms(member.ms); }
Json default_of(const model::DatasetName& member) {
  return member.empty() ? Json() : Json(member.text());
}
Json default_of(const std::vector<std::string>& member) {
  return member.empty() ? Json() : Json(member);
}
Json default_of(const Json& member) { return member; }

}  // namespace internal
}  // namespace weir::task
