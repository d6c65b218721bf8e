#include "config/resolve.h"

#include <algorithm>
#include <optional>

#include "base/pattern.h"
#include "config/run_reference.h"
#include "config/user_templates.h"
#include "config/yaml_scalar.h"
#include "model/task_id.h"

namespace weir::config {
namespace {

bool is_name_start(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_name(std::string_view text) {
  if (text.empty() || !is_name_start(text.front())) return false;
  for (const char c : text)
    if (!is_name_start(c) && (c < '0' || c > '9')) return false;
  return true;
}

/// What `${each}` stands for while texts are resolved.
struct Each {
  const Json* value = nullptr;  ///< nullptr: outside of for_each, or it is not known yet:
  bool is_open = false;         ///< then the words stay as they are.
  bool has_file_names = false;  ///< Of files that were found.
  bool is_in_glob = false;      ///< There a file's name means that file alone.
};

/// Whether what a run puts in (run_reference.h) may stand in the texts at hand; it stays as it is.
enum class OfRun { kRefused, kKept };

/// A value in the middle of a text.
Result<std::string> words_of(std::string_view words, const Json& value) {
  if (value.is_structured())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("'${{{}}}' is {}, which no text can hold", words,
                                      value.is_array() ? "a list" : "a map"),
                          "let it stand alone, as the whole value");
  return value.is_null() ? "" : value.is_string() ? value.get<std::string>() : dump_json(value);
}

Result<Json> resolve_each(std::string_view words, const Each& each) {
  if (each.value != nullptr) {
    WEIR_ASSIGN(Json value, value_of_each(words, *each.value));
    const bool is_name = each.has_file_names && each.is_in_glob && value.is_string();
    return is_name ? Json(glob_of_name(value.get<std::string>())) : value;
  }
  if (each.is_open) return Json(fmt::format("${{{}}}", words));
  return fail_with_hint(ErrorCode::kInvalidConfig,
                        fmt::format("'${{{}}}' stands outside of a task with for_each", words),
                        "it is the value of a task's for_each; no variable can be called each");
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

Result<std::string> resolve_of_run(std::string_view words, OfRun of_run, std::string_view before) {
  if (of_run == OfRun::kRefused)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("'${{{}}}' is known only to a run", words),
                          "it may stand in the 'with' of a task; everything else is the same for "
                          "all runs of a version");
  if (before.ends_with('$'))
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("'${{{}}}' stands behind a '$'", words),
                          "write $${ for a text that has ${ in it");
  WEIR_TRY(read_run_reference(words));
  return fmt::format("${{{}}}", words);
}

/// Texts that are resolved, and whether values may be put in later: they are then told apart from
/// what only looks like a reference.
Json kept_literals(Json value, OfRun of_run) {
  if (of_run == OfRun::kRefused) return value;
  if (value.is_string()) return keep_literal(value.get<std::string>());
  if (value.is_structured())
    for (auto& item : value) item = kept_literals(std::move(item), of_run);
  return value;
}

struct Ground {
  const Variables& variables;
  Each each = {};
  OfRun of_run = OfRun::kRefused;
};

/// A text; `${each}` alone in one gives its value as it is.
Result<Json> resolve_value(std::string_view text, const Ground& ground) {
  const std::string_view whole = text;
  std::string out;
  while (!text.empty()) {
    const auto at = text.find("${");
    out += text.substr(0, at);
    if (at == std::string_view::npos) break;
    if (at > 0 && text[at - 1] == '$') {
      const bool is_kept = ground.of_run == OfRun::kKept && is_run_reference(text.substr(at + 2));
      if (!is_kept) out.back() = '$';
      out += is_kept ? "${" : "{";
      text.remove_prefix(at + 2);
      continue;
    }
    const auto end = text.find('}', at);
    if (end == std::string_view::npos)
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("'{}' has no '}}'", text.substr(at, 40)),
                            "write $${ for a text that has ${ in it");
    const std::string_view words = text.substr(at + 2, end - at - 2);
    if (is_each(words)) {
      WEIR_ASSIGN(Json value, resolve_each(words, ground.each));
      const bool is_open = ground.each.value == nullptr;
      if (!is_open) value = kept_literals(std::move(value), ground.of_run);
      if (words.size() + 3 == whole.size()) return value;
      WEIR_ASSIGN(const std::string part, words_of(words, value));
      out += part;
    } else if (is_run_reference(words)) {
      WEIR_ASSIGN(const std::string kept, resolve_of_run(words, ground.of_run, out));
      out += kept;
    } else {
      WEIR_ASSIGN(std::string value, value_of(words, ground.variables));
      out += kept_literals(Json(std::move(value)), ground.of_run).get<std::string>();
    }
    text.remove_prefix(end + 1);
  }
  return Json(std::move(out));
}

/// Resolves texts and keeps the faults with their places.
class Resolver {
 public:
  Resolver(const Variables& variables, const Places& places)
      : variables_(variables), places_(places) {}

  Faults faults;
  Each each;
  OfRun of_run = OfRun::kRefused;

  const Places& places() const { return places_; }

  void text(const Subject& subject, std::string& value) {
    if (value.find("${") == std::string::npos) return;
    auto resolved = resolve_value(value, {variables_, each, of_run});
    if (resolved && resolved->is_string())
      value = resolved->get<std::string>();
    else if (!resolved)
      fault(subject, resolved.error());
    else if (auto words = words_of("each", *resolved); words)
      value = *std::move(words);
    else
      fault(subject, words.error());
  }

  void json(const Subject& subject, Json& value) {
    if (value.is_string()) {
      const auto& words = value.get_ref<const std::string&>();
      if (words.find("${") == std::string::npos) return;
      auto resolved = resolve_value(words, {variables_, each, of_run});
      if (resolved)
        value = *std::move(resolved);
      else
        fault(subject, resolved.error());
    } else if (value.is_object()) {
      for (auto& [key, item] : value.items()) json(subject.in(key), item);
    } else if (value.is_array()) {
      for (size_t i = 0; i < value.size(); ++i) json(subject.in(std::to_string(i)), value[i]);
    }
  }

 private:
  void fault(const Subject& subject, const Error& error) {
    faults.push_back(fault_of(places_, subject, error.message, error.hint));
  }

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
  resolver.of_run = OfRun::kKept;
  for (auto& [name, value] : task.params.items()) {
    const auto param = std::ranges::find(params, name, &task::Param::name);
    resolver.each.is_in_glob = param != params.end() && param->type == task::ParamType::kGlob;
    resolver.json(subject.in("with").in(name), value);
  }
  resolver.each.is_in_glob = false;
  resolver.of_run = OfRun::kRefused;
  for (const auto& param : params)
    if (task.params.contains(param.name))
      retype(param, before[param.name], task.params[param.name]);
  // `${each.field:-}` of a value without the field: the parameter is not said.
  if (before.is_object())
    for (const auto& [name, value] : before.items())
      if (value.is_string() && task.params[name].is_null()) task.params.erase(name);
  resolver.text(subject.in("engine"), task.engine);
  resolver.json(subject.in("resources"), task.resources);
}

bool says_each(const Json& value) {
  if (value.is_string())
    return value.get_ref<const std::string&>().find("${each") != std::string::npos;
  if (!value.is_structured()) return false;
  return std::ranges::any_of(value, [](const Json& item) { return says_each(item); });
}

/// The tasks of a flow as they run: of one with for_each, one a value.
class TaskResolver {
 public:
  TaskResolver(Resolver& resolver, const FoundValues& found,
               const model::Configuration& configuration, std::span<const task::Template> builtin)
      : resolver_(resolver), found_(found), configuration_(configuration), builtin_(builtin) {}

  void run(model::Flow& flow) {
    for (auto& task : flow.tasks) {
      const Subject subject{"task", {flow.flow_id, task.task_id}, {}};
      // `${trigger.files}` was looked up, or stays.
      const bool is_of_files = task.for_each.is_object() && task.for_each.contains("files");
      resolver_.of_run = is_of_files ? OfRun::kKept : OfRun::kRefused;
      resolver_.json(subject.in("for_each"), task.for_each);
      resolver_.of_run = OfRun::kRefused;
    }
    const Repeats repeats = read_repeats(flow, found_, resolver_.places(), resolver_.faults);
    for (const auto& task : flow.tasks) check_id(task, repeats);
    Needs needs(repeats, resolver_.places(), resolver_.faults);
    std::vector<model::Task> tasks;
    for (const auto& task : flow.tasks) {
      const auto params = params_of(configuration_, task.template_id, builtin_);
      const auto& known = params ? *params : std::vector<task::Param>{};
      const auto repeat = repeats.find(task.task_id);
      if (repeat == repeats.end() || repeat->second.is_open) {
        model::Task plain = task;
        resolver_.each.is_open = repeat != repeats.end();
        resolve_task(resolver_, plain, known);
        resolver_.each.is_open = false;
        needs.take(plain, task.task_id, nullptr);
        tasks.push_back(std::move(plain));
      } else if (repeat->second.stand_in) {
        tasks.push_back(stand_in(task, *repeat->second.stand_in, needs));
      } else {
        take_each(task, repeat->second, known, needs, tasks);
      }
    }
    std::ranges::stable_sort(tasks, {}, &model::Task::task_id);
    flow.tasks = std::move(tasks);
  }

 private:
  /// An id that reads like that of a value must not be given by hand.
  void check_id(const model::Task& task, const Repeats& repeats) {
    const std::string list(model::written_task_id(task.task_id));
    if (list == task.task_id || !repeats.contains(list)) return;
    resolver_.faults.push_back(fault_of(
        resolver_.places(), {"task", {task.flow_id, task.task_id}, {"id"}},
        fmt::format("the for_each of '{}' makes ids like this one", list), "write another id"));
  }

  /// It has the needs of the task, and those who need the task wait for it; it does nothing.
  static model::Task stand_in(const model::Task& task, const StandIn& how, Needs& needs) {
    model::Task plain;
    plain.flow_id = task.flow_id;
    plain.task_id = task.task_id;
    plain.template_id = "noop";
    plain.params = {{"note", "for_each found no file"}};
    plain.needs = task.needs;
    plain.run_if = how.is_skipped ? model::RunIf::kNever : task.run_if;
    plain.retries = 0;
    plain.refusal = how.refusal;
    needs.take(plain, task.task_id, nullptr);
    return plain;
  }

  void take_each(const model::Task& task, const Repeat& repeat,
                 const std::vector<task::Param>& params, Needs& needs,
                 std::vector<model::Task>& tasks) {
    if (!says_each(task.params) && !says_each(task.resources) && !says_each(task.engine))
      resolver_.faults.push_back(
          fault_of(resolver_.places(), {"task", {task.flow_id, task.task_id}, {"for_each"}},
                   "nothing in the task says ${each}: every value would do the same",
                   "write ${each}, or ${each.field} where the values are maps"));
    for (const auto& value : repeat.values) {
      model::Task one = task;
      one.task_id = each_task_id(task.task_id, value.label);
      one.for_each = Json();
      resolver_.each = {.value = &value.value, .has_file_names = repeat.has_file_names};
      resolve_task(resolver_, one, params);
      resolver_.each = {};
      needs.take(one, task.task_id, &value);
      tasks.push_back(std::move(one));
    }
  }

  Resolver& resolver_;
  const FoundValues& found_;
  const model::Configuration& configuration_;
  std::span<const task::Template> builtin_;
};

void resolve_flow(Resolver& resolver, model::Flow& flow) {
  const Subject subject{"flow", {flow.flow_id}, {}};
  resolver.json(subject.in("params"), flow.params);
  resolver.json(subject.in("defaults"), flow.defaults);
  resolver.json(subject.in("schedule"), flow.schedule);
  if (!flow.file_trigger.is_object() || !flow.file_trigger.contains("params"))
    return resolver.json(subject.in("file_trigger"), flow.file_trigger);
  Json params = std::move(flow.file_trigger["params"]);
  flow.file_trigger.erase("params");
  resolver.json(subject.in("file_trigger"), flow.file_trigger);
  resolver.of_run = OfRun::kKept;
  resolver.json(subject.in("file_trigger").in("params"), params);
  resolver.of_run = OfRun::kRefused;
  flow.file_trigger["params"] = std::move(params);
}

/// Who reads a schedule needs nothing else; and a version says which days its runs went by.
void write_calendars_out(const model::Configuration& configuration, model::Flow& flow) {
  flow.schedule = model::with_calendar(configuration, flow.schedule);
  if (flow.file_trigger.is_object() && flow.file_trigger.contains("expected"))
    flow.file_trigger["expected"] =
        model::with_calendar(configuration, flow.file_trigger["expected"]);
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
  const auto said = given.find(name);
  if (said != given.end()) return said->second;
  return environment == nullptr ? std::nullopt : environment->get(name);
}

Result<std::string> resolve_text(std::string_view text, const Variables& variables) {
  WEIR_ASSIGN(const Json resolved, resolve_value(text, Ground{.variables = variables}));
  return resolved.get<std::string>();
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
      write_calendars_out(configuration, flow);
      TaskResolver(resolver, variables.found, configuration, builtin).run(flow);
    }
  }
  if (!resolver.faults.empty()) return std::unexpected(std::move(resolver.faults));
  return configuration;
}

}  // namespace weir::config
