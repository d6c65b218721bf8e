#include "config/resolve.h"

#include <functional>
#include <optional>

#include "config/user_templates.h"
#include "config/yaml_scalar.h"

namespace weir::config {
namespace {

bool is_name_start(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_name(std::string_view text) {
  if (text.empty() || !is_name_start(text.front())) return false;
  for (const char c : text)
    if (!is_name_start(c) && (c < '0' || c > '9')) return false;
  return true;
}

/// What stands between the braces.
Result<std::string> value_of(std::string_view words, const Variables& variables) {
  const auto mark = words.find(":-");
  const std::string name(words.substr(0, mark));
  if (!is_name(name))
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("'${{{}}}' names no variable", words),
                          "write $${ for a text that has ${ in it");
  auto value = variables.get(name);
  const bool has_default = mark != std::string_view::npos;
  // As in a shell: the default also stands in for an empty value.
  if (has_default && (!value || value->empty())) return std::string(words.substr(mark + 2));
  if (value) return *std::move(value);
  return fail_with_hint(
      ErrorCode::kInvalidConfig, fmt::format("variable '{}' is not set", name),
      fmt::format("set it in the environment or by --var {}=…, or write ${{{}:-default}}", name,
                  name));
}

/// Resolves texts and keeps the faults with their places.
class Resolver {
 public:
  Resolver(const Variables& variables, const Places& places)
      : variables_(variables), places_(places) {}

  Faults faults;

  void text(const Subject& subject, std::string& value) {
    if (value.find("${") == std::string::npos) return;
    auto resolved = resolve_text(value, variables_);
    if (resolved)
      value = *std::move(resolved);
    else
      faults.push_back(fault_of(places_, subject, resolved.error().message, resolved.error().hint));
  }

  void json(const Subject& subject, Json& value) {
    if (value.is_string()) {
      text(subject, value.get_ref<std::string&>());
    } else if (value.is_object()) {
      for (auto& [key, item] : value.items()) json(subject.in(key), item);
    } else if (value.is_array()) {
      for (size_t i = 0; i < value.size(); ++i) json(subject.in(std::to_string(i)), value[i]);
    }
  }

 private:
  const Variables& variables_;
  const Places& places_;
};

/// A text that came from a variable, as the parameter's type; a text where it does not read.
void retype(const task::Param& param, const Json& before, Json& value) {
  const bool was_variable =
      before.is_string() && before.get_ref<const std::string&>().find("${") != std::string::npos;
  if (!was_variable || !value.is_string()) return;
  auto typed = plain_scalar(value.get<std::string>());
  if (!typed) return;
  const bool fits = (param.type == task::ParamType::kInteger && typed->is_number_integer()) ||
                    (param.type == task::ParamType::kNumber && typed->is_number()) ||
                    (param.type == task::ParamType::kBoolean && typed->is_boolean());
  if (fits) value = *std::move(typed);
}

void resolve_task(Resolver& resolver, model::Task& task, const std::vector<task::Param>& params) {
  const Subject subject{"task", {task.flow_id, task.task_id}, {}};
  const Json before = task.params;
  resolver.json(subject.in("with"), task.params);
  for (const auto& param : params)
    if (task.params.contains(param.name))
      retype(param, before[param.name], task.params[param.name]);
  resolver.text(subject.in("engine"), task.engine);
  resolver.json(subject.in("resources"), task.resources);
  resolver.json(subject.in("for_each"), task.for_each);
}

void resolve_flow(Resolver& resolver, model::Flow& flow) {
  const Subject subject{"flow", {flow.flow_id}, {}};
  resolver.json(subject.in("params"), flow.params);
  resolver.json(subject.in("defaults"), flow.defaults);
  resolver.json(subject.in("schedule"), flow.schedule);
  resolver.json(subject.in("file_trigger"), flow.file_trigger);
}

void resolve_connection(Resolver& resolver, model::Connection& connection) {
  const Subject subject{"connection", {connection.connection_id}, {}};
  resolver.text(subject.in("kind"), connection.kind);
  resolver.text(subject.in("secret_id"), connection.secret_id);
  resolver.json(subject, connection.options);
}

void resolve_rule(Resolver& resolver, model::NotificationRule& rule) {
  const Subject subject{"notification_rule", {rule.rule_id}, {}};
  resolver.text(subject.in("subject"), rule.subject);
  resolver.text(subject.in("body"), rule.body);
  resolver.text(subject.in("link"), rule.link);
}

}  // namespace

std::optional<std::string> Variables::get(const std::string& name) const {
  const auto found = given.find(name);
  if (found != given.end()) return found->second;
  return environment == nullptr ? std::nullopt : environment->get(name);
}

Result<std::string> resolve_text(std::string_view text, const Variables& variables) {
  std::string out;
  while (!text.empty()) {
    const auto at = text.find("${");
    out += text.substr(0, at);
    if (at == std::string_view::npos) break;
    if (at > 0 && text[at - 1] == '$') {
      out.back() = '$';
      out += '{';
      text.remove_prefix(at + 2);
      continue;
    }
    const auto end = text.find('}', at);
    if (end == std::string_view::npos)
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("'{}' has no '}}'", text.substr(at, 40)),
                            "write $${ for a text that has ${ in it");
    WEIR_ASSIGN(const std::string value, value_of(text.substr(at + 2, end - at - 2), variables));
    out += value;
    text.remove_prefix(end + 1);
  }
  return out;
}

Checked<model::Configuration> resolve(model::Configuration configuration,
                                      const Variables& variables, const Places& places,
                                      std::span<const task::Template> builtin, Scope scope) {
  Resolver resolver(variables, places);
  if (scope != Scope::kAllButConnections)
    for (auto& connection : configuration.connections) resolve_connection(resolver, connection);
  if (scope != Scope::kConnections) {
    for (auto& layer : configuration.layers)
      resolver.text(Subject{"layer", {layer.name}, {"uri"}}, layer.uri);
    for (auto& dataset : configuration.datasets)
      resolver.json(Subject{"dataset", {dataset.name.text()}, {"options"}}, dataset.options);
    for (auto& rule : configuration.notifications) resolve_rule(resolver, rule);
    resolver.json(Subject{"project", {configuration.project}, {"defaults"}},
                  configuration.defaults);
    for (auto& flow : configuration.flows) {
      resolve_flow(resolver, flow);
      for (auto& task : flow.tasks) {
        auto params = params_of(configuration, task.template_id, builtin);
        resolve_task(resolver, task, params ? *params : std::vector<task::Param>{});
      }
    }
  }
  if (!resolver.faults.empty()) return std::unexpected(std::move(resolver.faults));
  return configuration;
}

}  // namespace weir::config
