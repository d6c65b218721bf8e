#pragma once

/// The tables of configuration and runs, on SQLite or PostgreSQL: one schema, one code path. Every
/// change of state is compare-and-set; what belongs together is one transaction. It knows what rows
/// are, not what they mean: whether a flow makes sense is config's, when it runs orchestrate's.
/// docs/format/catalog.md names each column.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/process.h"
#include "base/result.h"
#include "catalog/arrivals.h"
#include "model/configuration.h"
#include "model/operation.h"
#include "model/outcome.h"

namespace weir::catalog {

class Accounts;       // catalog/accounts.h
class AuditTrail;     // catalog/audit_trail.h
class Overview;       // catalog/overview.h
class Retention;      // catalog/retention.h
class WaitingStarts;  // catalog/waiting_starts.h

// ---- configuration -------------------------------------------------------------------------

/// One row of a configuration table as columns and values: what plan shows and apply writes. See
/// catalog/config_rows.h for the tables, the normal form and the way from and to a Configuration.
struct ConfigRow {
  std::string table;                   ///< `layer`, `dataset`, `flow`, `task`, …
  std::vector<std::string> key;        ///< Values of the primary key, in order.
  std::map<std::string, Json> values;  ///< Column → value (without the key columns).
  std::string managed_by;              ///< `yaml:<project>`, or empty for rows by SQL.
};

struct RowChange {
  enum class Kind { kInsert, kUpdate, kDelete } kind = Kind::kInsert;
  ConfigRow row;  ///< kDelete: key only.
};

struct ConfigVersion {
  std::string hash;
  std::string flow_id = {};  ///< Whose runs pin it; empty: of a whole project, from older releases.
  int64_t created_at_us = 0;
  std::string author;
  std::string reason;  ///< `apply` or `sql`
  Json content;        ///< Canonical configuration with file contents.
};

/// The head as far as it is there before any run: all of it but tasks.
struct ConfigurationHead {
  model::Configuration configuration;
  int64_t revision = 0;  ///< At which it was so.
};

struct FlowOfHead {
  std::optional<model::Flow> flow;  ///< With its tasks; none where there is no such flow.
  int64_t revision = 0;             ///< At which it was so.
};

// ---- runs ----------------------------------------------------------------------------------

enum class RunState { kQueued, kRunning, kSucceeded, kFailed, kHeld, kCancelled, kSkipped };
enum class TaskState {
  kWaiting,
  kReady,
  kRunning,
  kSucceeded,
  kFailed,
  kHeld,
  kSkipped,
  kCancelled
};
std::string_view to_text(RunState state);
std::string_view to_text(TaskState state);
Result<RunState> run_state_from_text(std::string_view text);
Result<TaskState> task_state_from_text(std::string_view text);
bool is_final(RunState state);
bool is_final(TaskState state);

struct FlowRun {
  std::string run_id;  ///< UUIDv7
  std::string flow_id;
  std::string run_key;  ///< Unique per flow.
  RunState state = RunState::kQueued;
  std::string config_hash;
  Json params = Json::object();
  std::string trigger;  ///< `manual`, `scheduled`, `file`, `rerun`
  std::string rerun_of;
  int64_t logical_time_us = 0;
  int64_t created_at_us = 0;
  int64_t started_at_us = 0;   ///< 0: not yet
  int64_t finished_at_us = 0;  ///< 0: not yet
  std::string error_code;
  std::string error_text;
  bool cancel_requested = false;
  bool has_failed =
      false;  ///< It ended so once and was taken up again, or could not begin at first.
  /// Grows each time somebody else comes to drive the run: who drove it before moves nothing more.
  int64_t epoch = 0;
  bool is_served = false;  ///< Servers drive it; else the process that made it, or an outsider.
  std::string server_id;   ///< The server that drives it; empty: none yet.
  int64_t interval_start_us = 0;  ///< Of the data that a scheduled run is about; 0: not scheduled.
  int64_t interval_end_us = 0;
  std::string backfill_id;  ///< Of the backfill that asked for it.
  /// Of the time zone database that its flow's schedule was read by; empty: it has none.
  std::string time_zone_release;
};

/// A run as somebody has seen it: what a change of it expects.
struct RunKey {
  std::string run_id;
  RunState state = RunState::kQueued;
  int64_t epoch = 0;
};
inline RunKey key_of(const FlowRun& run) { return {run.run_id, run.state, run.epoch}; }

struct TaskRun {
  std::string run_id;
  std::string task_id;
  std::string template_id;
  int64_t position = 0;  ///< Place in the flow, from 0; what lists are ordered by.
  TaskState state = TaskState::kWaiting;
  int64_t attempt = 0;
  int64_t epoch = 0;  ///< Of the lease under which it runs.
  std::string engine;
  std::string pool;          ///< Whose slot it takes while it runs; empty: none.
  int64_t tries_before = 0;  ///< Attempts that count no more: a person retried the run since.
  Json pinned = Json();      ///< Inputs once resolved: the same for every attempt of this run.
  Json operations = Json::array();  ///< Tokens and kinds planned.
  model::Counts counts;
  Json details = Json::object();
  std::string error_code;
  std::string error_text;  ///< to_line of the error
  std::string error_hint;
  std::string held_reason;
  int64_t started_at_us = 0;
  int64_t finished_at_us = 0;
  int64_t not_before_us = 0;  ///< Next attempt.
  int64_t cpu_ms = 0;
  int64_t peak_memory_bytes = 0;
};

/// A task's row as somebody has seen it.
struct TaskKey {
  TaskState state = TaskState::kWaiting;
  int64_t attempt = 0;
  int64_t epoch = 0;
};
inline TaskKey key_of(const TaskRun& row) { return {row.state, row.attempt, row.epoch}; }

/// A change of a task's row: `next` in place of what is `expected` there.
struct TaskMove {
  TaskRun next;
  TaskKey expected;
};

/// What people decided about a flow while it is in use, and how far its schedule has come. It is no
/// configuration: applying one changes nothing of it.
struct FlowState {
  std::string flow_id;
  bool is_paused = false;
  std::string paused_by;
  std::string pause_reason;
  int64_t paused_at_us = 0;
  int64_t scheduled_until_us = 0;  ///< Newest logical time that was started or let go; 0: none.
};

struct Watermark {
  model::DatasetName target;
  model::DatasetName source;
  std::optional<int64_t> as_of_us;
  std::string instant;
  std::string token;
};

struct LedgerEntry {
  model::DatasetName target;
  std::string identity;  ///< model::identity_of
  std::string source_name;
  std::string source_sha256;
  int64_t size_bytes = 0;
  std::optional<int64_t> as_of_us;
  std::string token;
};

/// The content hash of a landing file, so that it is read once only.
struct HashedFile {
  std::string name;
  int64_t size_bytes = 0;
  std::string version;  ///< The store's word for these bytes.
  std::string sha256;
};

/// All that a lake tells of its datasets.
struct LakeRows {
  std::vector<model::DatasetName> targets = {};  ///< Of which these are all rows.
  std::vector<model::Publication> publications = {};
  std::vector<LedgerEntry> ledger = {};
  std::vector<Watermark> watermarks = {};
};

struct Reconciliation {
  std::string run_id;
  std::string task_id;
  std::string token;
  std::string hop;  ///< `landing → raw.airports`
  model::Counts counts;
  bool is_closed = true;
  Json sums = Json::object();
};

struct Hold {
  std::string run_id;
  std::string task_id;
  std::string token;
  model::DatasetName target;
  std::string reason;
  std::string message;
  Json facts = Json::object();
  std::string state;  ///< `open`, `approved`, `rejected`, `superseded`
  int64_t created_at_us = 0;
};

/// What an operation's end writes beside the task's state: one transaction.
struct OperationRecord {
  std::string run_id;
  std::string task_id;
  int64_t attempt = 0;
  int64_t epoch = 0;
  model::Operation operation;
  model::Outcome outcome;
  std::string hop;
};

/// What a publication puts into the ledger of the operation's target; nothing where it is not the
/// target's own.
std::vector<LedgerEntry> ledger_of(const model::Operation& operation,
                                   const model::Publication& publication);
/// How far an operation moves its consumer, one row a dataset that it read. The watermark of a load
/// into a warehouse stands under DatasetName{"connection:<connection_id>", "<table>"}.
std::vector<Watermark> watermarks_of(const model::Operation& operation);
/// Whether `next` may take the place of `now`: neither as-of nor instant go back.
bool is_further(const Watermark& now, const Watermark& next);

/// The event of a notice for machines: its payload is sent as it is. It is told in the order in
/// which such were written for its channel, and kept only until it is sent or given up.
inline constexpr std::string_view kLineageEvent = "lineage";

/// A message to somebody, written with the change of state that it is about, and sent after.
struct Notice {
  std::string key;  ///< Receivers know the message by it; a second one of the same key is no other.
  std::string rule_id;
  std::string channel;  ///< Connection, or `log`.
  std::string run_id;
  std::string flow_id;
  std::string task_id;
  std::string event;
  Json payload = Json::object();
  /// No more of one event of the rule than so many within the time; 0: no limit.
  int64_t at_most = 0;
  int64_t per_ms = 0;
  /// None where one of the rule with this key was told of within the time; 0: no limit.
  std::string subject_key;
  int64_t dedup_ms = 0;
};
using Notices = std::vector<Notice>;

/// A notice as it stands in the outbox.
struct KeptNotice : Notice {
  int64_t outbox_id = 0;
  std::string state;  ///< `waiting`, `sent`, `failed` (given up), `suppressed` (by a limit)
  int64_t created_at_us = 0;
  int64_t attempts = 0;
  int64_t not_before_us = 0;
  int64_t sent_at_us = 0;
  std::string error_text;  ///< Of the last try.
};

struct Lease {
  std::string name;    ///< `flow_run:<id>`, `server:<id>`, `dataset:<name>`
  std::string holder;  ///< Free text for people.
  int64_t epoch = 0;   ///< Grows with every change of holder, for ever.
};

/// Names of leases. A server's is followed by its id.
inline constexpr std::string_view kServerLease = "server:";
inline std::string run_lease(const std::string& run_id) { return "flow_run:" + run_id; }
inline std::string task_lease(const std::string& run_id, const std::string& task_id) {
  return run_lease(run_id) + ":" + task_id;
}

/// Safe to use from many threads at once; many processes may use one catalog.
/// kUnavailable where the database cannot be reached or stays locked; kOutcomeUnknown where the
/// connection was lost at COMMIT; kCorrupt for what does not read back; kUnsupported for a schema
/// newer than this program's.
class Catalog {
 public:
  virtual ~Catalog() = default;
  virtual const std::string& url() const = 0;  ///< Without a password.

  // -- configuration: the head
  /// The head as values. A row that cannot be read is kInvalidConfig with table, key and column.
  virtual Result<model::Configuration> load_configuration() = 0;
  /// The same without tasks, whose number is what makes a project large.
  virtual Result<ConfigurationHead> load_head() = 0;
  virtual Result<FlowOfHead> load_flow(const std::string& flow_id) = 0;
  /// All rows of the configuration tables in normal form, in the order of config_tables().
  virtual Result<std::vector<ConfigRow>> config_rows() = 0;
  /// Grows with each change of the configuration's tables, by whomever.
  virtual Result<int64_t> configuration_revision() = 0;
  /// All changes in one transaction, with a line each in audit_log. An update writes the whole row:
  /// a column that is not in `values` gets its default. kAlreadyExists for an insert of a row that
  /// stands there, kConflict for an update or delete of one that does not; kInvalidConfig for what
  /// is no valid row. The order does not matter: parents come and go around their children.
  virtual Status apply_changes(const std::vector<RowChange>& changes,
                               const std::string& author) = 0;
  /// Keeps it if the hash is new. True if it was new.
  virtual Result<bool> add_config_version(const ConfigVersion& version) = 0;
  virtual Result<ConfigVersion> config_version(const std::string& hash) = 0;
  /// Without content, newest first: those that runs of the flow may pin, of any flow where it is
  /// empty.
  virtual Result<std::vector<ConfigVersion>> config_versions(const std::string& flow_id,
                                                             int64_t limit) = 0;

  // -- runs
  /// Inserts the run and its task rows unless run_key exists for the flow; what stands there then.
  /// A scheduled run takes its flow's schedule to its logical time in the same transaction. A run
  /// that could not begin before (catalog/waiting_starts.h) has failed once, and waits no more.
  struct Started {
    FlowRun run;
    bool is_new = false;
  };
  virtual Result<Started> start_run(const FlowRun& run, const std::vector<TaskRun>& tasks) = 0;
  virtual Result<FlowRun> flow_run(const std::string& run_id) = 0;
  virtual Result<std::optional<FlowRun>> find_run(const std::string& flow_id,
                                                  const std::string& run_key) = 0;
  /// Newest first; empty flow_id: all flows.
  virtual Result<std::vector<FlowRun>> flow_runs(const std::string& flow_id, int64_t limit) = 0;
  /// Runs that are queued or running, oldest first; empty flow_id: all flows. What overlap asks,
  /// and what finds runs whose process is gone (is_lease_alive says so).
  virtual Result<std::vector<FlowRun>> active_runs(const std::string& flow_id) = 0;
  virtual Result<std::vector<TaskRun>> task_runs(const std::string& run_id) = 0;
  virtual Result<TaskRun> task_run(const std::string& run_id, const std::string& task_id) = 0;

  /// Queued → running where fewer than `max_active` runs of the flow are running and no older run
  /// is queued. False where it must wait. One transaction under the flow's lock. True also where it
  /// is running already; kConflict where it is final, or its epoch is not that of `run`.
  /// `started_at_us`: when it starts, 0 for now; `notices` are written where it does.
  virtual Result<bool> admit_run(const RunKey& run, int64_t max_active, int64_t started_at_us = 0,
                                 const Notices& notices = {}) = 0;
  /// To `to`; kConflict where state or epoch are not as expected. Sets started/finished times. Who
  /// goes back loses end, error and the wish to cancel; who ends in the queue leaves no task
  /// waiting (skipped, or cancelled with it). `notices` are written in the same transaction.
  /// `at_us`: of the start or end; 0: now.
  virtual Status move_run(const RunKey& expected, RunState to, const std::string& error_code,
                          const std::string& error_text, const Notices& notices = {},
                          int64_t at_us = 0) = 0;
  /// kConflict where the run is final.
  virtual Status request_cancel(const std::string& run_id) = 0;

  /// The run is driven by `server_id` from now on (empty: by the process that asks), under a new
  /// epoch; as it stands then. kConflict where it is not as expected.
  virtual Result<FlowRun> claim_run(const RunKey& expected, const std::string& server_id) = 0;
  /// Served runs that are queued or running, oldest first, and whether a living server drives them.
  struct Served {
    FlowRun run;
    bool is_driven = false;
  };
  virtual Result<std::vector<Served>> served_runs() = 0;
  /// Back to queued under a new epoch, with tasks moved and added, all or nothing; its end, its
  /// error and the wish to cancel it are gone. `next` says how it goes on: configuration, whether
  /// servers drive it. kConflict where run or task are not as expected.
  virtual Result<FlowRun> reopen_run(const RunKey& expected, const FlowRun& next,
                                     const std::vector<TaskMove>& tasks,
                                     const std::vector<TaskRun>& added) = 0;

  /// Compare-and-set on (state, attempt, epoch) of the stored row; writes all other columns of
  /// `next`. kConflict where the stored row is not `expected`. `notices` are written in the same
  /// transaction.
  virtual Status move_task(const TaskRun& next, const TaskKey& expected,
                           const Notices& notices = {}) = 0;
  /// All of them or none, and only while the run is as expected: what its driver decides.
  virtual Status move_tasks(const RunKey& run, const std::vector<TaskMove>& moves,
                            const Notices& notices = {}) = 0;

  /// One attempt begins: the task's lease is taken and its row moved in one transaction; the row's
  /// epoch becomes that of the lease. `run`: only while the run is so. Nothing begins where the
  /// task's pool has no slot left of `pool_slots`, or where another process holds the lease.
  /// kConflict where run or row are not as expected.
  struct Begin {
    std::optional<RunKey> run;
    TaskMove move;
    std::string holder;
    int64_t lease_ms = 0;
    int64_t pool_slots = 0;  ///< Of the row's pool, where it has one.
    Notices notices = {};    ///< Written where it begins.
  };
  struct Begun {
    std::optional<Lease> lease;  ///< Nothing: it did not begin.
    bool has_no_slot = false;
    TaskRun row;  ///< As it is stored.
  };
  virtual Result<Begun> begin_task(const Begin& begin) = 0;
  /// It ends: the row is moved and the lease given back in one transaction. kConflict where the row
  /// is not as expected.
  virtual Status end_task(const TaskMove& move, const Lease& lease,
                          const Notices& notices = {}) = 0;

  // -- flows in use
  virtual Result<std::vector<FlowState>> flow_states() = 0;
  /// kConflict where it is so already.
  virtual Status pause_flow(const std::string& flow_id, bool is_paused, const std::string& author,
                            const std::string& reason) = 0;
  /// The schedules of these flows have come to these logical times, in one transaction; none goes
  /// back.
  virtual Status note_scheduled(const std::map<std::string, int64_t>& until_us) = 0;

  // -- messages to people
  /// Those that no change of state brings along. One whose key is known changes nothing.
  virtual Status add_notices(const Notices& notices) = 0;
  /// Waiting ones whose time has come, oldest first; empty channel: all.
  virtual Result<std::vector<KeptNotice>> due_notices(int64_t limit,
                                                      const std::string& channel = "") = 0;
  /// The channels of those.
  virtual Result<std::vector<std::string>> due_channels() = 0;
  /// Newest first; empty state: all.
  virtual Result<std::vector<KeptNotice>> notices(const std::string& state, int64_t limit) = 0;
  virtual Result<std::map<std::string, int64_t>> count_notices() = 0;  ///< By state.
  /// After a try: sent where `error_text` is empty; else tried again at `not_before_us`, or given
  /// up where that is 0. One that was sent stays so.
  virtual Status note_try(int64_t outbox_id, const std::string& error_text,
                          int64_t not_before_us) = 0;
  /// After a try of a channel that takes none: all its waiting events of lineage wait so long, in
  /// their order, and so does what comes after them meanwhile.
  virtual Status defer_events(const std::string& channel, const std::string& error_text,
                              int64_t not_before_us) = 0;
  /// Gives up events of lineage that were written before; how many.
  virtual Result<int64_t> forget_events(int64_t before_us) = 0;
  /// What was given up, and what waits for another try, is due now. How many.
  virtual Result<int64_t> revive_notices() = 0;

  /// Publications, watermark, ledger, reconciliation, rejects, hold, schema history of one finished
  /// operation. Repeating it changes nothing. kConflict where the task is not running at (attempt,
  /// epoch) any more.
  /// A held outcome writes its hold alone. A watermark never goes back.
  virtual Status record_operation(const OperationRecord& record) = 0;

  /// Appends to the log of a task attempt, and reads it back in order.
  virtual Status add_log(const std::string& run_id, const std::string& task_id, int64_t attempt,
                         const std::string& level, const std::string& message) = 0;
  struct LogLine {
    int64_t at_us = 0;
    std::string task_id;
    int64_t attempt = 0;
    std::string level;
    std::string message;
  };
  virtual Result<std::vector<LogLine>> logs(const std::string& run_id,
                                            const std::string& task_id) = 0;

  // -- what is known of the lake (a cache: `doctor --heal` rebuilds it)
  virtual Result<std::vector<model::Publication>> publications(
      const model::DatasetName& dataset) = 0;
  virtual Result<std::vector<LedgerEntry>> ledger(const model::DatasetName& target) = 0;
  virtual Result<std::vector<Watermark>> watermarks(const model::DatasetName& target) = 0;
  /// Files under the root of a landing layer that were hashed before, by name.
  virtual Result<std::vector<HashedFile>> hashed_files(const std::string& uri) = 0;
  /// Keeps the hashes, in place of older ones of the same names.
  virtual Status remember_files(const std::string& uri, const std::vector<HashedFile>& files) = 0;
  /// What the lake says in place of what is recorded, for the targets named, in one transaction:
  /// rows that the lake does not know go. Publications come oldest first; schema_history takes
  /// their schemas where it is empty or ends with another one. Gives how many publications went.
  virtual Result<int64_t> heal(const LakeRows& rows) = 0;
  virtual Result<std::vector<Reconciliation>> reconciliations(const std::string& run_id) = 0;
  virtual Result<std::vector<Hold>> holds(const std::string& state) = 0;  ///< Empty: all.
  /// An open hold becomes `approved`, `rejected` or `superseded`. kNotFound for no such hold,
  /// kConflict for one that is closed already.
  virtual Status close_hold(const std::string& token, const std::string& state,
                            const std::string& author) = 0;
  /// The schema recorded for a dataset, newest; nothing where there is none.
  virtual Result<std::optional<model::Schema>> recorded_schema(
      const model::DatasetName& dataset) = 0;
  virtual Status record_schema(const model::DatasetName& dataset, const model::Schema& schema,
                               const std::string& token) = 0;

  // -- files that start flows, and events from outside
  /// All that is known of the files of a flow's trigger.
  virtual Result<Arrivals> arrivals(const std::string& flow_id) = 0;
  virtual Result<int64_t> arrivals_revision(const std::string& flow_id) = 0;
  /// All changes in one transaction; the new revision. kConflict where it moved on meanwhile.
  virtual Result<int64_t> write_arrivals(const ArrivalChanges& changes) = 0;
  /// How many were new.
  virtual Result<int64_t> add_events(const std::vector<InboxEvent>& events) = 0;
  /// Those that nobody has dealt with, oldest first.
  virtual Result<std::vector<InboxEvent>> waiting_events(int64_t limit) = 0;
  /// They are dealt with; such that were so for two weeks are forgotten.
  virtual Status note_handled(const std::vector<std::string>& event_ids) = 0;

  // -- leases
  /// Takes the lease where it is free, ran out, or its holder is certainly gone (same host and
  /// may_be_alive() says no). Nothing where somebody holds it. `least_epoch` lifts the epoch (a
  /// lake may remember more than a fresh catalog): the new one is max(old + 1, least_epoch).
  virtual Result<std::optional<Lease>> take_lease(const std::string& name,
                                                  const std::string& holder, int64_t duration_ms,
                                                  int64_t least_epoch) = 0;
  /// kConflict where it was lost.
  virtual Status renew_lease(const Lease& lease, int64_t duration_ms) = 0;
  virtual Status release_lease(const Lease& lease) = 0;
  virtual Result<bool> holds_lease(const Lease& lease) = 0;
  /// Who holds it, for messages; empty where nobody does.
  virtual Result<std::string> lease_holder(const std::string& name) = 0;
  /// Whether a living process holds it: what `retry` and overlap ask about a run that says running.
  virtual Result<bool> is_lease_alive(const std::string& name) = 0;

  virtual Status audit(const std::string& author, const std::string& action,
                       const Json& details) = 0;

  // -- what a server needs: each in a header of its own
  virtual Accounts& accounts() = 0;
  virtual AuditTrail& audit_trail() = 0;
  virtual Overview& overview() = 0;
  virtual Retention& retention() = 0;
  virtual WaitingStarts& waiting_starts() = 0;
};

/// Token of the newest load into a warehouse table that is recorded; empty where there is none.
Result<std::string> newest_load(Catalog& catalog, const std::string& connection_id,
                                const std::string& table);

struct CatalogOptions {
  std::string url;                   ///< `sqlite:path` or `postgresql://…`
  std::string base_folder;           ///< Relative SQLite paths count from it.
  bool may_create = true;            ///< False: kNotFound where there is none yet.
  int64_t busy_timeout_ms = 30'000;  ///< How long to wait for a lock of another process.
  /// Once opened: how long calls wait, all together, for a server that went away (a restart, a
  /// failover).
  int64_t patience_ms = 60'000;
  const Cancel* cancel = nullptr;  ///< Ends that wait.
};

/// Opens the database and brings its schema up to date (numbered migrations, one transaction each).
Result<std::unique_ptr<Catalog>> open_catalog(const CatalogOptions& options, Clock& clock,
                                              Random& random);

}  // namespace weir::catalog
