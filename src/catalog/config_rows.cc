#include "catalog/config_rows.h"

#include <algorithm>
#include <set>

#include "base/instant.h"

namespace weir::catalog {
namespace {

// ---- configuration → rows ------------------------------------------------------------------

class RowMaker {
 public:
  explicit RowMaker(const std::string& managed_by) : managed_by_(managed_by) {}

  void add(std::string table, std::vector<std::string> key, std::map<std::string, Json> values) {
    rows_.push_back({std::move(table), std::move(key), std::move(values), managed_by_});
  }

  void project(const model::Configuration& configuration) {
    if (!configuration.project.empty())
      add("project", {"name"}, {{"value", configuration.project}});
    if (!configuration.defaults.empty())
      add("project", {"defaults"}, {{"value", dump_json(configuration.defaults)}});
    if (configuration.lineage != model::Lineage())
      add("project", {"lineage"}, {{"value", dump_json(model::to_json(configuration.lineage))}});
  }

  void dataset(const model::Dataset& dataset) {
    add("dataset", {dataset.name.layer, dataset.name.name},
        {{"format", dataset.format},
         {"columns", model::to_json(dataset.columns)},
         {"key_columns", dataset.key},
         {"identity", std::string(model::to_text(dataset.identity))},
         {"contract", contract(dataset.contract)},
         {"options", dataset.options}});
  }

  void template_row(const model::TemplateRow& row) {
    add("template", {row.template_id},
        {{"kind", row.kind},
         {"location", row.location},
         {"sha256", row.sha256},
         {"version", row.version},
         {"params_schema", row.params_schema},
         {"body", row.body},
         {"description", row.description}});
  }

  void flow(const model::Flow& flow) {
    add("flow", {flow.flow_id},
        {{"dag_name", flow.dag_name},
         {"description", flow.description},
         {"owner", flow.owner},
         {"is_enabled", flow.is_enabled},
         {"overlap", std::string(model::to_text(flow.overlap))},
         {"max_active_runs", flow.max_active_runs},
         {"params", flow.params},
         {"defaults", flow.defaults},
         {"deadline", duration(flow.deadline_ms)}});
    for (const model::Task& task : flow.tasks) this->task(flow.flow_id, task);
    when("schedule", flow.flow_id, flow.schedule, {"cron", "every", "timezone"});
    when("file_trigger", flow.flow_id, flow.file_trigger, {"pattern"});
  }

  /// The kind of channel stands beside the connection that it is: a person who reads the table sees
  /// both. One flow by its name is a reference; everything that has no column is an option.
  void rule(const model::NotificationRule& rule, const model::Configuration& configuration) {
    const auto* connection = configuration.find_connection(rule.channel);
    const bool is_one_flow =
        rule.flows.size() == 1 && configuration.find_flow(rule.flows.front()) != nullptr;
    Json options = model::to_json(rule);
    for (const char* key : {"rule_id", "channel", "events", "is_enabled"}) options.erase(key);
    if (is_one_flow) options.erase("flows");
    const bool is_usual = rule.events.empty() && rule.severities.empty();
    add("notification_rule", {rule.rule_id},
        {{"flow_id", is_one_flow ? Json(rule.flows.front()) : Json()},
         {"events", is_usual ? Json::array({"failed"}) : Json(rule.events)},
         {"channel", connection == nullptr ? rule.channel : connection->kind},
         {"target", connection == nullptr ? "" : rule.channel},
         {"options", std::move(options)},
         {"is_enabled", rule.is_enabled}});
  }

  std::vector<ConfigRow> rows() && { return std::move(rows_); }

 private:
  /// Only what differs from the default: a row by SQL says `{}` for the same.
  static Json contract(const model::Contract& contract) {
    const Json usual = model::to_json(model::Contract{});
    const Json given = model::to_json(contract);
    Json differing = Json::object();
    for (const auto& [key, value] : given.items()) {
      if (value != usual[key]) differing[key] = value;
    }
    return differing;
  }

  static Json duration(const std::optional<int64_t>& duration_ms) {
    return duration_ms ? Json(format_duration_ms(*duration_ms)) : Json();
  }

  void task(const std::string& flow_id, const model::Task& task) {
    add("task", {flow_id, task.task_id},
        {{"template_id", task.template_id},
         {"params", task.params},
         {"engine", task.engine},
         {"resources", task.resources},
         {"retries", task.retries ? Json(*task.retries) : Json()},
         {"retry_delay", duration(task.retry_delay_ms)},
         {"timeout", duration(task.timeout_ms)},
         {"pool", task.pool.empty() ? Json() : Json(task.pool)},
         {"for_each", task.for_each},
         {"run_if", std::string(model::to_text(task.run_if))}});
    for (const std::string& needed : task.needs)
      add("task_dependency", {flow_id, task.task_id, needed}, {});
  }

  /// A schedule or trigger: the words that have columns of their own, the rest as options. A text
  /// alone is the first word.
  void when(const std::string& table, const std::string& flow_id, const Json& written,
            const std::vector<std::string>& words) {
    if (written.is_null()) return;
    if (!written.is_object()) return add(table, {flow_id}, {{words.front(), written}});
    std::map<std::string, Json> values;
    Json rest = written;
    for (const std::string& word : words) {
      if (!written.contains(word) || !written[word].is_string()) continue;
      values[word] = written[word];
      rest.erase(word);
    }
    values["options"] = std::move(rest);
    add(table, {flow_id}, std::move(values));
  }

  const std::string& managed_by_;
  std::vector<ConfigRow> rows_;
};

// ---- rows → configuration ------------------------------------------------------------------

/// Reads the values of one row; the first fault stays.
class ValueReader {
 public:
  ValueReader(const ConfigRow& row, RowsOf rows_of) : row_(row), rows_of_(rows_of) {}

  const std::string& key(size_t i) const { return row_.key[i]; }
  Json json(const std::string& column) const {
    const auto found = row_.values.find(column);
    return found == row_.values.end() ? Json() : found->second;
  }
  std::string text(const std::string& column) const {
    const Json value = json(column);
    return value.is_string() ? value.get<std::string>() : "";
  }
  bool boolean(const std::string& column) { return take(column, as<bool>(json(column))); }
  int64_t integer(const std::string& column) { return take(column, as<int64_t>(json(column))); }
  std::optional<int64_t> maybe_integer(const std::string& column) {
    if (json(column).is_null()) return std::nullopt;
    return integer(column);
  }
  std::vector<std::string> names(const std::string& column) {
    std::vector<std::string> names;
    for (const Json& name : json(column)) names.push_back(take(column, as<std::string>(name)));
    return names;
  }
  std::optional<int64_t> duration(const std::string& column) {
    if (json(column).is_null()) return std::nullopt;
    return take(column, parse_duration_ms(text(column)));
  }
  template <typename T>
  T take(const std::string& column, Result<T> value) {
    if (value) return *std::move(value);
    refuse(column, std::move(value).error());
    return T{};
  }
  void check(const std::string& column, Status status) {
    if (!status) refuse(column, std::move(status).error());
  }
  void refuse(const std::string& column, Error error) {
    if (error_) return;
    error.code = ErrorCode::kInvalidConfig;
    error.message = fmt::format("{}, column '{}': {}", describe(row_), column, error.message);
    error_ = std::move(error);
  }
  void refuse(const std::string& column, std::string message, std::string hint) {
    refuse(column, Error{ErrorCode::kInvalidConfig, std::move(message), {}, std::move(hint), {}});
  }
  void refuse_missing(const std::string& column, std::string_view what, std::string_view name) {
    const bool is_of_flow = what == "flow" || what == "task";
    if (rows_of_ == RowsOf::kOneFlow && !is_of_flow) return;
    refuse(column, fmt::format("there is no {} '{}'", what, name),
           "insert that row, or correct this one (the sqlite3 shell checks references only after "
           "PRAGMA foreign_keys=ON)");
  }
  Status status() && {
    if (error_) return std::unexpected(*std::move(error_));
    return {};
  }

 private:
  template <typename T>
  static Result<T> as(const Json& value) {
    return json_field<T>(Json{{"value", value}}, "value");
  }

  const ConfigRow& row_;
  const RowsOf rows_of_;
  std::optional<Error> error_;
};

void read_project(ValueReader& row, model::Configuration& into) {
  if (row.key(0) == "name") into.project = row.text("value");
  if (row.key(0) == "defaults") into.defaults = row.take("value", parse_json(row.text("value")));
  if (row.key(0) == "lineage") {
    const Json written = row.take("value", parse_json(row.text("value")));
    into.lineage = row.take("value", model::lineage_from_json(written));
  }
}

void read_layer(ValueReader& row, model::Configuration& into) {
  row.check("name", model::check_name(row.key(0), "layer"));
  if (row.key(0).find('.') != std::string::npos)
    row.refuse("name", fmt::format("layer '{}' has a dot", row.key(0)), "");
  into.layers.push_back({row.key(0), row.text("uri"), row.integer("position")});
}

void read_dataset(ValueReader& row, model::Configuration& into) {
  model::Dataset dataset;
  dataset.name = {row.key(0), row.key(1)};
  row.check("name", model::check_name(row.key(1), "dataset name"));
  if (into.find_layer(row.key(0)) == nullptr) row.refuse_missing("layer", "layer", row.key(0));
  dataset.format = row.text("format");
  dataset.columns = row.take("columns", model::schema_from_json(row.json("columns")));
  dataset.key = row.names("key_columns");
  dataset.identity = row.take("identity", model::identity_from_text(row.text("identity")));
  dataset.contract = row.take("contract", model::contract_from_json(row.json("contract")));
  dataset.options = row.json("options");
  into.datasets.push_back(std::move(dataset));
}

void read_connection(ValueReader& row, model::Configuration& into) {
  into.connections.push_back(
      {row.key(0), row.text("kind"), row.json("options"), row.text("secret_id")});
}

void read_template(ValueReader& row, model::Configuration& into) {
  into.templates.push_back({row.key(0), row.text("kind"), row.text("location"), row.text("sha256"),
                            row.text("version"), row.json("params_schema"), row.json("body"),
                            row.text("description")});
}

void read_pool(ValueReader& row, model::Configuration& into) {
  into.pools.push_back({row.key(0), row.integer("slots")});
}

void read_calendar(ValueReader& row, model::Configuration& into) {
  model::Calendar calendar;
  calendar.calendar_id = row.key(0);
  row.check("calendar_id", model::check_name(calendar.calendar_id, "calendar"));
  calendar.description = row.text("description");
  calendar.weekdays = row.text("weekdays");
  calendar.holidays = row.names("holidays");
  calendar.workdays = row.names("workdays");
  into.calendars.push_back(std::move(calendar));
}

void read_flow(ValueReader& row, model::Configuration& into) {
  model::Flow flow;
  flow.flow_id = row.key(0);
  row.check("flow_id", model::check_name(flow.flow_id, "flow"));
  flow.dag_name = row.text("dag_name");
  flow.description = row.text("description");
  flow.owner = row.text("owner");
  flow.is_enabled = row.boolean("is_enabled");
  flow.overlap = row.take("overlap", model::overlap_from_text(row.text("overlap")));
  flow.max_active_runs = row.integer("max_active_runs");
  flow.params = row.json("params");
  flow.defaults = row.json("defaults");
  flow.deadline_ms = row.duration("deadline");
  into.flows.push_back(std::move(flow));
}

model::Flow* flow_of(ValueReader& row, model::Configuration& into) {
  // configuration_of has sorted them: there may be ten thousand.
  const auto found = std::ranges::lower_bound(into.flows, row.key(0), {}, &model::Flow::flow_id);
  if (found != into.flows.end() && found->flow_id == row.key(0)) return &*found;
  row.refuse_missing("flow_id", "flow", row.key(0));
  return nullptr;
}

void read_task(ValueReader& row, model::Configuration& into) {
  model::Flow* flow = flow_of(row, into);
  if (flow == nullptr) return;
  model::Task task;
  task.flow_id = row.key(0);
  task.task_id = row.key(1);
  row.check("task_id", model::check_name(task.task_id, "task"));
  task.template_id = row.text("template_id");
  task.params = row.json("params");
  task.engine = row.text("engine");
  task.resources = row.json("resources");
  task.retries = row.maybe_integer("retries");
  task.retry_delay_ms = row.duration("retry_delay");
  task.timeout_ms = row.duration("timeout");
  task.pool = row.text("pool");
  const auto has_name = [&](const model::Pool& pool) { return pool.name == task.pool; };
  if (!task.pool.empty() && std::ranges::none_of(into.pools, has_name))
    row.refuse_missing("pool", "pool", task.pool);
  task.for_each = row.json("for_each");
  task.run_if = row.take("run_if", model::run_if_from_text(row.text("run_if")));
  flow->tasks.push_back(std::move(task));
}

void read_dependency(ValueReader& row, model::Configuration& into) {
  model::Flow* flow = flow_of(row, into);
  if (flow == nullptr) return;
  const auto task = std::ranges::find(flow->tasks, row.key(1), &model::Task::task_id);
  if (task == flow->tasks.end()) return row.refuse_missing("task_id", "task", row.key(1));
  if (std::ranges::find(flow->tasks, row.key(2), &model::Task::task_id) == flow->tasks.end())
    return row.refuse_missing("needs_task_id", "task", row.key(2));
  task->needs.push_back(row.key(2));
}

/// Back to what was written: options and the words with columns of their own.
Json written(const ValueReader& row, const std::vector<std::string>& words) {
  Json json = row.json("options");
  for (const std::string& word : words) {
    if (const Json value = row.json(word); !value.is_null()) json[word] = value;
  }
  return json;
}

void read_schedule(ValueReader& row, model::Configuration& into) {
  if (model::Flow* flow = flow_of(row, into))
    flow->schedule = written(row, {"cron", "every", "timezone"});
}

void read_file_trigger(ValueReader& row, model::Configuration& into) {
  if (model::Flow* flow = flow_of(row, into)) flow->file_trigger = written(row, {"pattern"});
}

void read_notification_rule(ValueReader& row, model::Configuration& into) {
  const std::string flow_id = row.text("flow_id");
  if (!flow_id.empty() &&
      !std::ranges::binary_search(into.flows, flow_id, {}, &model::Flow::flow_id))
    row.refuse_missing("flow_id", "flow", flow_id);
  auto rule = row.take("options", model::notification_rule_from_json(row.json("options")));
  rule.rule_id = row.key(0);
  rule.is_enabled = row.boolean("is_enabled");
  if (!flow_id.empty()) rule.flows = {flow_id};
  rule.events = row.names("events");
  // The column's default is the model's.
  if (rule.events == std::vector<std::string>{"failed"}) rule.events.clear();
  const std::string kind = row.text("channel");
  rule.channel = row.text("target");
  if (rule.channel.empty() && kind == "log") rule.channel = kind;
  const auto* connection = into.find_connection(rule.channel);
  if (connection == nullptr && rule.channel != "log")
    row.refuse_missing("target", "connection", rule.channel);
  else if (connection != nullptr && connection->kind != kind)
    row.refuse("channel",
               fmt::format("connection '{}' is of kind '{}', not '{}'", rule.channel,
                           connection->kind, kind),
               fmt::format("write {}", connection->kind));
  if (!row.text("secret_id").empty())
    row.refuse("secret_id", "a rule has no secret; its connection has", "leave it empty");
  into.notifications.push_back(std::move(rule));
}

struct TableReader {
  std::string_view table;
  void (*read)(ValueReader&, model::Configuration&);
};
/// In the order of config_tables(): a parent is there before its children ask for it.
constexpr TableReader kReaders[] = {
    {"project", read_project},
    {"layer", read_layer},
    {"dataset", read_dataset},
    {"connection", read_connection},
    {"template", read_template},
    {"pool", read_pool},
    {"calendar", read_calendar},
    {"flow", read_flow},
    {"task", read_task},
    {"task_dependency", read_dependency},
    {"schedule", read_schedule},
    {"file_trigger", read_file_trigger},
    {"notification_rule", read_notification_rule},
};

/// The order that model::Configuration promises.
void sort_all(model::Configuration& configuration) {
  std::ranges::sort(configuration.layers, [](const auto& a, const auto& b) {
    return std::tie(a.position, a.name) < std::tie(b.position, b.name);
  });
  std::ranges::sort(configuration.datasets, {}, &model::Dataset::name);
  std::ranges::sort(configuration.connections, {}, &model::Connection::connection_id);
  std::ranges::sort(configuration.templates, {}, &model::TemplateRow::template_id);
  std::ranges::sort(configuration.flows, {}, &model::Flow::flow_id);
  std::ranges::sort(configuration.pools, {}, &model::Pool::name);
  std::ranges::sort(configuration.calendars, {}, &model::Calendar::calendar_id);
  std::ranges::sort(configuration.notifications, {}, &model::NotificationRule::rule_id);
  for (model::Flow& flow : configuration.flows) {
    std::ranges::sort(flow.tasks, {}, &model::Task::task_id);
    for (model::Task& task : flow.tasks) std::ranges::sort(task.needs);
  }
}

}  // namespace

std::vector<ConfigRow> rows_of(const model::Configuration& configuration,
                               const std::string& managed_by) {
  RowMaker maker(managed_by);
  maker.project(configuration);
  for (const auto& layer : configuration.layers)
    maker.add("layer", {layer.name}, {{"uri", layer.uri}, {"position", layer.position}});
  for (const auto& dataset : configuration.datasets) maker.dataset(dataset);
  for (const auto& connection : configuration.connections)
    maker.add("connection", {connection.connection_id},
              {{"kind", connection.kind},
               {"options", connection.options},
               {"secret_id", connection.secret_id}});
  for (const auto& row : configuration.templates) maker.template_row(row);
  for (const auto& pool : configuration.pools)
    maker.add("pool", {pool.name}, {{"slots", pool.slots}});
  for (const auto& calendar : configuration.calendars)
    maker.add("calendar", {calendar.calendar_id},
              {{"description", calendar.description},
               {"weekdays", calendar.weekdays},
               {"holidays", calendar.holidays},
               {"workdays", calendar.workdays}});
  for (const auto& flow : configuration.flows) maker.flow(flow);
  for (const auto& rule : configuration.notifications) maker.rule(rule, configuration);
  std::vector<ConfigRow> rows = std::move(maker).rows();
  for (ConfigRow& row : rows) {
    auto normal = normal_form(row);
    if (normal)
      row = *std::move(normal);  // What is not valid shows up as it is, in plan and apply.
  }
  const auto position = [](const ConfigRow& row) {
    return find_config_table(row.table) - config_tables().data();
  };
  std::ranges::stable_sort(rows, [&](const ConfigRow& a, const ConfigRow& b) {
    return std::make_tuple(position(a), a.key) < std::make_tuple(position(b), b.key);
  });
  return rows;
}

Result<model::Configuration> configuration_of(const std::vector<ConfigRow>& rows, RowsOf rows_of) {
  model::Configuration configuration;
  for (const TableReader& reader : kReaders) {
    for (const ConfigRow& row : rows) {
      if (row.table != reader.table) continue;
      ValueReader values(row, rows_of);
      reader.read(values, configuration);
      WEIR_TRY(std::move(values).status());
    }
    if (reader.table == "flow") std::ranges::sort(configuration.flows, {}, &model::Flow::flow_id);
  }
  sort_all(configuration);
  return configuration;
}

}  // namespace weir::catalog
