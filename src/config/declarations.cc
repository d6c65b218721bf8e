#include "config/declarations.h"

#include <limits>

#include "config/file_trigger_keys.h"
#include "config/for_each_patterns.h"
#include "model/schema.h"
#include "task/template.h"

namespace weir::config {
namespace {

using model::Contract;
using model::Flow;
using model::Task;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
constexpr int64_t kMostRetries = 1000;

struct ColumnEntry {
  std::string type;
  bool nullable = true;
};

const Keys<ColumnEntry>& column_keys() {
  static const Keys<ColumnEntry> kKeys =
      Keys<ColumnEntry>("")
          .required("type", &ColumnEntry::type, text(), "Type of the column: varchar, bigint, …")
          .optional("nullable", &ColumnEntry::nullable, boolean(), "Whether NULL is allowed.");
  return kKeys;
}

void read_column(Reader& reader, const Node::Entry& entry, model::Schema& schema) {
  const Reader::Scope scope(reader, fmt::format("column '{}'", entry.key.text));
  ColumnEntry column;
  const Node* type = &entry.value;
  if (entry.value.is_map()) {
    column_keys().read(reader, entry.value, column);
    type = entry.value.find("type");
    if (type == nullptr) return;
  } else if (entry.value.is_scalar()) {
    column.type = entry.value.text;
  } else {
    reader.wrong_type(entry.value, "a type such as varchar");
    return;
  }
  auto parsed = model::parse_type(column.type);
  if (!parsed)
    reader.fault(*type, parsed.error());
  else
    schema.push_back({entry.key.text, *std::move(parsed), column.nullable});
}

Codec<model::Schema> columns() {
  return {[](Reader& reader, const Node& node, model::Schema& schema) {
            if (!node.is_map()) {
              reader.wrong_type(node, "a map of names and types");
              return;
            }
            // An override of some columns changes those and keeps the rest (it was merged before).
            for (const auto& entry : node.entries) read_column(reader, entry, schema);
          },
          [](const model::Schema& schema) {
            Node node = map_node();
            for (const auto& column : schema) {
              Node type = text_node(model::to_text(column.type));
              if (column.is_nullable) {
                node.set(column.name, std::move(type));
                continue;
              }
              Node whole = map_node();
              whole.set("type", std::move(type));
              whole.set("nullable", node_of(false));
              node.set(column.name, std::move(whole));
            }
            return node;
          },
          [] {
            const Json either = Json::array({Json{{"type", "string"}}, column_keys().schema()});
            return Json{{"type", "object"}, {"additionalProperties", Json{{"oneOf", either}}}};
          }};
}

const Keys<Contract>& contract_keys() {
  static const Keys<Contract> kKeys =
      Keys<Contract>("contract")
          .optional("columns", &Contract::columns,
                    enumeration<model::ColumnPolicy>(
                        {{"evolve", model::ColumnPolicy::kEvolve},
                         {"freeze", model::ColumnPolicy::kFreeze},
                         {"discard_value", model::ColumnPolicy::kDiscardValue}}),
                    "What a column in the source that is not declared does.")
          .optional("types", &Contract::types,
                    enumeration<model::TypePolicy>({{"freeze", model::TypePolicy::kFreeze},
                                                    {"evolve", model::TypePolicy::kEvolve}}),
                    "What a source type that is not the declared one does.")
          .optional("rows", &Contract::rows,
                    enumeration<model::RowPolicy>({{"quarantine", model::RowPolicy::kQuarantine},
                                                   {"fail", model::RowPolicy::kFail}}),
                    "What a row that cannot be read or cast does.");
  return kKeys;
}

/// Settings that a project and a flow hand down to their tasks.
struct Defaults {
  std::optional<int64_t> retries;
  std::optional<int64_t> retry_delay_ms;
  std::optional<int64_t> timeout_ms;
  std::string engine;
  Json resources = Json::object();
};

const Keys<Defaults>& defaults_keys() {
  static const Keys<Defaults> kKeys =
      Keys<Defaults>("")
          .optional("retries", &Defaults::retries, optional_integer(0, kMostRetries),
                    "Attempts after the first.")
          .optional("retry_delay", &Defaults::retry_delay_ms, optional_duration(),
                    "Wait before the first retry; it doubles with each, up to an hour.")
          .optional("timeout", &Defaults::timeout_ms, optional_duration(),
                    "Longest time of one attempt.")
          .optional("engine", &Defaults::engine, text(), "Engine that executes the tasks.")
          .optional("resources", &Defaults::resources, json_map(),
                    "Threads, memory_limit and more, for the engine.");
  return kKeys;
}

struct Schedule {
  std::string cron;
  std::optional<int64_t> every_ms;
  std::string timezone;
  std::string calendar;
  std::string on_holiday;
  std::string catchup;
  std::string start;
  std::string end;
  Json params = Json::object();
};

const Keys<Schedule>& schedule_keys() {
  static const Keys<Schedule> kKeys =
      Keys<Schedule>("")
          .optional("cron", &Schedule::cron, text(),
                    "Five fields (minute hour day month weekday), or @daily and the like.")
          .optional("every", &Schedule::every_ms, optional_duration(),
                    "Instead of cron: a period, counted from start or 1970.")
          .optional("timezone", &Schedule::timezone, text(), "IANA name; UTC where it is not said.")
          .optional("calendar", &Schedule::calendar, text(),
                    "Calendar on whose days it runs; on all where it is not said.")
          .optional("on_holiday", &Schedule::on_holiday, choice({"skip", "next", "previous"}),
                    "What becomes of a time on another day: it is left out (where it is not said), "
                    "or moves to the next or the last day before.")
          .optional("catchup", &Schedule::catchup, choice({"none", "latest", "all"}),
                    "Which missed times are made up for; latest where it is not said.")
          .optional("start", &Schedule::start, text(),
                    "No run before this instant; without an offset it is in the zone.")
          .optional("end", &Schedule::end, text(),
                    "No run after this instant; without an offset it is in the zone.")
          .optional("params", &Schedule::params, json_map(), "Parameters of scheduled runs.");
  return kKeys;
}

/// A text alone stands for a map of that one key.
Codec<Json> or_text(const std::string& key, const Codec<Json>& map) {
  return {[key, map](Reader& reader, const Node& node, Json& value) {
            if (node.is_scalar())
              value = Json{{key, node.text}};
            else
              map.read(reader, node, value);
          },
          map.write,
          [map] { return Json{{"oneOf", Json::array({Json{{"type", "string"}}, map.schema()})}}; }};
}

struct ParamEntry {
  std::string type = "text";
  Json otherwise;
  std::string doc;
  std::vector<std::string> choices;
  Json least;
  Json greatest;
};

const Keys<ParamEntry>& param_keys() {
  using task::ParamType;
  static const Keys<ParamEntry> kKeys = [] {
    std::vector<std::string> types;
    for (int i = 0; i <= static_cast<int>(ParamType::kJson); ++i)
      types.emplace_back(to_text(static_cast<ParamType>(i)));
    types.emplace_back("identifier");
    return Keys<ParamEntry>("")
        .optional("type", &ParamEntry::type, choice(types), "What the parameter takes.")
        .optional("default", &ParamEntry::otherwise, json_value(), "Without it, it is required.")
        .optional("doc", &ParamEntry::doc, text(), "One sentence on its meaning.")
        .optional("choices", &ParamEntry::choices, texts(), "The words a choice takes.")
        .optional("least", &ParamEntry::least, json_value(), "Smallest number.")
        .optional("greatest", &ParamEntry::greatest, json_value(), "Largest number.");
  }();
  return kKeys;
}

Codec<Json> params_schema() {
  const Codec<Json> entry = checked_map(param_keys());
  return {[entry](Reader& reader, const Node& node, Json& value) {
            if (!node.is_map()) {
              reader.wrong_type(node, "a map of parameters");
              return;
            }
            for (const auto& item : node.entries) {
              const Reader::Scope scope(reader, fmt::format("parameter '{}'", item.key.text));
              entry.read(reader, item.value, value[item.key.text]);
            }
          },
          [](const Json& value) { return node_of(value); },
          [entry] { return Json{{"type", "object"}, {"additionalProperties", entry.schema()}}; }};
}

/// The tasks of a composite, checked by their keys and kept as written.
Codec<Json> composite_tasks() {
  const Codec<std::vector<Task>> tasks = list_of(map_of(task_keys()));
  return {[tasks](Reader& reader, const Node& node, Json& value) {
            std::vector<Task> checked;
            tasks.read(reader, node, checked);
            value = json_of(node, reader.faults);
          },
          [](const Json& value) {
            Node node = node_of(value);
            node.layout = Node::Layout::kBlock;
            return node;
          },
          tasks.schema};
}

Keys<LayerEntry> layer_keys() {
  return Keys<LayerEntry>("layer", "name")
      .required("name", &LayerEntry::name, name("layer"),
                "Name of the layer, any word without a dot.")
      .required("uri", &LayerEntry::uri, text(), "Folder (from the project's).")
      .optional("position", &LayerEntry::said_position, optional_integer(0, kMost),
                "Order of the layers; the place in this list where it is not said.");
}

Keys<model::Connection> connection_keys() {
  using model::Connection;
  return Keys<Connection>("connection", "connection_id")
      .required("connection_id", &Connection::connection_id, name("connection"),
                "Name of the connection.")
      .required("kind", &Connection::kind, text(), "duckdb, postgres, mysql, sqlite, …")
      .optional("secret_id", &Connection::secret_id, text(), "Where its secret is kept.")
      .rest(&Connection::options);
}

Keys<DatasetEntry> dataset_keys() {
  return Keys<DatasetEntry>("dataset", "name")
      .required("name", &DatasetEntry::full_name, text(), "layer.name")
      .optional("format", &DatasetEntry::format, choice({"parquet", "hudi"}),
                "How it is stored; the template that writes it decides where it is not said.")
      .optional(
          "identity", &DatasetEntry::identity,
          enumeration<model::Identity>({{"content", model::Identity::kContent},
                                        {"as_of + content", model::Identity::kAsOfAndContent}}),
          "What makes two inputs the same: content, or as_of + content for snapshots.")
      .optional("key", &DatasetEntry::key, texts(), "Columns of the business key.")
      .optional("columns", &DatasetEntry::columns, columns(), "Name and type of each column.")
      .optional("contract", &DatasetEntry::contract, map_of(contract_keys()),
                "What happens where a source is not as declared.")
      .optional("options", &DatasetEntry::options, json_map(),
                "Names of history columns, control columns and more.");
}

Keys<model::TemplateRow> template_keys() {
  using model::TemplateRow;
  return Keys<TemplateRow>("template", "template_id")
      .required("template_id", &TemplateRow::template_id, name("template"), "Name of the template.")
      .required("kind", &TemplateRow::kind,
                choice({"builtin", "sql", "composite", "spark_script", "command"}),
                "What its body is.")
      .optional("location", &TemplateRow::location, text(),
                "File of the body, from the project folder.")
      .optional("version", &TemplateRow::version, text(), "For people.")
      .optional("description", &TemplateRow::description, text(), "One sentence on what it does.")
      .optional("params", &TemplateRow::params_schema, params_schema(), "Parameters that it takes.")
      .optional("tasks", &TemplateRow::body, composite_tasks(), "Composite: its tasks.");
}

Keys<model::Pool> pool_keys() {
  return Keys<model::Pool>("pool", "name")
      .required("name", &model::Pool::name, name("pool"), "Name of the pool.")
      .required("slots", &model::Pool::slots, integer(1, 1'000'000), "Tasks that may run at once.");
}

Keys<model::Calendar> calendar_keys() {
  using model::Calendar;
  return Keys<Calendar>("calendar", "calendar_id")
      .required("calendar_id", &Calendar::calendar_id, name("calendar"), "Name of the calendar.")
      .optional("description", &Calendar::description, text(), "For people.")
      .optional("weekdays", &Calendar::weekdays, text(),
                "Days of the week on which business is done, as in cron: mon-fri; all seven where "
                "it is not said.")
      .optional("holidays", &Calendar::holidays, texts(),
                "Days without it: 2026-12-24, 12-25 each year, easter-2, easter+1.")
      .optional("workdays", &Calendar::workdays, texts(),
                "Dates that count whatever the rest says.");
}

Keys<model::NotificationRule> notification_keys() {
  using model::NotificationRule;
  return Keys<NotificationRule>("notification", "rule_id")
      .required("rule_id", &NotificationRule::rule_id, name("notification"), "Name of the rule.")
      .required("channel", &NotificationRule::channel, text(),
                "Connection of kind smtp, webhook, sns or log; `log` alone is standard error.")
      .optional("events", &NotificationRule::events, texts(),
                "failed, schema_drift, held, cancelled, slow, recovered, succeeded; failed where "
                "nothing is said.")
      .optional("severities", &NotificationRule::severities, texts(),
                "In place of events: all that are error, warning or info.")
      .optional("flows", &NotificationRule::flows, texts(), "Flows by name or glob; all.")
      .optional("tasks", &NotificationRule::tasks, texts(), "Tasks by name or glob; all.")
      .optional("every", &NotificationRule::every, text(),
                "At most so many of one event: 1h is one an hour, 5 per 1h five.")
      .optional("dedup", &NotificationRule::dedup_ms, optional_duration(),
                "The same failure of the same task is told once within this time.")
      .optional("slow_after", &NotificationRule::slow_after_ms, optional_duration(),
                "How long a run takes before it is slow.")
      .optional("subject", &NotificationRule::subject, text(),
                "In place of the usual one, with {{ fields }}.")
      .optional("body", &NotificationRule::body, text(),
                "In place of the usual one, with {{ fields }}.")
      .optional("link", &NotificationRule::link, text(), "A page about the run, with {{ fields }}.")
      .optional("is_enabled", &NotificationRule::is_enabled, boolean(), "Whether it is used.");
}

Keys<model::Lineage> lineage_keys() {
  using model::Lineage;
  return Keys<Lineage>("lineage", "")
      .required("to", &Lineage::to, text(),
                "Connection of kind webhook, or of kind log with a path, that takes the events.")
      .optional("namespace", &Lineage::namespace_of_jobs, text(),
                "Namespace of the jobs; the project where nothing is said.");
}

Keys<ProjectDocument> rows(Keys<ProjectDocument> keys) {
  return keys
      .optional("layers", &ProjectDocument::layers, list_of(map_of(layer_keys())),
                "Where data lives, from landing to presentation.")
      .optional("connections", &ProjectDocument::connections, list_of(map_of(connection_keys())),
                "Warehouses and other systems.")
      .optional("datasets", &ProjectDocument::datasets, list_of(map_of(dataset_keys())),
                "Datasets with something to say about them.")
      .optional("templates", &ProjectDocument::templates, list_of(map_of(template_keys())),
                "Templates of your own.")
      .optional("pools", &ProjectDocument::pools, list_of(map_of(pool_keys())),
                "Limits on tasks that run at once.")
      .optional("calendars", &ProjectDocument::calendars, list_of(map_of(calendar_keys())),
                "Days on which business is done, for schedules that name them.")
      .optional("notifications", &ProjectDocument::notifications,
                list_of(map_of(notification_keys())), "Who is told of what.");
}

const Keys<ProjectDocument>& override_keys() {
  struct Flows {
    std::vector<Flow> flows;
  };
  static const Keys<ProjectDocument> kKeys =
      rows(Keys<ProjectDocument>(""))
          .optional("catalog", &ProjectDocument::catalog, text(), "sqlite:file or postgresql://…")
          .optional("defaults", &ProjectDocument::defaults, checked_map(defaults_keys()),
                    "Settings of all tasks.")
          .optional("lineage", &ProjectDocument::lineage, map_of(lineage_keys()),
                    "Where events of OpenLineage go.")
          .optional("flows", &ProjectDocument::environments,
                    Codec<Json>{[](Reader& reader, const Node& node, Json& /*kept*/) {
                                  std::vector<Flow> checked;
                                  list_of(map_of(flow_keys())).read(reader, node, checked);
                                },
                                [](const Json& value) { return node_of(value); },
                                [] { return list_of(map_of(flow_keys())).schema(); }},
                    "Flows whose keys differ here, by `flow`, and their tasks, by `id`.");
  return kKeys;
}

/// Requirements hold for the whole, not for what an environment changes.
Json without_required(Json schema) {
  if (schema.is_object()) schema.erase("required");
  for (auto& item : schema)
    if (item.is_structured()) item = without_required(item);
  return schema;
}

Codec<Json> environments() {
  return {[](Reader& reader, const Node& node, Json& value) {
            if (!node.is_map()) {
              reader.wrong_type(node, "a map of environments");
              return;
            }
            const bool was_partial = std::exchange(reader.is_partial, true);
            for (const auto& entry : node.entries) {
              const Reader::Scope scope(reader, fmt::format("environment '{}'", entry.key.text));
              ProjectDocument checked;
              if (!entry.value.is_null()) override_keys().read(reader, entry.value, checked);
              value[entry.key.text] = true;
            }
            reader.is_partial = was_partial;
          },
          [](const Json& value) { return node_of(value); },
          [] {
            return Json{{"type", "object"},
                        {"additionalProperties", without_required(override_keys().schema())}};
          }};
}

/// Kept as it is written: for_each.h reads it, as it does that of a row.
Codec<Json> for_each_value() {
  Codec<Json> value = json_value();
  value.schema = [] {
    const Json text = {{"type", "string"}};
    const Json texts = {{"type", Json::array({"string", "array"})}, {"items", text}};
    const Json list = {
        {"type", "array"},
        {"minItems", 1},
        {"items", {{"type", Json::array({"string", "number", "boolean", "object"})}}}};
    const Json tables = {{"type", "object"},
                         {"properties",
                          {{"connection", text},
                           {"like", texts},
                           {"except", texts},
                           {"views", {{"type", "boolean"}}}}},
                         {"required", Json::array({"connection", "like"})},
                         {"additionalProperties", false}};
    const Json files = {
        {"type", Json::array({"string", "object"})},
        {"properties",
         {{"pattern", text},
          {"key", text},
          {"max_files", {{"type", "integer"}, {"minimum", 1}, {"maximum", kMostEachValues}}},
          {"if_none", {{"enum", Json::array({"succeed", "skip", "fail"})}}}}},
        {"required", Json::array({"pattern"})},
        {"additionalProperties", false}};
    const Json map = {{"type", "object"},
                      {"properties",
                       {{"values", list},
                        {"tables", tables},
                        {"files", files},
                        {"same_as", text},
                        {"wait_for", {{"enum", Json::array({"same", "all"})}}}}},
                      {"additionalProperties", false}};
    return Json{{"oneOf", Json::array({list, map})}};
  };
  return value;
}

}  // namespace

const Keys<Task>& task_keys() {
  static const Keys<Task> kKeys =
      Keys<Task>("task", "id")
          .required("id", &Task::task_id, name("task"), "Name of the task within its flow.")
          .required("template", &Task::template_id, text(), "What it does: `weir template list`.")
          .optional("needs", &Task::needs, texts(), "Tasks that it waits for.")
          .optional("run_if", &Task::run_if,
                    enumeration<model::RunIf>({{"all_succeeded", model::RunIf::kAllSucceeded},
                                               {"all_done", model::RunIf::kAllDone},
                                               {"none_failed", model::RunIf::kNoneFailed},
                                               {"any_succeeded", model::RunIf::kAnySucceeded},
                                               {"any_failed", model::RunIf::kAnyFailed}}),
                    "How those must have ended; all_succeeded where it is not said.")
          .optional("for_each", &Task::for_each, for_each_value(),
                    "One task a value, which its parameters use as ${each} or ${each.field}: a "
                    "list, or where the list comes from.")
          .optional("with", &Task::params, json_map(), "Parameters of the template.")
          .optional("engine", &Task::engine, text(), "Engine that executes it.")
          .optional("resources", &Task::resources, json_map(), "Threads, memory_limit and more.")
          .optional("retries", &Task::retries, optional_integer(0, kMostRetries),
                    "Attempts after the first.")
          .optional("retry_delay", &Task::retry_delay_ms, optional_duration(),
                    "Wait before the first retry; it doubles with each, up to an hour.")
          .optional("timeout", &Task::timeout_ms, optional_duration(),
                    "Longest time of one attempt.")
          .optional("pool", &Task::pool, text(), "Pool whose slots it takes.")
          .block();
  return kKeys;
}

const Keys<CompositeBody>& composite_keys() {
  static const Keys<CompositeBody> kKeys = Keys<CompositeBody>("").required(
      "tasks", &CompositeBody::tasks, composite_tasks(), "Tasks of the composite.");
  return kKeys;
}

const Keys<Flow>& flow_keys() {
  using model::Overlap;
  static const Keys<Flow> kKeys =
      Keys<Flow>("flow", "flow")
          .required("flow", &Flow::flow_id, name("flow"), "Name of the flow (flow_id).")
          .optional("description", &Flow::description, text(), "What it is for.")
          .optional("owner", &Flow::owner, text(), "Who answers for it.")
          .optional("dag_name", &Flow::dag_name, text(), "Name of its DAG under Airflow.")
          .optional("is_enabled", &Flow::is_enabled, boolean(), "Whether triggers start it.")
          .optional("schedule", &Flow::schedule, or_text("cron", checked_map(schedule_keys())),
                    "When it starts: a cron text, or a map.")
          .optional("file_trigger", &Flow::file_trigger,
                    or_text("pattern", checked_map(file_trigger_keys())),
                    "Files whose arrival starts it: layer/glob, or a map.")
          .optional("deadline", &Flow::deadline_ms, optional_duration(),
                    "A run that has not ended so long after its logical time is late.")
          .optional("overlap", &Flow::overlap,
                    enumeration<Overlap>({{"queue", Overlap::kQueue},
                                          {"cancel", Overlap::kCancel},
                                          {"fail", Overlap::kFail},
                                          {"skip", Overlap::kSkip}}),
                    "What a run does that starts while others run.")
          .optional("max_active_runs", &Flow::max_active_runs, integer(1, 1'000'000),
                    "Runs of this flow at once.")
          .optional("params", &Flow::params, json_map(), "Parameters of a run and their defaults.")
          .optional("defaults", &Flow::defaults, checked_map(defaults_keys()),
                    "Settings of all its tasks.")
          .optional("tasks", &Flow::tasks, list_of(map_of(task_keys())), "What it does.")
          .block();
  return kKeys;
}

const Keys<ProjectDocument>& rows_keys() {
  static const Keys<ProjectDocument> kKeys = rows(Keys<ProjectDocument>(""));
  return kKeys;
}

const Keys<ProjectDocument>& project_keys() {
  static const Keys<ProjectDocument> kKeys =
      rows(Keys<ProjectDocument>("")
               .required("project", &ProjectDocument::project, name("project"),
                         "Name of the project.")
               .optional("catalog", &ProjectDocument::catalog, text(),
                         "Where configuration and runs are kept: sqlite:file or postgresql://…"))
          .optional("defaults", &ProjectDocument::defaults, checked_map(defaults_keys()),
                    "Settings of all tasks.")
          .optional("lineage", &ProjectDocument::lineage, map_of(lineage_keys()),
                    "Where events of OpenLineage go.")
          .optional("environments", &ProjectDocument::environments, environments(),
                    "What differs per environment (--env), by name.")
          .block();
  return kKeys;
}

const std::vector<NamedList>& named_lists() {
  static const std::vector<NamedList> kLists = {
      {"layers", "layer", "name"},
      {"connections", "connection", "connection_id"},
      {"datasets", "dataset", "name"},
      {"templates", "template", "template_id"},
      {"pools", "pool", "name"},
      {"flows", "flow", "flow"},
      {"tasks", "task", "id"},
      {"notifications", "notification_rule", "rule_id"},
      {"calendars", "calendar", "calendar_id"},
  };
  return kLists;
}

}  // namespace weir::config
