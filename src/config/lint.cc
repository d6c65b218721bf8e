#include "config/lint.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "base/nearest.h"
#include "base/pattern.h"
#include "base/redact.h"
#include "config/for_each.h"
#include "config/lint_notifications.h"
#include "config/lint_run_values.h"
#include "config/lint_schedule.h"
#include "config/lint_triggers.h"
#include "config/user_templates.h"
#include "database/source.h"
#include "model/control_sums.h"
#include "model/layer_name.h"
#include "model/names.h"
#include "model/readers.h"
#include "model/task_id.h"
#include "net/api_settings.h"
#include "secrets/secrets.h"
#include "storage/s3_settings.h"
#include "storage/sftp_settings.h"

namespace weir::config {
namespace {

using model::Configuration;
using model::Flow;
using model::Task;
using task::Param;
using task::ParamType;

bool is_open(std::string_view text) {
  return text.find("${") != std::string_view::npos || text.find("{{") != std::string_view::npos;
}

template <typename T, typename Projection>
std::vector<std::string> names_of(const std::vector<T>& items, Projection projection) {
  std::vector<std::string> names;
  for (const auto& item : items) names.push_back(std::invoke(projection, item));
  return names;
}

std::string listed(std::string_view what, const std::vector<std::string>& names) {
  constexpr size_t kMostListed = 12;
  if (names.empty()) return fmt::format("there are no {}", what);
  const size_t shown = std::min(names.size(), kMostListed);
  std::string text = fmt::format(
      "{}: {}", what,
      fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  return names.size() > shown ? text + ", …" : text;
}

std::string folded(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string hint_for(std::string_view word, std::string_view what,
                     const std::vector<std::string>& names) {
  const std::string guess = did_you_mean(word, names);
  return guess.empty() ? listed(what, names) : guess;
}

class Linter {
 public:
  Linter(const Configuration& configuration, const LintInputs& inputs, const Places& places)
      : configuration_(configuration), inputs_(inputs), places_(places) {}

  Faults faults;

  void rows() {
    for (const auto& layer : configuration_.layers) {
      const Subject subject{"layer", {layer.name}, {"name"}};
      if (layer.name.contains('.')) fault(subject, "a layer's name has no dot");
      if (model::is_engine_schema(layer.name))
        fault(subject, "the SQL engine has a schema of that name",
              "give the layer another name, such as " + layer.name + "_data");
    }
    lint_case("layer", names_of(configuration_.layers, &model::Layer::name));
    for (const auto& dataset : configuration_.datasets) lint_dataset(dataset);
    lint_case("dataset", names_of(configuration_.datasets,
                                  [](const auto& dataset) { return dataset.name.text(); }));
    for (const auto& connection : configuration_.connections) lint_path(connection);
    for (const auto& row : configuration_.templates) lint_template(row);
    lint_notifications(configuration_, places_, inputs_.is_of_one_flow, faults);
    lint_file_triggers(configuration_, places_, faults);
    lint_calendars(configuration_, places_, faults);
  }

  void flow(const Flow& flow) {
    lint_schedule(configuration_, flow, places_, zones_, faults);
    lint_flow_params(flow, places_, faults);
    for (const auto& task : flow.tasks) {
      lint_task(task, {"task", {flow.flow_id, task.task_id}, {}});
      lint_needs(flow, task);
      lint_pattern(task);
      lint_files(flow, task);
    }
    lint_cycles(flow);
  }

  /// Two values of one for_each do not write one dataset: each has its own, and its own history.
  void targets(const Flow& written, const Flow& flow) {
    struct Writer {
      std::string value;  ///< The task of the value, without what a composite made of it.
      std::string task_id;
    };
    std::map<std::string, Writer> writers;
    for (const auto& task : flow.tasks) {
      const auto bracket = task.task_id.find(']');
      if (bracket == std::string::npos) continue;
      const Writer writer{task.task_id.substr(0, bracket + 1), task.task_id};
      const std::string family(model::written_task_id(task.task_id));
      const auto list = std::ranges::find(written.tasks, family, &Task::task_id);
      if (list == written.tasks.end() || list->for_each.is_null()) continue;
      for (const auto& [param, target] : targets_of(task)) {
        if (is_open(target)) continue;
        const auto [first, is_new] = writers.emplace(family + '\n' + folded(target), writer);
        if (is_new || first->second.value == writer.value) continue;
        fault({"task", {flow.flow_id, task.task_id}, {"with", param}},
              fmt::format("it writes {}, as '{}' does", target, first->second.task_id),
              "each value of for_each has a target of its own: write ${each} into it");
      }
    }
  }

  /// What a composite became: faults are shown where the composite is used.
  void expanded(const Flow& written, const Flow& flow) {
    lint_cycles(flow);
    for (const auto& task : flow.tasks) {
      const auto dot = task.task_id.find('.');
      const auto is_written = std::ranges::find(written.tasks, task.task_id, &Task::task_id);
      if (is_written != written.tasks.end() || dot == std::string::npos) continue;
      const Subject subject{"task", {flow.flow_id, parent_of(written, task.task_id)}, {"template"}};
      as_ = fmt::format("as '{}': ", task.task_id);
      is_expanded_ = true;
      lint_task(task, subject);
      as_.clear();
      is_expanded_ = false;
    }
  }

 private:
  void fault(const Subject& subject, const std::string& message, std::string hint = {}) {
    faults.push_back(fault_of(places_, subject, as_ + message, std::move(hint)));
  }

  /// Datasets and warehouse tables that a task writes, each by the parameter that names it.
  std::vector<std::pair<std::string, std::string>> targets_of(const Task& task) const {
    std::vector<std::pair<std::string, std::string>> targets;
    const auto made = std::ranges::find(inputs_.builtin, task.template_id, &task::Template::name);
    if (made == inputs_.builtin.end() || !task.params.is_object()) return targets;
    const auto text = [&](const char* name) {
      const auto found = task.params.find(name);
      return found != task.params.end() && found->is_string() ? found->get<std::string>() : "";
    };
    for (const auto& param : made->params)
      if (param.use == task::Use::kProduces && !text(param.name.c_str()).empty())
        targets.emplace_back(param.name, text(param.name.c_str()));
    if (made->operation == model::OperationKind::kLoadWarehouse)
      targets.emplace_back("table", text("connection") + "." + text("table"));
    return targets;
  }

  /// Sub-tasks are `<task>.<sub>`, and a task's own name may have dots.
  static std::string parent_of(const Flow& written, const std::string& task_id) {
    for (auto dot = task_id.rfind('.'); dot != std::string::npos && dot > 0;
         dot = task_id.rfind('.', dot - 1)) {
      const std::string parent = task_id.substr(0, dot);
      if (std::ranges::find(written.tasks, parent, &Task::task_id) != written.tasks.end())
        return parent;
    }
    return task_id;
  }

  void lint_layer_name(const Subject& subject, const std::string& layer) {
    if (is_open(layer) || configuration_.find_layer(layer) != nullptr) return;
    fault(subject, fmt::format("unknown layer '{}'", layer),
          hint_for(layer, "layers", names_of(configuration_.layers, &model::Layer::name)));
  }

  /// In SQL the case of letters makes no difference between names.
  void lint_case(const std::string& table, const std::vector<std::string>& names) {
    std::map<std::string, std::string> seen;
    for (const auto& name : names) {
      const auto [other, is_new] = seen.emplace(folded(name), name);
      if (!is_new && other->second != name)
        fault({table, {name}, {"name"}},
              fmt::format("it differs from '{}' only in the case of letters", other->second),
              "SQL folds case: give it another name");
    }
  }

  void lint_dataset(const model::Dataset& dataset) {
    const Subject subject{"dataset", {dataset.name.text()}, {}};
    lint_layer_name(subject.in("name"), dataset.name.layer);
    const auto control = model::control_columns(dataset.options);
    if (!control) fault(subject.in("options"), control.error().message, control.error().hint);
    const auto readers = model::readers_of(dataset.options);
    if (!readers) fault(subject.in("options"), readers.error().message, readers.error().hint);
    if (dataset.columns.empty()) return;
    if (readers) {
      const Status is_read = model::check_readable_by(*readers, dataset.columns);
      if (!is_read) fault(subject.in("options"), is_read.error().message, is_read.error().hint);
    }
    if (control) {
      const Status adds_up =
          model::check_control_columns(dataset.columns, *control, dataset.name.text());
      if (!adds_up) fault(subject.in("options"), adds_up.error().message, adds_up.error().hint);
    }
    const auto columns = names_of(dataset.columns, &model::Column::name);
    for (const auto& key : dataset.key)
      if (model::find_column(dataset.columns, key) == nullptr)
        fault(subject.in("key"), fmt::format("key column '{}' is not declared", key),
              hint_for(key, "columns", columns));
    std::set<std::string> seen;
    for (const auto& column : columns) {
      if (!seen.insert(folded(column)).second)
        fault(subject.in("columns").in(column),
              fmt::format("column '{}' stands twice but for the case of its letters", column),
              "engines fold case: give it another name");
    }
  }

  void lint_path(const model::Connection& connection) {
    lint_secrets(connection);
    if (connection.kind == "s3") lint_options(connection, storage::read_s3_settings);
    if (connection.kind == "sftp") lint_options(connection, storage::read_sftp_settings);
    if (connection.kind == "http") lint_options(connection, net::read_api_settings);
    if (database::is_source_kind(connection.kind)) lint_database(connection);
    if (connection.kind != "duckdb") return;
    const Json path = connection.options.value("path", Json());
    if (path.is_string() && path != "") return;
    fault({"connection", {connection.connection_id}, {"path"}},
          "a connection of kind 'duckdb' needs a path", "write path: data/warehouse.duckdb");
  }

  /// Rows are read by many and kept for ever: they name secrets and hold none.
  void lint_secrets(const model::Connection& connection) {
    const Subject subject{"connection", {connection.connection_id}, {}};
    if (!connection.secret_id.empty() && !is_open(connection.secret_id)) {
      const auto reference = secrets::parse_secret_id(connection.secret_id);
      if (!reference)
        fault(subject.in("secret_id"), reference.error().message, reference.error().hint);
    }
    for (const auto& [name, value] : connection.options.items()) {
      const std::string text = value.is_string() ? value.get<std::string>() : std::string();
      if (refers_to_secret(text)) {
        const auto reference = secrets::parse_reference(text);
        if (!reference) fault(subject.in(name), reference.error().message, reference.error().hint);
      } else if ((names_secret(name) || name == "token") && !value.is_null()) {
        process_redactor().remember(text);  // The line it stands in is shown.
        fault(subject.in(name), fmt::format("the option '{}' holds a secret in clear", name),
              "keep it with `weir secret set ID`, and write secret://ID here");
      }
    }
  }

  template <typename Settings>
  void lint_options(const model::Connection& connection, Result<Settings> (*read)(const Json&)) {
    // What a variable will be is not known yet; then the store says it when it is opened.
    if (is_open(dump_json(connection.options))) return;
    const auto settings = read(connection.options);
    if (!settings)
      fault({"connection", {connection.connection_id}, {}}, settings.error().message,
            settings.error().hint);
  }

  void lint_database(const model::Connection& connection) {
    const Subject subject{"connection", {connection.connection_id}, {}};
    if (!connection.secret_id.empty())
      fault(subject.in("secret_id"),
            fmt::format("a connection of kind '{}' takes no secret_id", connection.kind),
            fmt::format("write password: secret://{}#password", connection.secret_id));
    if (is_open(dump_json(connection.options))) return;
    Json options = connection.options;
    // Its number is not known here.
    const Json port = options.value("port", Json());
    if (port.is_string() && refers_to_secret(port.get<std::string>())) options.erase("port");
    const auto settings = database::check_source_options(connection.kind, options);
    if (!settings) fault(subject, settings.error().message, settings.error().hint);
  }

  void lint_template(const model::TemplateRow& row) {
    const Subject subject{"template", {row.template_id}, {}};
    const bool is_builtin = std::ranges::find(inputs_.builtin, row.template_id,
                                              &task::Template::name) != inputs_.builtin.end();
    if (row.kind == "builtin" && !is_builtin)
      fault(subject.in("template_id"), "there is no builtin template of that name");
    if (row.kind != "builtin" && is_builtin)
      fault(subject.in("template_id"), "a builtin template has that name", "give it another name");
    const auto params = declared_params(row);
    if (!params) fault(subject.in("params"), params.error().message, params.error().hint);
    const bool has_file = row.kind == "sql" || row.kind == "spark_script" || row.kind == "command";
    if (has_file && row.location.empty())
      fault(subject, "'location' is missing", "the file of its body, from the project folder");
    if (row.kind == "composite" && row.location.empty() && row.body.empty())
      fault(subject, "'tasks' is missing", "name its tasks, or the file (location) that does");
    if (params && row.kind == "sql" && row.body.contains("text")) lint_sql(row, *params, subject);
  }

  /// Every parameter of the SQL is declared and stands where a value may stand.
  void lint_sql(const model::TemplateRow& row, const std::vector<Param>& params,
                const Subject& subject) {
    Json values = Json::object();
    for (const auto& param : params)
      values[param.name] = param.type == ParamType::kDataset ? Json("layer.name") : Json("x");
    const auto sql = substitute_sql(row.body.value("text", ""), params, values);
    if (!sql) fault(subject.in("location"), sql.error().message, sql.error().hint);
  }

  void lint_needs(const Flow& flow, const Task& task) {
    const Subject subject{"task", {flow.flow_id, task.task_id}, {"needs"}};
    for (const auto& need : task.needs) {
      if (need == task.task_id) {
        fault(subject, "it needs itself");
      } else if (std::ranges::find(flow.tasks, need, &Task::task_id) == flow.tasks.end()) {
        std::vector<std::string> others;
        for (const auto& other : flow.tasks)
          if (other.task_id != task.task_id) others.push_back(other.task_id);
        fault(subject, fmt::format("it needs task '{}', which is not there", need),
              hint_for(need, "tasks", others));
      }
    }
  }

  /// Tables by pattern come from a database that can be read.
  void lint_pattern(const Task& task) {
    const Subject tables{"task", {task.flow_id, task.task_id}, {"for_each", "tables"}};
    const auto pattern = table_pattern(task);
    if (!pattern) return fault(tables, pattern.error().message, pattern.error().hint);
    if (!*pattern || is_open((*pattern)->connection)) return;
    const auto reads = std::ranges::find(inputs_.builtin, "ingest_database", &task::Template::name);
    const Param* param = reads == inputs_.builtin.end() ? nullptr : reads->find_param("connection");
    lint_connection(tables.in("connection"), (*pattern)->connection,
                    param == nullptr ? Param() : *param);
  }

  /// Files of a list lie in a layer that is there, and those of an event come with one.
  void lint_files(const Flow& flow, const Task& task) {
    const Subject files{"task", {task.flow_id, task.task_id}, {"for_each", "files"}};
    const auto pattern = file_pattern(task);
    if (!pattern) return fault(files, pattern.error().message, pattern.error().hint);
    if (!*pattern) return;
    const Subject at = task.for_each.at("files").is_string() ? files : files.in("pattern");
    if (!(*pattern)->pattern.empty()) lint_glob(at, (*pattern)->pattern);
    if (!(*pattern)->of_trigger) return;
    const Param any;
    for (const auto& wrong : check_run_references(flow, &any, Json(words_of(**pattern))))
      fault(at, wrong.message, wrong.hint);
  }

  /// One fault per cycle, with its tasks in order.
  void lint_cycles(const Flow& flow) {
    std::set<std::string> done;
    for (const auto& task : flow.tasks) {
      std::vector<std::string> path;
      find_cycle(flow, task.task_id, path, done);
    }
  }

  void find_cycle(const Flow& flow, const std::string& task_id, std::vector<std::string>& path,
                  std::set<std::string>& done) {
    const auto again = std::ranges::find(path, task_id);
    if (again != path.end()) {
      std::vector<std::string> cycle(again, path.end());
      if (cycle.size() < 2) return;  // said by lint_needs
      cycle.push_back(task_id);
      fault({"task", {flow.flow_id, task_id}, {"needs"}},
            fmt::format("tasks need each other: {}", fmt::join(cycle, " → ")),
            "take one of these needs away");
      return;
    }
    if (done.contains(task_id)) return;
    const auto task = std::ranges::find(flow.tasks, task_id, &Task::task_id);
    if (task == flow.tasks.end()) return;
    path.push_back(task_id);
    for (const auto& need : task->needs) find_cycle(flow, need, path, done);
    path.pop_back();
    done.insert(task_id);
  }

  void lint_task(const Task& task, const Subject& subject) {
    if (!task.pool.empty() && !has_pool(task.pool))
      fault(subject.in("pool"), fmt::format("unknown pool '{}'", task.pool),
            hint_for(task.pool, "pools", names_of(configuration_.pools, &model::Pool::name)));
    const auto params = params_of(configuration_, task.template_id, inputs_.builtin);
    if (!params) {
      fault(is_expanded_ ? subject : subject.in("template"), params.error().message,
            params.error().hint);
      return;
    }
    const auto* row = configuration_.find_template(task.template_id);
    if (row != nullptr && (row->kind == "spark_script" || row->kind == "command")) {
      fault(subject.in("template"),
            fmt::format("templates of kind '{}' cannot run here", row->kind));
      faults.back().code = ErrorCode::kUnsupported;
      return;
    }
    const size_t before = faults.size();
    lint_params(task, *params, is_expanded_ ? subject : subject.in("with"));
    if (faults.size() == before) lint_whole(task, is_expanded_ ? subject : subject.in("with"));
    lint_merged_names(task, is_expanded_ ? subject : subject.in("with"));
  }

  /// Rows that are merged come with the columns of their source, and a Hudi table cannot hold each
  /// of a file's names.
  void lint_merged_names(const Task& task, const Subject& with) {
    const auto made = std::ranges::find(inputs_.builtin, task.template_id, &task::Template::name);
    if (made == inputs_.builtin.end() || !made->operation) return;
    if (*made->operation != model::OperationKind::kMergeHistory &&
        *made->operation != model::OperationKind::kMergeLatest)
      return;
    const Json from = task.params.is_object() ? task.params.value("from", Json()) : Json();
    if (!from.is_string()) return;
    const auto name = model::parse_dataset_name(from.get_ref<const std::string&>());
    const auto* source = name ? configuration_.find_dataset(*name) : nullptr;
    if (source == nullptr) return;
    for (const auto& column : source->columns) {
      if (model::is_column_name(column.name)) continue;
      fault(is_expanded_ ? with : with.in("from"),
            fmt::format("column '{}' of {} has a name that a Hudi table cannot hold", column.name,
                        source->name.text()),
            fmt::format("declare it under another, and let ingest_files find it: format: {{csv: "
                        "{{rename: {{\"{}\": {}}}}}}}",
                        column.name, model::plain_column_name(column.name)));
      return;
    }
  }

  bool has_pool(const std::string& name) const {
    return std::ranges::find(configuration_.pools, name, &model::Pool::name) !=
           configuration_.pools.end();
  }

  void lint_params(const Task& task, const std::vector<Param>& params, const Subject& with) {
    const std::string see =
        fmt::format("`weir template show {}` lists the parameters", task.template_id);
    if (!task.params.is_object()) return fault(with, "parameters are no map", see);
    const auto names = names_of(params, &Param::name);
    for (const auto& [name, value] : task.params.items()) {
      const auto param = std::ranges::find(params, name, &Param::name);
      if (param == params.end()) {
        const std::string guess = did_you_mean(name, names);
        Error unknown = fault_of(places_, with, fmt::format("{}unknown parameter '{}'", as_, name),
                                 guess.empty() ? see : guess + " " + see);
        if (!is_expanded_) unknown.place = places_.of_key(with.in(name));
        faults.push_back(std::move(unknown));
        continue;
      }
      lint_value(task, *param, value, is_expanded_ ? with : with.in(name));
    }
    for (const auto& param : params)
      if (param.is_required &&
          (!task.params.contains(param.name) || task.params[param.name].is_null()))
        fault(with, fmt::format("parameter '{}' is missing", param.name), param.doc + " " + see);
  }

  void lint_value(const Task& task, const Param& param, const Json& value, const Subject& subject) {
    const Status status = task::lint_params(task.template_id, {param}, Json{{param.name, value}});
    if (!status) return fault(subject, status.error().message, status.error().hint);
    if (const Flow* flow = configuration_.find_flow(task.flow_id))
      for (const auto& wrong : check_run_references(*flow, &param, value))
        fault(subject, wrong.message, wrong.hint);
    if (param.use == task::Use::kReconciles && value.is_array()) lint_chain(subject, value);
    if (!value.is_string() || is_open(value.get_ref<const std::string&>())) return;
    const auto text = value.get<std::string>();
    switch (param.type) {
      case ParamType::kDataset: lint_layer_name(subject, text.substr(0, text.find('.'))); break;
      case ParamType::kGlob: lint_glob(subject, text); break;
      case ParamType::kConnection: lint_connection(subject, text, param); break;
      case ParamType::kSqlFile: lint_file(subject, text); break;
      default: break;
    }
  }

  /// `layer.dataset` and `connection.table` names.
  void lint_chain(const Subject& subject, const Json& names) {
    for (const auto& each : names) {
      if (!each.is_string() || is_open(each.get_ref<const std::string&>())) continue;
      const auto name = each.get<std::string>();
      const std::string prefix = name.substr(0, name.find('.'));
      if (name.contains('.') && (configuration_.find_layer(prefix) != nullptr ||
                                 configuration_.find_connection(prefix) != nullptr))
        continue;
      fault(subject, fmt::format("'{}' is no dataset and no warehouse table", name),
            "write layer.dataset or connection.table");
    }
  }

  void lint_glob(const Subject& subject, const std::string& glob) {
    if (is_open(glob)) return;
    const auto slash = glob.find('/');
    if (slash == std::string::npos)
      return fault(subject, fmt::format("'{}' names no layer", glob),
                   "write layer/glob, such as landing/airports-*.csv");
    lint_layer_name(subject, glob.substr(0, slash));
  }

  void lint_connection(const Subject& subject, const std::string& id, const Param& param) {
    const auto* connection = configuration_.find_connection(id);
    if (connection == nullptr)
      return fault(
          subject, fmt::format("unknown connection '{}'", id),
          hint_for(id, "connections",
                   names_of(configuration_.connections, &model::Connection::connection_id)));
    const bool fits = param.choices.empty() || is_open(connection->kind) ||
                      std::ranges::find(param.choices, connection->kind) != param.choices.end();
    if (!fits)
      fault(subject,
            fmt::format("connection '{}' is of kind '{}', which '{}' does not take", id,
                        connection->kind, param.name),
            hint_for(connection->kind, "kinds", param.choices));
  }

  void lint_file(const Subject& subject, const std::string& path) {
    // What a `sql` template made has a '#' and is no file of the folder.
    if (inputs_.folder == nullptr || is_expanded_) return;
    const auto there = inputs_.folder->stat(path);
    if (there) return;
    if (there.error().code == ErrorCode::kNotFound)
      fault(subject, fmt::format("no file '{}'", path), "paths count from the project folder");
    else
      fault(subject, there.error().message, there.error().hint);
  }

  /// Rules across parameters, which only the template itself knows.
  void lint_whole(const Task& task, const Subject& subject) {
    const auto made = std::ranges::find(inputs_.builtin, task.template_id, &task::Template::name);
    if (made == inputs_.builtin.end() || made->lint == nullptr) return;
    const Status status = made->lint(task.params);
    if (!status) fault(subject, status.error().message, status.error().hint);
  }

  const Configuration& configuration_;
  const LintInputs& inputs_;
  const Places& places_;
  schedule::Zones zones_;
  std::string as_;  ///< Which part of a composite is looked at.
  bool is_expanded_ = false;
};

}  // namespace

Faults lint(const Configuration& configuration, const LintInputs& inputs, const Places& places) {
  Linter linter(configuration, inputs, places);
  linter.rows();
  for (const auto& flow : configuration.flows) linter.flow(flow);
  const bool has_bodies = std::ranges::all_of(configuration.templates, [](const auto& row) {
    return row.location.empty() || !row.body.is_null();
  });
  if (!has_bodies || !linter.faults.empty()) return std::move(linter.faults);
  auto expanded = expand(configuration, places);
  if (!expanded) return std::move(expanded).error();
  for (const auto& flow : configuration.flows)
    linter.expanded(flow, *expanded->configuration.find_flow(flow.flow_id));
  for (const auto& flow : expanded->configuration.flows) {
    const Flow* written =
        inputs.written == nullptr ? nullptr : inputs.written->find_flow(flow.flow_id);
    if (written != nullptr) linter.targets(*written, flow);
  }
  return std::move(linter.faults);
}

}  // namespace weir::config
