#include "config/flow_params.h"

#include <algorithm>
#include <array>

#include "base/instant.h"
#include "base/nearest.h"
#include "base/time_format.h"
#include "config/user_templates.h"
#include "config/yaml_scalar.h"

namespace weir::config {
namespace {

using task::Param;
using task::ParamType;

constexpr std::array kTypes = {ParamType::kText,     ParamType::kInteger, ParamType::kNumber,
                               ParamType::kBoolean,  ParamType::kDate,    ParamType::kTimestamp,
                               ParamType::kDuration, ParamType::kChoice,  ParamType::kNames};

std::string all_types() {
  std::string words;
  for (const ParamType type : kTypes)
    words += fmt::format("{}{}", words.empty() ? "" : ", ", to_text(type));
  return words;
}

bool is_open(const Json& value) {
  return value.is_string() && value.get_ref<const std::string&>().contains("${");
}

std::unexpected<Error> refuse(const Param& param, const Json& value, std::string hint) {
  return fail_with_hint(
      ErrorCode::kInvalidConfig,
      fmt::format("parameter '{}' is {}, no {}", param.name, dump_json(value), to_text(param.type)),
      std::move(hint));
}

std::vector<std::string> items_of(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const auto comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    items.emplace_back(item);
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return items;
}

/// A text, as it comes from a command line, as the parameter's type; as it is where it does not
/// read.
Json typed(const Param& param, const Json& given) {
  if (!given.is_string()) return given;
  const auto text = given.get<std::string>();
  switch (param.type) {
    case ParamType::kInteger:
    case ParamType::kNumber:
    case ParamType::kBoolean: {
      const auto plain = plain_scalar(text);
      return plain && !plain->is_string() && !plain->is_null() ? *plain : given;
    }
    case ParamType::kNames: return items_of(text);
    case ParamType::kDate: {
      constexpr size_t kLongest = 10;  // Nothing of a time in it; `20260131` of file names.
      const auto at_us = parse_instant(text);
      return at_us && text.size() <= kLongest ? Json(format_time("%Y-%m-%d", *at_us, 0)) : given;
    }
    case ParamType::kTimestamp: {
      const auto at_us = parse_instant(text);
      return at_us ? Json(format_instant(*at_us)) : given;
    }
    default: return given;
  }
}

/// What was given, converted and checked.
Result<Json> value_for(const Param& param, const Json& given) {
  if (given.is_null())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("parameter '{}' is null", param.name),
                          "give it a value, or leave it out where it has a default");
  Json value = typed(param, given);
  // The words of a variable would pass the check below: for a run they are no more than a text.
  const bool is_words = value.is_string() && (value.get_ref<const std::string&>().contains("${") ||
                                              value.get_ref<const std::string&>().contains("{{"));
  if (is_words && param.type != ParamType::kText) return refuse(param, value, param.doc);
  WEIR_TRY(task::lint_params("", {param}, Json{{param.name, value}}));
  return value;
}

Result<Param> param_of(const std::string& name, const Json& declared) {
  if (declared.is_object()) {
    static const std::vector<std::string> kKeys = {"type",    "default", "doc",
                                                   "choices", "least",   "greatest"};
    for (const auto& [key, value] : declared.items()) {
      if (std::ranges::find(kKeys, key) != kKeys.end()) continue;
      const std::string guess = did_you_mean(key, kKeys);
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("parameter '{}' has the unknown key '{}'", name, key),
          guess.empty() ? fmt::format("keys: {}", fmt::join(kKeys, ", ")) : guess);
    }
    WEIR_ASSIGN(Param param, declared_param(name, declared));
    if (std::ranges::find(kTypes, param.type) == kTypes.end())
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("parameter '{}' of a flow cannot be of type '{}'", name, to_text(param.type)),
          all_types());
    if (param.type == ParamType::kChoice && param.choices.empty())
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("parameter '{}' has no choices", name),
                            "name them: choices: [eu, us]");
    return param;
  }
  if (declared.is_null())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("parameter '{}' has no value", name),
                          "write {type: text} for one that a run must be given");
  return declared_param(name, {{"type", declared.is_boolean()          ? "boolean"
                                        : declared.is_number_integer() ? "integer"
                                        : declared.is_number()         ? "number"
                                        : declared.is_array()          ? "names"
                                                                       : "text"},
                               {"default", declared}});
}

Result<Param> with_default(Param param) {
  if (param.is_required || param.otherwise.is_null() || is_open(param.otherwise)) return param;
  WEIR_ASSIGN(param.otherwise,
              while_doing(value_for(param, param.otherwise), fmt::format("reading its default")));
  return param;
}

/// For names beside those of triggers.
Error unknown(const std::string& name, const std::vector<Param>& params, const model::Flow& flow) {
  std::vector<std::string> names;
  for (const auto& param : params) names.push_back(param.name);
  const std::string message = fmt::format("flow '{}' has no parameter '{}'", flow.flow_id, name);
  if (name.starts_with("schedule.") || name.starts_with("run."))
    return {ErrorCode::kInvalidConfig,
            message,
            {},
            "it is not given: the run's own times and data interval say it",
            std::nullopt};
  if (name.starts_with("trigger."))
    return {
        ErrorCode::kInvalidConfig,
        message,
        {},
        "files that start a run give trigger.file, trigger.files, trigger.key.… and trigger.set.…",
        std::nullopt};
  std::string hint = did_you_mean(name, names);
  if (hint.empty())
    hint = names.empty() ? fmt::format("declare it: params: {{{}: {{type: text}}}}", name)
                         : fmt::format("parameters: {}", fmt::join(names, ", "));
  return {ErrorCode::kInvalidConfig, message, {}, std::move(hint), std::nullopt};
}

Result<Json> trigger_value(const std::string& name, const Json& given) {
  const bool is_list = name == "trigger.files";
  if (is_list && given.is_string()) return Json(items_of(given.get<std::string>()));
  const auto is_text = [](const Json& item) { return item.is_string(); };
  const bool takes_list = is_list || name.starts_with("trigger.set.");
  const bool is_good = (given.is_string() && !is_list) ||
                       (takes_list && given.is_array() && std::ranges::all_of(given, is_text));
  if (is_good) return given;
  return fail_with_hint(ErrorCode::kInvalidConfig,
                        fmt::format("'{}' is {}", name, dump_json(given)),
                        is_list ? "write a list of layer/name" : "write a text");
}

}  // namespace

bool is_trigger_value(std::string_view name) {
  constexpr std::string_view kKey = "trigger.key.";
  constexpr std::string_view kSet = "trigger.set.";
  return name == "trigger.file" || name == "trigger.files" || name == "trigger.manifest" ||
         name == "trigger.control" || (name.starts_with(kKey) && name.size() > kKey.size()) ||
         (name.starts_with(kSet) && name.size() > kSet.size());
}

Result<std::vector<Param>> flow_params(const model::Flow& flow) {
  std::vector<Param> params;
  if (!flow.params.is_object())
    return fail(ErrorCode::kInvalidConfig, "the parameters of flow '{}' are no map", flow.flow_id);
  for (const auto& [name, declared] : flow.params.items()) {
    WEIR_ASSIGN(Param param, param_of(name, declared));
    WEIR_ASSIGN(param, with_default(std::move(param)));
    params.push_back(std::move(param));
  }
  return params;
}

std::vector<FlowParamFault> check_flow_params(const model::Flow& flow) {
  std::vector<FlowParamFault> faults;
  if (!flow.params.is_object()) {
    faults.push_back({{}, fail(ErrorCode::kInvalidConfig, "parameters are no map").error()});
    return faults;
  }
  for (const auto& [name, declared] : flow.params.items()) {
    const bool is_name = !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
      return c == '_' || c == '-' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             (c >= '0' && c <= '9');
    });
    if (!is_name) {
      faults.push_back({{name},
                        fail_with_hint(ErrorCode::kInvalidConfig,
                                       fmt::format("'{}' cannot name a parameter", name),
                                       "letters, digits, '_' and '-'")
                            .error()});
      continue;
    }
    auto param = param_of(name, declared);
    if (!param) {
      faults.push_back({{name}, param.error()});
      continue;
    }
    const auto whole = with_default(*std::move(param));
    if (whole) continue;
    std::vector<std::string> path = {name};
    if (declared.is_object()) path.emplace_back("default");
    faults.push_back({std::move(path), whole.error()});
  }
  return faults;
}

Result<Json> checked_params(const model::Flow& flow, const Json& given) {
  WEIR_ASSIGN(const auto params, flow_params(flow));
  const Json none = Json::object();
  if (!given.is_object() && !given.is_null())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("parameters are {}, no map", dump_json(given)),
                          "write {\"name\": value}");
  const Json& all = given.is_object() ? given : none;
  Json values = Json::object();
  for (const auto& [name, value] : all.items()) {
    if (is_trigger_value(name)) {
      WEIR_ASSIGN(values[name], trigger_value(name, value));
      continue;
    }
    const auto param = std::ranges::find(params, name, &Param::name);
    if (param == params.end()) return std::unexpected(unknown(name, params, flow));
    WEIR_ASSIGN(values[name], value_for(*param, value));
  }
  for (const auto& param : params) {
    if (values.contains(param.name)) continue;
    if (param.is_required)
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("flow '{}' needs parameter '{}' ({})", flow.flow_id, param.name,
                      to_text(param.type)),
          fmt::format("{}{}Give it a value when the run is started, or declare a default",
                      param.doc, param.doc.empty() ? "" : " "));
    if (!param.otherwise.is_null()) values[param.name] = param.otherwise;
  }
  return values;
}

std::map<std::string, Error> check_some_params(const std::vector<Param>& params,
                                               const model::Flow& flow, const Json& given) {
  std::map<std::string, Error> faults;
  if (!given.is_object()) return faults;
  for (const auto& [name, value] : given.items()) {
    const auto param = std::ranges::find(params, name, &Param::name);
    if (param == params.end()) {
      faults.emplace(name, unknown(name, params, flow));
      continue;
    }
    if (is_open(value)) continue;
    if (auto checked = value_for(*param, value); !checked)
      faults.emplace(name, std::move(checked).error());
  }
  return faults;
}

}  // namespace weir::config
