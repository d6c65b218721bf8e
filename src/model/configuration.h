#pragma once

/// The rows that make a project: what stands in the configuration tables and in YAML files. Plain
/// values; where they come from and whether they make sense is config's business.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/names.h"
#include "model/notification.h"
#include "model/schema.h"

namespace weir::model {

struct Layer {
  std::string name;
  std::string uri;  ///< A path (relative ones count from the project folder) or `s3://…`.
  int64_t position = 0;
};

/// What makes two inputs the same input (design: identity of inputs).
enum class Identity {
  kContent,         ///< The same bytes are loaded once, whatever the name.
  kAsOfAndContent,  ///< The same bytes at a new as-of are a new observation.
};

enum class ColumnPolicy { kEvolve, kFreeze, kDiscardValue };
enum class TypePolicy { kFreeze, kEvolve };
enum class RowPolicy { kQuarantine, kFail };

struct Contract {
  ColumnPolicy columns = ColumnPolicy::kEvolve;  ///< A column in the source that is not declared.
  TypePolicy types = TypePolicy::kFreeze;        ///< A source type that is not the declared one.
  RowPolicy rows = RowPolicy::kQuarantine;       ///< A row that cannot be read or cast.
};

struct Dataset {
  DatasetName name;
  std::string format;  ///< `parquet` or `hudi`; empty: decided by the template that produces it.
  Schema columns;      ///< Empty: inferred once and recorded in schema_history.
  std::vector<std::string> key;
  Identity identity = Identity::kContent;
  Contract contract;
  Json options = Json::object();  ///< e.g. `reader`, `control_columns`, names of history columns.
};

struct Connection {
  std::string connection_id;
  std::string kind;  ///< `duckdb`, later `postgres`, …
  Json options = Json::object();
  std::string secret_id;
};

/// A row of `template` that users add; builtin ones need no row.
struct TemplateRow {
  std::string template_id;
  std::string kind;      ///< `builtin`, `sql`, `composite`, `spark_script`, `command`.
  std::string location;  ///< File of the body, relative to the project; empty for builtin.
  std::string sha256;    ///< Of the body; filled at apply, checked at run start.
  std::string version;
  Json params_schema = Json::object();  ///< `{name: {type, default, doc}}`
  Json body;  ///< composite: the list of tasks; sql: `{"text": …}` once read.
  std::string description;
};

/// When a task runs, given the ends of all it needs.
enum class RunIf {
  kAllSucceeded,
  kAllDone,       ///< However they ended.
  kNoneFailed,    ///< All ended, each succeeded or skipped.
  kAnySucceeded,  ///< At once, the others may go on.
  kAnyFailed,     ///< At once, the others may go on.
  kNever,         ///< It is skipped once all ended. Of versions alone: for_each found nothing.
};

struct Task {
  std::string flow_id;
  std::string task_id;
  std::string template_id;
  Json params = Json::object();
  std::string engine;               ///< Empty: inherited from flow, then `embedded`.
  Json resources = Json::object();  ///< `threads`, `memory_limit`, `timeout`…; inherited.
  std::optional<int64_t> retries;   ///< Attempts after the first.
  std::optional<int64_t> retry_delay_ms;
  std::optional<int64_t> timeout_ms;
  std::string pool;
  Json for_each;
  std::vector<std::string> needs;  ///< Rows of task_dependency, in order of their names.
  RunIf run_if = RunIf::kAllSucceeded;
  /// Why every attempt fails; empty: none need fail. Of versions alone: for_each cannot be.
  std::string refusal = {};
};

enum class Overlap { kQueue, kCancel, kFail, kSkip };

struct Flow {
  std::string flow_id;
  std::string dag_name;
  std::string description;
  std::string owner;
  bool is_enabled = true;
  Overlap overlap = Overlap::kQueue;
  int64_t max_active_runs = 1;
  Json params = Json::object();  ///< Parameters of the flow and their defaults.
  Json defaults =
      Json::object();      ///< `retries, retry_delay, timeout, engine, resources` for tasks.
  Json schedule = Json();  ///< As written; null where there is none.
  Json file_trigger = Json();
  /// A run that has not ended so long after its logical time is late.
  std::optional<int64_t> deadline_ms = {};
  std::vector<Task> tasks;  ///< In order of task_id.
};

struct Pool {
  std::string name;
  int64_t slots = 1;
};

/// Days on which business is done: what schedules and expectations of files refer to. The times of
/// day, and the time zone in which days are meant, are the schedule's.
struct Calendar {
  std::string calendar_id;
  std::string description = {};
  std::string weekdays = {};               ///< As in cron: `mon-fri`; empty: all seven.
  std::vector<std::string> holidays = {};  ///< `2026-12-24`, `12-25` each year, `easter+1`.
  std::vector<std::string> workdays = {};  ///< Dates that count whatever the rest says.
  bool operator==(const Calendar&) const = default;
};

/// Where events of OpenLineage go.
struct Lineage {
  std::string to;                 ///< A connection of kind `webhook` or `log`; empty: nowhere.
  std::string namespace_of_jobs;  ///< Empty: the project.
  bool operator==(const Lineage&) const = default;
};

/// A whole configuration: the head of the tables, or what YAML files say.
struct Configuration {
  std::string project;
  std::vector<Layer> layers;                         ///< By position, then name.
  std::vector<Dataset> datasets;                     ///< By name.
  std::vector<Connection> connections;               ///< By connection_id.
  std::vector<TemplateRow> templates;                ///< By template_id.
  std::vector<Flow> flows;                           ///< By flow_id.
  std::vector<Pool> pools;                           ///< By name.
  std::vector<Calendar> calendars = {};              ///< By calendar_id.
  std::vector<NotificationRule> notifications = {};  ///< By rule_id.
  Json defaults = Json::object();                    ///< Of the project, below those of flows.
  Lineage lineage = {};

  const Layer* find_layer(std::string_view name) const;
  const Dataset* find_dataset(const DatasetName& name) const;
  const Connection* find_connection(std::string_view id) const;
  const TemplateRow* find_template(std::string_view id) const;
  const Flow* find_flow(std::string_view id) const;
  const Calendar* find_calendar(std::string_view id) const;
};

/// A schedule (Flow::schedule, or what a trigger expects) with the calendar that it names written
/// out in it: `{…, calendar: {weekdays, holidays, …}}`. What it names and is not there stays a
/// name.
Json with_calendar(const Configuration& configuration, const Json& schedule);

/// The canonical JSON of a configuration (sorted, defaults left out) and back. Equal configurations
/// have equal text, whatever order they were given in. kInvalidData names the field.
Json to_json(const Configuration& configuration);
Result<Configuration> configuration_from_json(const Json& json);

/// SHA-256 (hex) of the canonical JSON text: the id of a config_version.
std::string configuration_hash(const Configuration& configuration);

/// One row as JSON, for tables and diffs: the fields of its table without the key columns.
Json to_json(const Dataset& dataset);
Json to_json(const Flow& flow);
Json to_json(const Task& task);

std::string_view to_text(Identity identity);
std::string_view to_text(Overlap overlap);
std::string_view to_text(RunIf run_if);
Result<RunIf> run_if_from_text(std::string_view text);
Result<Identity> identity_from_text(std::string_view text);
Result<Overlap> overlap_from_text(std::string_view text);
Json to_json(const Calendar& calendar);
Result<Calendar> calendar_from_json(const Json& json);
Json to_json(const Lineage& lineage);
Result<Lineage> lineage_from_json(const Json& json);
Json to_json(const Contract& contract);
Result<Contract> contract_from_json(const Json& json);

}  // namespace weir::model
