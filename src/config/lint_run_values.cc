#include "config/lint_run_values.h"

#include <algorithm>

#include "base/nearest.h"
#include "base/pattern.h"
#include "config/flow_params.h"
#include "config/run_reference.h"
#include "model/file_trigger.h"

namespace weir::config {
namespace {

using task::Param;
using task::ParamType;

Error error(std::string message, std::string hint) {
  return {ErrorCode::kInvalidConfig, std::move(message), {}, std::move(hint), std::nullopt};
}

/// What starts runs by itself must give all that they need.
void lint_given(const model::Flow& flow, const std::vector<Param>& params, const std::string& by,
                const Places& places, Faults& faults) {
  const Json& starter = by == "schedule" ? flow.schedule : flow.file_trigger;
  if (starter.is_null()) return;
  const Subject subject = Subject{"flow", {flow.flow_id}, {}}.in(by);
  const Json given = starter.is_object() ? starter.value("params", Json::object()) : Json::object();
  for (const auto& [name, fault] : check_some_params(params, flow, given))
    faults.push_back(fault_of(places, subject.in("params").in(name), fault.message, fault.hint));
  for (const auto& param : params)
    if (param.is_required && !given.contains(param.name))
      faults.push_back(fault_of(
          places, subject,
          fmt::format("it gives no value for parameter '{}', which has no default", param.name),
          fmt::format("write params: {{{}: …}} here, or declare a default", param.name)));
}

/// What a task reads and writes is known before it runs: leases, lineage and reconciliation ask.
bool is_known_before(const Param& param) {
  const bool is_data = param.use == task::Use::kConsumes || param.use == task::Use::kProduces ||
                       param.use == task::Use::kReconciles;
  return is_data || param.type == ParamType::kDataset || param.type == ParamType::kConnection ||
         param.type == ParamType::kSqlFile;
}

/// `${trigger.key.day}` is a group of the trigger's key, `${trigger.set.orders}` a member of its
/// set. A fallback is for runs without a file, not for a word that no trigger gives.
std::optional<Error> check_part(const model::Flow& flow, const RunReference& reference) {
  const bool is_key = reference.name.starts_with("trigger.key.");
  if (!is_key && !reference.name.starts_with("trigger.set.")) return std::nullopt;
  const auto trigger = model::file_trigger_from_json(flow.file_trigger);
  if (!trigger || trigger->key.contains("${")) return std::nullopt;  // told elsewhere, or later
  std::vector<std::string> parts;
  if (is_key && !trigger->key.empty()) {
    if (const auto key = Pattern::compile(trigger->key)) parts = key->group_names();
  } else if (!is_key) {
    for (const auto& [member, glob] : trigger->set) parts.push_back(member);
  }
  const std::string part = reference.key().substr(std::string_view("key.").size());
  if (std::ranges::find(parts, part) != parts.end() || (parts.empty() && reference.otherwise))
    return std::nullopt;
  const std::string whose = is_key ? "the key of the file_trigger" : "the set of the file_trigger";
  if (parts.empty())
    return error(fmt::format("'${{{}}}': {} is not there", reference.words, whose),
                 is_key ? R"(give the trigger one: key: '(?<day>\d{8})')"
                        : "give the trigger a set, or write ${trigger.file}");
  const std::string guess = did_you_mean(part, parts);
  return error(fmt::format("'${{{}}}': {} has no '{}'", reference.words, whose, part),
               guess.empty() ? fmt::format("it has: {}", fmt::join(parts, ", ")) : guess);
}

std::optional<Error> check_one(const model::Flow& flow, const RunReference& reference) {
  if (reference.group() == "params") {
    const std::string key = reference.key();
    if (flow.params.is_object() && flow.params.contains(key)) return std::nullopt;
    std::vector<std::string> names;
    if (flow.params.is_object())
      for (const auto& [name, declared] : flow.params.items()) names.push_back(name);
    const std::string guess = did_you_mean(key, names);
    return error(fmt::format("'${{{}}}': flow '{}' has no parameter '{}'", reference.words,
                             flow.flow_id, key),
                 !guess.empty()  ? guess
                 : names.empty() ? fmt::format("declare it: params: {{{}: {{type: text}}}}", key)
                                 : fmt::format("parameters: {}", fmt::join(names, ", ")));
  }
  if (auto unknown = check_part(flow, reference)) return unknown;
  if (reference.otherwise) return std::nullopt;
  if (reference.group() == "trigger" && flow.file_trigger.is_null())
    return error(fmt::format("'${{{}}}': no file starts flow '{}'", reference.words, flow.flow_id),
                 fmt::format("give the flow a file_trigger, or say what stands in: ${{{}:-…}}",
                             reference.name));
  if (reference.group() == "schedule" && flow.schedule.is_null())
    return error(fmt::format("'${{{}}}': flow '{}' has no schedule", reference.words, flow.flow_id),
                 fmt::format("give it one, or say what stands in: ${{{}:-…}}", reference.name));
  return std::nullopt;
}

}  // namespace

void lint_flow_params(const model::Flow& flow, const Places& places, Faults& faults) {
  const Subject subject = Subject{"flow", {flow.flow_id}, {}}.in("params");
  const auto wrong = check_flow_params(flow);
  for (const auto& [path, fault] : wrong) {
    Subject at = subject;
    for (const auto& step : path) at = at.in(step);
    faults.push_back(fault_of(places, at, fault.message, fault.hint));
  }
  if (!wrong.empty()) return;
  const auto params = flow_params(flow);
  if (!params) return;  // Told above.
  for (const char* by : {"schedule", "file_trigger"}) lint_given(flow, *params, by, places, faults);
}

std::vector<Error> check_run_references(const model::Flow& flow, const Param* param,
                                        const Json& value) {
  const bool is_sql = param == nullptr;
  auto references =
      is_sql ? run_references_of_sql(value.get<std::string>()) : run_references(value);
  if (!references) return {std::move(references).error()};
  std::vector<Error> faults;
  for (const auto& reference : *references) {
    if (!is_sql && is_known_before(*param)) {
      faults.push_back(
          error(fmt::format("parameter '{}' is a {}, and '${{{}}}' is known only to a run",
                            param->name, to_text(param->type), reference.words),
                "what a task reads and writes is known before it runs: write the name"));
    } else if (auto fault = check_one(flow, reference)) {
      faults.push_back(*std::move(fault));
    }
  }
  return faults;
}

}  // namespace weir::config
