#include "model/configuration.h"

#include <algorithm>

#include "base/digest.h"
#include "base/nearest.h"

namespace weir::model {
namespace {

/// Adds a field unless it holds its default: equal configurations have equal text.
void add(Json& object, std::string_view key, Json value, const Json& otherwise) {
  if (value != otherwise) object[std::string(key)] = std::move(value);
}

Result<std::vector<std::string>> names_from_json(const Json& object, std::string_view key) {
  WEIR_ASSIGN(const Json list, json_field_or<Json>(object, key, Json::array()));
  if (!list.is_array()) return fail(ErrorCode::kInvalidData, "field '{}' is no list", key);
  std::vector<std::string> names;
  for (const auto& item : list) {
    if (!item.is_string())
      return fail(ErrorCode::kInvalidData, "field '{}' holds more than names", key);
    names.push_back(item.get<std::string>());
  }
  return names;
}

Result<std::optional<int64_t>> optional_number(const Json& object, std::string_view key) {
  if (!object.contains(key) || object.at(std::string(key)).is_null()) return std::nullopt;
  WEIR_ASSIGN(const int64_t value, json_field<int64_t>(object, key));
  return value;
}

Result<Task> task_from_json(const Json& json, const std::string& flow_id) {
  Task task;
  task.flow_id = flow_id;
  WEIR_ASSIGN(task.task_id, json_field<std::string>(json, "task_id"));
  WEIR_ASSIGN(task.template_id, json_field<std::string>(json, "template_id"));
  WEIR_ASSIGN(task.params, json_field_or<Json>(json, "params", Json::object()));
  WEIR_ASSIGN(task.engine, json_field_or<std::string>(json, "engine", ""));
  WEIR_ASSIGN(task.resources, json_field_or<Json>(json, "resources", Json::object()));
  WEIR_ASSIGN(task.retries, optional_number(json, "retries"));
  WEIR_ASSIGN(task.retry_delay_ms, optional_number(json, "retry_delay_ms"));
  WEIR_ASSIGN(task.timeout_ms, optional_number(json, "timeout_ms"));
  WEIR_ASSIGN(task.pool, json_field_or<std::string>(json, "pool", ""));
  WEIR_ASSIGN(task.for_each, json_field_or<Json>(json, "for_each", Json()));
  WEIR_ASSIGN(task.needs, names_from_json(json, "needs"));
  WEIR_ASSIGN(const std::string run_if,
              json_field_or<std::string>(json, "run_if", std::string(to_text(task.run_if))));
  WEIR_ASSIGN(task.run_if, run_if_from_text(run_if));
  WEIR_ASSIGN(task.refusal, json_field_or<std::string>(json, "refusal", ""));
  return task;
}

Result<Flow> flow_from_json(const Json& json) {
  Flow flow;
  WEIR_ASSIGN(flow.flow_id, json_field<std::string>(json, "flow_id"));
  WEIR_ASSIGN(flow.dag_name, json_field_or<std::string>(json, "dag_name", ""));
  WEIR_ASSIGN(flow.description, json_field_or<std::string>(json, "description", ""));
  WEIR_ASSIGN(flow.owner, json_field_or<std::string>(json, "owner", ""));
  WEIR_ASSIGN(flow.is_enabled, json_field_or<bool>(json, "is_enabled", true));
  WEIR_ASSIGN(const std::string overlap, json_field_or<std::string>(json, "overlap", "queue"));
  WEIR_ASSIGN(flow.overlap, overlap_from_text(overlap));
  WEIR_ASSIGN(flow.max_active_runs, json_field_or<int64_t>(json, "max_active_runs", 1));
  WEIR_ASSIGN(flow.params, json_field_or<Json>(json, "params", Json::object()));
  WEIR_ASSIGN(flow.defaults, json_field_or<Json>(json, "defaults", Json::object()));
  WEIR_ASSIGN(flow.schedule, json_field_or<Json>(json, "schedule", Json()));
  WEIR_ASSIGN(flow.file_trigger, json_field_or<Json>(json, "file_trigger", Json()));
  WEIR_ASSIGN(flow.deadline_ms, optional_number(json, "deadline_ms"));
  WEIR_ASSIGN(const Json tasks, json_field_or<Json>(json, "tasks", Json::array()));
  for (const auto& item : tasks) {
    WEIR_ASSIGN(Task task, task_from_json(item, flow.flow_id));
    flow.tasks.push_back(std::move(task));
  }
  return flow;
}

Result<Dataset> dataset_from_json(const Json& json) {
  Dataset dataset;
  WEIR_ASSIGN(const std::string name, json_field<std::string>(json, "name"));
  WEIR_ASSIGN(dataset.name, parse_dataset_name(name));
  WEIR_ASSIGN(dataset.format, json_field_or<std::string>(json, "format", ""));
  WEIR_ASSIGN(const Json columns, json_field_or<Json>(json, "columns", Json::array()));
  WEIR_ASSIGN(dataset.columns, schema_from_json(columns));
  WEIR_ASSIGN(dataset.key, names_from_json(json, "key"));
  WEIR_ASSIGN(const std::string identity, json_field_or<std::string>(json, "identity", "content"));
  WEIR_ASSIGN(dataset.identity, identity_from_text(identity));
  WEIR_ASSIGN(const Json contract, json_field_or<Json>(json, "contract", Json::object()));
  WEIR_ASSIGN(dataset.contract, contract_from_json(contract));
  WEIR_ASSIGN(dataset.options, json_field_or<Json>(json, "options", Json::object()));
  return dataset;
}

Result<TemplateRow> template_from_json(const Json& json) {
  TemplateRow row;
  WEIR_ASSIGN(row.template_id, json_field<std::string>(json, "template_id"));
  WEIR_ASSIGN(row.kind, json_field<std::string>(json, "kind"));
  WEIR_ASSIGN(row.location, json_field_or<std::string>(json, "location", ""));
  WEIR_ASSIGN(row.sha256, json_field_or<std::string>(json, "sha256", ""));
  WEIR_ASSIGN(row.version, json_field_or<std::string>(json, "version", ""));
  WEIR_ASSIGN(row.params_schema, json_field_or<Json>(json, "params_schema", Json::object()));
  WEIR_ASSIGN(row.body, json_field_or<Json>(json, "body", Json()));
  WEIR_ASSIGN(row.description, json_field_or<std::string>(json, "description", ""));
  return row;
}

Json to_json(const TemplateRow& row) {
  Json json = {{"template_id", row.template_id}, {"kind", row.kind}};
  add(json, "location", row.location, "");
  add(json, "sha256", row.sha256, "");
  add(json, "version", row.version, "");
  add(json, "params_schema", row.params_schema, Json::object());
  add(json, "body", row.body, Json());
  add(json, "description", row.description, "");
  return json;
}

template <typename T, typename Projection>
std::vector<T> sorted(std::vector<T> items, Projection projection) {
  std::ranges::sort(items, {}, projection);
  return items;
}

}  // namespace

std::string_view to_text(Identity identity) {
  return identity == Identity::kContent ? "content" : "as_of + content";
}

std::string_view to_text(Overlap overlap) {
  switch (overlap) {
    case Overlap::kQueue: return "queue";
    case Overlap::kCancel: return "cancel";
    case Overlap::kFail: return "fail";
    case Overlap::kSkip: break;
  }
  return "skip";
}

Result<Identity> identity_from_text(std::string_view text) {
  if (text == "content") return Identity::kContent;
  if (text == "as_of + content" || text == "as_of+content") return Identity::kAsOfAndContent;
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("identity '{}' is not known", text),
                        "write content, or as_of + content for snapshots");
}

std::string_view to_text(RunIf run_if) {
  switch (run_if) {
    case RunIf::kAllSucceeded: return "all_succeeded";
    case RunIf::kAllDone: return "all_done";
    case RunIf::kNoneFailed: return "none_failed";
    case RunIf::kAnySucceeded: return "any_succeeded";
    case RunIf::kAnyFailed: return "any_failed";
    case RunIf::kNever: break;
  }
  return "never";
}

Result<RunIf> run_if_from_text(std::string_view text) {
  for (const auto run_if : {RunIf::kAllSucceeded, RunIf::kAllDone, RunIf::kNoneFailed,
                            RunIf::kAnySucceeded, RunIf::kAnyFailed, RunIf::kNever}) {
    if (to_text(run_if) == text) return run_if;
  }
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("run_if '{}' is not known", text),
                        "all_succeeded, all_done, none_failed, any_succeeded or any_failed");
}

Result<Overlap> overlap_from_text(std::string_view text) {
  for (const auto overlap : {Overlap::kQueue, Overlap::kCancel, Overlap::kFail, Overlap::kSkip}) {
    if (to_text(overlap) == text) return overlap;
  }
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("overlap '{}' is not known", text),
                        "write queue, cancel, fail or skip");
}

Json to_json(const Contract& contract) {
  constexpr std::string_view kColumns[] = {"evolve", "freeze", "discard_value"};
  constexpr std::string_view kTypes[] = {"freeze", "evolve"};
  constexpr std::string_view kRows[] = {"quarantine", "fail"};
  return {{"columns", kColumns[static_cast<size_t>(contract.columns)]},
          {"types", kTypes[static_cast<size_t>(contract.types)]},
          {"rows", kRows[static_cast<size_t>(contract.rows)]}};
}

Result<Contract> contract_from_json(const Json& json) {
  Contract contract;
  if (!json.is_object())
    return fail(ErrorCode::kInvalidConfig, "a contract has the keys columns, types, rows");
  for (const auto& [key, value] : json.items()) {
    const std::string word = value.is_string() ? value.get<std::string>() : dump_json(value);
    if (key == "columns" && word == "evolve")
      contract.columns = ColumnPolicy::kEvolve;
    else if (key == "columns" && word == "freeze")
      contract.columns = ColumnPolicy::kFreeze;
    else if (key == "columns" && word == "discard_value")
      contract.columns = ColumnPolicy::kDiscardValue;
    else if (key == "types" && word == "freeze")
      contract.types = TypePolicy::kFreeze;
    else if (key == "types" && word == "evolve")
      contract.types = TypePolicy::kEvolve;
    else if (key == "rows" && word == "quarantine")
      contract.rows = RowPolicy::kQuarantine;
    else if (key == "rows" && word == "fail")
      contract.rows = RowPolicy::kFail;
    else
      return fail_with_hint(
          ErrorCode::kInvalidConfig, fmt::format("contract '{}: {}' is not known", key, word),
          "columns: evolve|freeze|discard_value, types: freeze|evolve, rows: quarantine|fail");
  }
  return contract;
}

const Layer* Configuration::find_layer(std::string_view name) const {
  const auto found = std::ranges::find(layers, name, &Layer::name);
  return found == layers.end() ? nullptr : &*found;
}
const Dataset* Configuration::find_dataset(const DatasetName& name) const {
  const auto found = std::ranges::find(datasets, name, &Dataset::name);
  return found == datasets.end() ? nullptr : &*found;
}
const Connection* Configuration::find_connection(std::string_view id) const {
  const auto found = std::ranges::find(connections, id, &Connection::connection_id);
  return found == connections.end() ? nullptr : &*found;
}
const TemplateRow* Configuration::find_template(std::string_view id) const {
  const auto found = std::ranges::find(templates, id, &TemplateRow::template_id);
  return found == templates.end() ? nullptr : &*found;
}
const Flow* Configuration::find_flow(std::string_view id) const {
  const auto found = std::ranges::find(flows, id, &Flow::flow_id);
  return found == flows.end() ? nullptr : &*found;
}

const Calendar* Configuration::find_calendar(std::string_view id) const {
  const auto found = std::ranges::find(calendars, id, &Calendar::calendar_id);
  return found == calendars.end() ? nullptr : &*found;
}

Json with_calendar(const Configuration& configuration, const Json& schedule) {
  if (!schedule.is_object()) return schedule;
  const auto named = schedule.find("calendar");
  if (named == schedule.end() || !named->is_string()) return schedule;
  const Calendar* calendar = configuration.find_calendar(named->get_ref<const std::string&>());
  if (calendar == nullptr) return schedule;
  Json written = schedule;
  written["calendar"] = to_json(*calendar);
  return written;
}

Json to_json(const Calendar& calendar) {
  Json json = {{"calendar_id", calendar.calendar_id}};
  add(json, "description", calendar.description, "");
  add(json, "weekdays", calendar.weekdays, "");
  add(json, "holidays", calendar.holidays, Json::array());
  add(json, "workdays", calendar.workdays, Json::array());
  return json;
}

Result<Calendar> calendar_from_json(const Json& json) {
  Calendar calendar;
  WEIR_ASSIGN(calendar.calendar_id, json_field<std::string>(json, "calendar_id"));
  WEIR_ASSIGN(calendar.description, json_field_or<std::string>(json, "description", ""));
  WEIR_ASSIGN(calendar.weekdays, json_field_or<std::string>(json, "weekdays", ""));
  WEIR_ASSIGN(calendar.holidays, names_from_json(json, "holidays"));
  WEIR_ASSIGN(calendar.workdays, names_from_json(json, "workdays"));
  return calendar;
}

Json to_json(const Dataset& dataset) {
  Json json = {{"name", dataset.name.text()}};
  add(json, "format", dataset.format, "");
  add(json, "columns", to_json(dataset.columns), Json::array());
  add(json, "key", dataset.key, Json::array());
  add(json, "identity", std::string(to_text(dataset.identity)), "content");
  add(json, "contract", to_json(dataset.contract), to_json(Contract{}));
  add(json, "options", dataset.options, Json::object());
  return json;
}

Json to_json(const Task& task) {
  Json json = {{"task_id", task.task_id}, {"template_id", task.template_id}};
  add(json, "params", task.params, Json::object());
  add(json, "engine", task.engine, "");
  add(json, "resources", task.resources, Json::object());
  if (task.retries) json["retries"] = *task.retries;
  if (task.retry_delay_ms) json["retry_delay_ms"] = *task.retry_delay_ms;
  if (task.timeout_ms) json["timeout_ms"] = *task.timeout_ms;
  add(json, "pool", task.pool, "");
  add(json, "for_each", task.for_each, Json());
  add(json, "needs", sorted(task.needs, std::identity{}), Json::array());
  add(json, "run_if", std::string(to_text(task.run_if)),
      std::string(to_text(RunIf::kAllSucceeded)));
  add(json, "refusal", task.refusal, "");
  return json;
}

Json to_json(const Flow& flow) {
  Json json = {{"flow_id", flow.flow_id}};
  add(json, "dag_name", flow.dag_name, "");
  add(json, "description", flow.description, "");
  add(json, "owner", flow.owner, "");
  add(json, "is_enabled", flow.is_enabled, true);
  add(json, "overlap", std::string(to_text(flow.overlap)), "queue");
  add(json, "max_active_runs", flow.max_active_runs, 1);
  add(json, "params", flow.params, Json::object());
  add(json, "defaults", flow.defaults, Json::object());
  add(json, "schedule", flow.schedule, Json());
  add(json, "file_trigger", flow.file_trigger, Json());
  if (flow.deadline_ms) json["deadline_ms"] = *flow.deadline_ms;
  Json tasks = Json::array();
  for (const auto& task : sorted(flow.tasks, &Task::task_id)) tasks.push_back(to_json(task));
  add(json, "tasks", std::move(tasks), Json::array());
  return json;
}

Json to_json(const Configuration& configuration) {
  Json json = {{"project", configuration.project}};
  Json layers = Json::array();
  auto by_position = configuration.layers;
  std::ranges::sort(by_position, [](const Layer& a, const Layer& b) {
    return std::tie(a.position, a.name) < std::tie(b.position, b.name);
  });
  for (const auto& layer : by_position)
    layers.push_back({{"name", layer.name}, {"uri", layer.uri}, {"position", layer.position}});
  json["layers"] = std::move(layers);
  Json datasets = Json::array();
  for (const auto& dataset : sorted(configuration.datasets, &Dataset::name))
    datasets.push_back(to_json(dataset));
  json["datasets"] = std::move(datasets);
  Json connections = Json::array();
  for (const auto& connection : sorted(configuration.connections, &Connection::connection_id)) {
    Json item = {{"connection_id", connection.connection_id}, {"kind", connection.kind}};
    add(item, "options", connection.options, Json::object());
    add(item, "secret_id", connection.secret_id, "");
    connections.push_back(std::move(item));
  }
  json["connections"] = std::move(connections);
  Json templates = Json::array();
  for (const auto& row : sorted(configuration.templates, &TemplateRow::template_id))
    templates.push_back(to_json(row));
  json["templates"] = std::move(templates);
  Json flows = Json::array();
  for (const auto& flow : sorted(configuration.flows, &Flow::flow_id))
    flows.push_back(to_json(flow));
  json["flows"] = std::move(flows);
  Json pools = Json::array();
  for (const auto& pool : sorted(configuration.pools, &Pool::name))
    pools.push_back({{"name", pool.name}, {"slots", pool.slots}});
  json["pools"] = std::move(pools);
  // Only where there are some: configurations of before keep their hash.
  Json notifications = Json::array();
  for (const auto& rule : sorted(configuration.notifications, &NotificationRule::rule_id))
    notifications.push_back(to_json(rule));
  add(json, "notifications", std::move(notifications), Json::array());
  Json calendars = Json::array();
  for (const auto& calendar : sorted(configuration.calendars, &Calendar::calendar_id))
    calendars.push_back(to_json(calendar));
  add(json, "calendars", std::move(calendars), Json::array());
  add(json, "defaults", configuration.defaults, Json::object());
  add(json, "lineage", to_json(configuration.lineage), Json::object());
  return json;
}

Json to_json(const Lineage& lineage) {
  Json json = Json::object();
  add(json, "to", lineage.to, "");
  add(json, "namespace", lineage.namespace_of_jobs, "");
  return json;
}

Result<Lineage> lineage_from_json(const Json& json) {
  Lineage lineage;
  WEIR_ASSIGN(lineage.to, json_field_or<std::string>(json, "to", ""));
  WEIR_ASSIGN(lineage.namespace_of_jobs, json_field_or<std::string>(json, "namespace", ""));
  return lineage;
}

Result<Configuration> configuration_from_json(const Json& json) {
  Configuration configuration;
  WEIR_ASSIGN(configuration.project, json_field_or<std::string>(json, "project", ""));
  WEIR_ASSIGN(configuration.defaults, json_field_or<Json>(json, "defaults", Json::object()));
  WEIR_ASSIGN(const Json lineage, json_field_or<Json>(json, "lineage", Json::object()));
  WEIR_ASSIGN(configuration.lineage, lineage_from_json(lineage));
  WEIR_ASSIGN(const Json layers, json_field_or<Json>(json, "layers", Json::array()));
  for (const auto& item : layers) {
    Layer layer;
    WEIR_ASSIGN(layer.name, json_field<std::string>(item, "name"));
    WEIR_ASSIGN(layer.uri, json_field<std::string>(item, "uri"));
    WEIR_ASSIGN(layer.position, json_field_or<int64_t>(item, "position", 0));
    configuration.layers.push_back(std::move(layer));
  }
  WEIR_ASSIGN(const Json datasets, json_field_or<Json>(json, "datasets", Json::array()));
  for (const auto& item : datasets) {
    WEIR_ASSIGN(Dataset dataset, dataset_from_json(item));
    configuration.datasets.push_back(std::move(dataset));
  }
  WEIR_ASSIGN(const Json connections, json_field_or<Json>(json, "connections", Json::array()));
  for (const auto& item : connections) {
    Connection connection;
    WEIR_ASSIGN(connection.connection_id, json_field<std::string>(item, "connection_id"));
    WEIR_ASSIGN(connection.kind, json_field<std::string>(item, "kind"));
    WEIR_ASSIGN(connection.options, json_field_or<Json>(item, "options", Json::object()));
    WEIR_ASSIGN(connection.secret_id, json_field_or<std::string>(item, "secret_id", ""));
    configuration.connections.push_back(std::move(connection));
  }
  WEIR_ASSIGN(const Json templates, json_field_or<Json>(json, "templates", Json::array()));
  for (const auto& item : templates) {
    WEIR_ASSIGN(TemplateRow row, template_from_json(item));
    configuration.templates.push_back(std::move(row));
  }
  WEIR_ASSIGN(const Json flows, json_field_or<Json>(json, "flows", Json::array()));
  for (const auto& item : flows) {
    WEIR_ASSIGN(Flow flow, flow_from_json(item));
    configuration.flows.push_back(std::move(flow));
  }
  WEIR_ASSIGN(const Json calendars, json_field_or<Json>(json, "calendars", Json::array()));
  for (const auto& item : calendars) {
    WEIR_ASSIGN(Calendar calendar, calendar_from_json(item));
    configuration.calendars.push_back(std::move(calendar));
  }
  WEIR_ASSIGN(const Json pools, json_field_or<Json>(json, "pools", Json::array()));
  for (const auto& item : pools) {
    Pool pool;
    WEIR_ASSIGN(pool.name, json_field<std::string>(item, "name"));
    WEIR_ASSIGN(pool.slots, json_field_or<int64_t>(item, "slots", 1));
    configuration.pools.push_back(std::move(pool));
  }
  WEIR_ASSIGN(const Json rules, json_field_or<Json>(json, "notifications", Json::array()));
  for (const auto& item : rules) {
    WEIR_ASSIGN(configuration.notifications.emplace_back(), notification_rule_from_json(item));
  }
  return configuration;
}

std::string configuration_hash(const Configuration& configuration) {
  return sha256_hex(dump_json(to_json(configuration)));
}

}  // namespace weir::model
