#include "config/user_templates.h"

#include <algorithm>
#include <optional>

#include "base/nearest.h"
#include "config/run_reference.h"
#include "config/sql_walker.h"

namespace weir::config {
namespace {

using task::Param;
using task::ParamType;

std::optional<ParamType> type_from_text(std::string_view text) {
  for (int i = 0; i <= static_cast<int>(ParamType::kJson); ++i)
    if (to_text(static_cast<ParamType>(i)) == text) return static_cast<ParamType>(i);
  return std::nullopt;
}

Param target_param() {
  Param to;
  to.name = "to";
  to.type = ParamType::kDataset;
  to.use = task::Use::kProduces;
  to.is_required = true;
  to.doc = "Hudi table that is replaced in one commit.";
  return to;
}

/// One `{{ name }}` of a text.
struct Slot {
  size_t begin = 0;
  size_t end = 0;
  std::string name;
};

bool is_word(char c) {
  return c == '_' || c == '.' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9');
}

/// The slot that begins at `at`, if one does: anything else in double braces is text.
std::optional<Slot> slot_at(std::string_view text, size_t at) {
  if (!text.substr(at).starts_with("{{")) return std::nullopt;
  Slot slot{at, at + 2, {}};
  while (slot.end < text.size() && text[slot.end] == ' ') ++slot.end;
  while (slot.end < text.size() && is_word(text[slot.end])) slot.name += text[slot.end++];
  while (slot.end < text.size() && text[slot.end] == ' ') ++slot.end;
  // `\d{{2}}` of a pattern is no slot: names start with a letter.
  const bool is_name =
      !slot.name.empty() && slot.name[0] != '.' && !(slot.name[0] >= '0' && slot.name[0] <= '9');
  if (!is_name || !text.substr(slot.end).starts_with("}}")) return std::nullopt;
  slot.end += 2;
  return slot;
}

std::unexpected<Error> unknown_name(const std::string& name,
                                    const std::vector<std::string>& known) {
  const std::string guess = did_you_mean(name, known);
  return fail_with_hint(
      ErrorCode::kInvalidConfig, fmt::format("'{{{{ {} }}}}' is no parameter", name),
      guess.empty() ? fmt::format("parameters: {}", fmt::join(known, ", ")) : guess);
}

std::string words_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.is_null() ? "" : dump_json(value);
}

Result<Json> substitute_text(const std::string& text, const std::map<std::string, Json>& values) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const auto slot = slot_at(text, at);
    if (!slot) {
      out += text[at++];
      continue;
    }
    const auto found = values.find(slot->name);
    if (found == values.end()) {
      if (!slot->name.contains('.')) {
        std::vector<std::string> names;
        for (const auto& [name, value] : values) names.push_back(name);
        return unknown_name(slot->name, names);
      }
      out += text.substr(slot->begin, slot->end - slot->begin);
    } else if (slot->begin == 0 && slot->end == text.size()) {
      return found->second;
    } else {
      out += words_of(found->second);
    }
    at = slot->end;
  }
  return Json(out);
}

// ---- SQL -----------------------------------------------------------------------------------

Result<std::string> sql_literal(const Param& param, const Json& value);

Result<std::string> sql_list(const Param& param, const Json& list) {
  std::string out;
  for (const auto& item : list) {
    WEIR_ASSIGN(const std::string literal, sql_literal(param, item));
    out += (out.empty() ? "" : ", ") + literal;
  }
  return out;
}

Result<std::string> sql_literal(const Param& param, const Json& value) {
  if (value.is_null()) return "NULL";
  if (value.is_array()) return sql_list(param, value);
  if (value.is_number() || value.is_boolean()) return dump_json(value);
  if (!value.is_string())
    return fail(ErrorCode::kInvalidConfig, "parameter '{}' is {}, which SQL cannot take",
                param.name, dump_json(value));
  const auto text = value.get<std::string>();
  const bool is_name = param.type == ParamType::kNames || param.type == ParamType::kDataset;
  if (is_name) {
    WEIR_ASSIGN(const auto references, run_references(value));
    if (!references.empty())
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("parameter '{}' is a name in SQL, and '${{{}}}' is known "
                                        "only to a run",
                                        param.name, references.front().words),
                            "what a task reads is known before it runs: write the name");
  }
  if (text.find('\0') != std::string::npos)
    return fail(ErrorCode::kInvalidConfig, "parameter '{}' holds a NUL character", param.name);
  if (param.type == ParamType::kNames) return model::quote_name(text);
  if (param.type == ParamType::kDataset) {
    WEIR_ASSIGN(const auto name, model::parse_dataset_name(text));
    return model::quote_name(name.layer) + "." + model::quote_name(name.name);
  }
  return model::quote_text(text);
}

std::optional<std::string> slot_inside(std::string_view quoted) {
  for (size_t i = 0; i < quoted.size(); ++i)
    if (const auto slot = slot_at(quoted, i)) return slot->name;
  return std::nullopt;
}

// ---- expansion -----------------------------------------------------------------------------

Error config_error(std::string message) {
  return Error{ErrorCode::kInvalidConfig, std::move(message), {}, {}, std::nullopt};
}

std::vector<std::string> names_in(const Json& list) {
  std::vector<std::string> names;
  if (list.is_string()) names.push_back(list.get<std::string>());
  if (!list.is_array()) return names;
  for (const auto& item : list)
    if (item.is_string()) names.push_back(item.get<std::string>());
  return names;
}

/// One flow on its way from tasks as users wrote them to tasks of builtin templates.
class FlowExpansion {
 public:
  FlowExpansion(const model::Configuration& configuration, const Places& places, Expanded& into,
                Faults& faults)
      : configuration_(configuration), places_(places), into_(into), faults_(faults) {}

  void run(model::Flow& flow) {
    std::vector<model::Task> tasks;
    for (const auto& task : flow.tasks) {
      const auto* row = configuration_.find_template(task.template_id);
      if (row != nullptr && row->kind == "composite")
        expand_composite(task, *row, tasks);
      else
        tasks.push_back(as_builtin(task, row));
    }
    for (auto& task : tasks) wait_for_leaves(task);
    std::ranges::sort(tasks, {}, &model::Task::task_id);
    flow.tasks = std::move(tasks);
  }

 private:
  void fault(const model::Task& task, const Error& error) {
    faults_.push_back(fault_of(places_, {"task", {task.flow_id, task.task_id}, {"template"}},
                               error.message, error.hint));
  }

  model::Task as_builtin(model::Task task, const model::TemplateRow* row) {
    if (row == nullptr || row->kind != "sql") return task;
    auto made = transform_of(task, *row);
    if (made) return *std::move(made);
    fault(task, made.error());
    return task;
  }

  Result<model::Task> transform_of(model::Task task, const model::TemplateRow& row) {
    WEIR_ASSIGN(const auto params, declared_params(row));
    WEIR_TRY(task::lint_params(row.template_id, params, task.params));
    WEIR_ASSIGN(const std::string body, json_field<std::string>(row.body, "text"));
    WEIR_ASSIGN(std::string sql,
                substitute_sql(body, params, task::with_defaults(params, task.params)));
    const std::string path = fmt::format("{}#{}.{}", row.location, task.flow_id, task.task_id);
    into_.files[path] = std::move(sql);
    const Json to = task.params["to"];
    task.template_id = "transform";
    task.params = Json{{"to", to}, {"sql", path}};
    return task;
  }

  void expand_composite(const model::Task& task, const model::TemplateRow& row,
                        std::vector<model::Task>& tasks) {
    const auto params = declared_params(row);
    if (!params) return fault(task, params.error());
    const Status lint = task::lint_params(row.template_id, *params, task.params);
    if (!lint) return fault(task, lint.error());
    std::map<std::string, Json> values;
    const Json whole = task::with_defaults(*params, task.params);
    for (const auto& [name, value] : whole.items()) values[name] = value;
    if (!row.body.is_array() || row.body.empty())
      return fault(task, config_error(fmt::format("template '{}' has no tasks", row.template_id)));
    if (const Status order = check_needs(row); !order) return fault(task, order.error());
    std::vector<std::string> waited_for;
    for (const auto& sub : row.body)
      for (const auto& name : names_in(sub.value("needs", Json()))) waited_for.push_back(name);
    for (const auto& body : row.body) {
      auto sub = sub_task(task, body, values);
      if (!sub) {
        fault(task, sub.error());
        continue;
      }
      const std::string id = body.value("id", "");
      if (std::ranges::find(waited_for, id) == waited_for.end())
        leaves_[task.task_id].push_back(sub->task_id);
      tasks.push_back(*std::move(sub));
    }
  }

  static Status check_needs(const model::TemplateRow& row) {
    std::vector<std::string> ids;
    for (const auto& sub : row.body) ids.push_back(sub.value("id", ""));
    for (const auto& id : ids)
      if (std::ranges::count(ids, id) > 1)
        return fail(ErrorCode::kInvalidConfig, "template '{}' has two tasks '{}'", row.template_id,
                    id);
    for (const auto& sub : row.body)
      for (const auto& need : names_in(sub.value("needs", Json())))
        if (std::ranges::find(ids, need) == ids.end())
          return fail_with_hint(
              ErrorCode::kInvalidConfig,
              fmt::format("template '{}': task '{}' needs '{}', which is not there",
                          row.template_id, sub.value("id", ""), need),
              did_you_mean(need, ids));
    return {};
  }

  Result<model::Task> sub_task(const model::Task& task, const Json& body,
                               const std::map<std::string, Json>& values) {
    model::Task sub = task;  // engine, resources, retries, pool: as the task says
    WEIR_ASSIGN(const std::string id, json_field<std::string>(body, "id"));
    WEIR_ASSIGN(sub.template_id, json_field<std::string>(body, "template"));
    if (body.contains("for_each"))
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("template '{}': task '{}' has a for_each", task.template_id, id),
          "give it to the task that uses the template: all of its tasks are made for each value");
    sub.task_id = task.task_id + "." + id;
    WEIR_ASSIGN(sub.params, substitute(body.value("with", Json::object()), values));
    WEIR_ASSIGN(sub.engine, json_field_or<std::string>(body, "engine", sub.engine));
    if (body.contains("resources")) sub.resources.update(body["resources"]);
    const auto needs = names_in(body.value("needs", Json()));
    if (!needs.empty()) {
      sub.needs.clear();
      sub.run_if = model::RunIf::kAllSucceeded;
    }
    if (body.contains("run_if")) {
      WEIR_ASSIGN(const auto run_if, json_field<std::string>(body, "run_if"));
      WEIR_ASSIGN(sub.run_if, model::run_if_from_text(run_if));
    }
    for (const auto& need : needs) sub.needs.push_back(task.task_id + "." + need);
    const auto* row = configuration_.find_template(sub.template_id);
    if (row != nullptr && row->kind == "composite")
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("template '{}' is a composite inside a composite", sub.template_id),
          "name its tasks here");
    if (row != nullptr && row->kind == "sql") return transform_of(std::move(sub), *row);
    return sub;
  }

  /// Who needs a composite's task waits for those of its tasks that no other of them waits for.
  void wait_for_leaves(model::Task& task) const {
    std::vector<std::string> needs;
    for (const auto& need : task.needs) {
      const auto leaves = leaves_.find(need);
      if (leaves == leaves_.end())
        needs.push_back(need);
      else
        needs.insert(needs.end(), leaves->second.begin(), leaves->second.end());
    }
    std::ranges::sort(needs);
    const auto same = std::ranges::unique(needs);
    needs.erase(same.begin(), same.end());
    task.needs = std::move(needs);
  }

  const model::Configuration& configuration_;
  const Places& places_;
  Expanded& into_;
  Faults& faults_;
  std::map<std::string, std::vector<std::string>> leaves_;  ///< Composite task → its last tasks.
};

}  // namespace

Result<Param> declared_param(const std::string& name, const Json& declared) {
  Param param;
  param.name = name;
  WEIR_ASSIGN(const std::string type, json_field_or<std::string>(declared, "type", "text"));
  const auto known = type_from_text(type);
  if (!known)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("parameter '{}' has the unknown type '{}'", name, type),
                          "text, integer, number, boolean, date, timestamp, duration, names, …");
  param.type = *known;
  WEIR_ASSIGN(param.doc, json_field_or<std::string>(declared, "doc", ""));
  const auto otherwise = declared.find("default");
  param.is_required = otherwise == declared.end();
  if (!param.is_required) param.otherwise = *otherwise;
  WEIR_ASSIGN(const Json choices, json_field_or<Json>(declared, "choices", Json::array()));
  for (const auto& choice : choices)
    if (choice.is_string()) param.choices.push_back(choice.get<std::string>());
  if (declared.contains("least")) {
    WEIR_ASSIGN(param.least, json_field<double>(declared, "least"));
  }
  if (declared.contains("greatest")) {
    WEIR_ASSIGN(param.greatest, json_field<double>(declared, "greatest"));
  }
  return param;
}

Result<std::vector<Param>> declared_params(const model::TemplateRow& row) {
  std::vector<Param> params;
  if (row.kind == "sql" && !row.params_schema.contains("to")) params.push_back(target_param());
  if (!row.params_schema.is_object())
    return fail(ErrorCode::kInvalidConfig, "template '{}': parameters are no map", row.template_id);
  for (const auto& [name, declared] : row.params_schema.items()) {
    if (!declared.is_object())
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("template '{}': parameter '{}' is no map", row.template_id, name),
          "write {type: text, default: …, doc: …}");
    WEIR_ASSIGN(Param param, while_doing(declared_param(name, declared),
                                         fmt::format("reading template '{}'", row.template_id)));
    params.push_back(std::move(param));
  }
  return params;
}

Result<std::vector<Param>> params_of(const model::Configuration& configuration,
                                     const std::string& template_id,
                                     std::span<const task::Template> builtin) {
  std::vector<std::string> names;
  for (const auto& made : builtin) {
    if (made.name == template_id) return made.params;
    names.push_back(made.name);
  }
  for (const auto& row : configuration.templates) {
    if (row.template_id == template_id && row.kind != "builtin") return declared_params(row);
    names.push_back(row.template_id);
  }
  return fail_with_hint(ErrorCode::kInvalidConfig,
                        fmt::format("unknown template '{}'", template_id),
                        did_you_mean(template_id, names) + " `weir template list` names all");
}

Result<Json> substitute(const Json& value, const std::map<std::string, Json>& values) {
  if (value.is_string()) return substitute_text(value.get<std::string>(), values);
  if (!value.is_structured()) return value;
  Json out = value;
  for (auto& item : out) {
    WEIR_ASSIGN(item, substitute(item, values));
  }
  return out;
}

Result<std::string> substitute_sql(std::string_view sql, const std::vector<Param>& params,
                                   const Json& values) {
  std::string out;
  SqlWalker walker(sql);
  while (!walker.is_done()) {
    if (const size_t length = walker.comment_length(); length > 0) {
      out += sql.substr(walker.at, length);
      walker.at += length;
    } else if (const size_t quoted = walker.quoted_length(); quoted > 0) {
      if (const auto name = slot_inside(sql.substr(walker.at, quoted)))
        return fail_with_hint(ErrorCode::kInvalidConfig,
                              fmt::format("'{{{{ {} }}}}' stands inside quotes", *name),
                              "leave the quotes out: a value comes with its own");
      out += sql.substr(walker.at, quoted);
      walker.at += quoted;
    } else if (const auto slot = slot_at(sql, walker.at)) {
      const auto param = std::ranges::find(params, slot->name, &Param::name);
      std::vector<std::string> names;
      for (const auto& known : params) names.push_back(known.name);
      if (param == params.end()) return unknown_name(slot->name, names);
      WEIR_ASSIGN(const std::string literal, sql_literal(*param, values.value(slot->name, Json())));
      out += literal;
      walker.at = slot->end;
    } else {
      out += sql[walker.at++];
    }
  }
  return out;
}

Checked<Expanded> expand(const model::Configuration& configuration, const Places& places) {
  Expanded expanded{configuration, {}};
  Faults faults;
  for (auto& flow : expanded.configuration.flows)
    FlowExpansion(configuration, places, expanded, faults).run(flow);
  if (!faults.empty()) return std::unexpected(std::move(faults));
  return expanded;
}

}  // namespace weir::config
