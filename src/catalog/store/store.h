#pragma once

/// The catalog over a Database. One class; its methods stand in one file for each concern.

#include <memory>
#include <string>

#include "catalog/accounts.h"
#include "catalog/audit_trail.h"
#include "catalog/catalog.h"
#include "catalog/database/database.h"
#include "catalog/overview.h"
#include "catalog/retention.h"
#include "catalog/waiting_starts.h"

namespace weir::catalog {

/// Safe to use from many threads at once.
class SqlCatalog : public Catalog,
                   public Accounts,
                   public AuditTrail,
                   public Overview,
                   public Retention,
                   public WaitingStarts {
 public:
  SqlCatalog(std::unique_ptr<Database> database, Clock& clock)
      : database_(std::move(database)), clock_(clock) {}

  const std::string& url() const override { return database_->dialect().url(); }

  // configuration.cc
  Result<model::Configuration> load_configuration() override;
  Result<ConfigurationHead> load_head() override;
  Result<FlowOfHead> load_flow(const std::string& flow_id) override;
  Result<std::vector<ConfigRow>> config_rows() override;
  Result<int64_t> configuration_revision() override;
  Status apply_changes(const std::vector<RowChange>& changes, const std::string& author) override;
  Result<bool> add_config_version(const ConfigVersion& version) override;
  Result<ConfigVersion> config_version(const std::string& hash) override;
  Result<std::vector<ConfigVersion>> config_versions(const std::string& flow_id,
                                                     int64_t limit) override;

  // runs.cc
  Result<Started> start_run(const FlowRun& run, const std::vector<TaskRun>& tasks) override;
  Result<FlowRun> flow_run(const std::string& run_id) override;
  Result<std::optional<FlowRun>> find_run(const std::string& flow_id,
                                          const std::string& run_key) override;
  Result<std::vector<FlowRun>> flow_runs(const std::string& flow_id, int64_t limit) override;
  Result<std::vector<FlowRun>> active_runs(const std::string& flow_id) override;
  Result<bool> admit_run(const RunKey& run, int64_t max_active, int64_t started_at_us,
                         const Notices& notices) override;
  Status move_run(const RunKey& expected, RunState to, const std::string& error_code,
                  const std::string& error_text, const Notices& notices, int64_t at_us) override;
  Result<FlowRun> claim_run(const RunKey& expected, const std::string& server_id) override;
  Result<std::vector<Served>> served_runs() override;
  Result<FlowRun> reopen_run(const RunKey& expected, const FlowRun& next,
                             const std::vector<TaskMove>& tasks,
                             const std::vector<TaskRun>& added) override;
  Status request_cancel(const std::string& run_id) override;

  // tasks.cc
  Result<std::vector<TaskRun>> task_runs(const std::string& run_id) override;
  Result<TaskRun> task_run(const std::string& run_id, const std::string& task_id) override;
  Status move_task(const TaskRun& next, const TaskKey& expected, const Notices& notices) override;
  Status move_tasks(const RunKey& run, const std::vector<TaskMove>& moves,
                    const Notices& notices) override;
  Result<Begun> begin_task(const Begin& begin) override;
  Status end_task(const TaskMove& move, const Lease& lease, const Notices& notices) override;
  Status add_log(const std::string& run_id, const std::string& task_id, int64_t attempt,
                 const std::string& level, const std::string& message) override;
  Result<std::vector<LogLine>> logs(const std::string& run_id, const std::string& task_id) override;

  // notices.cc
  Status add_notices(const Notices& notices) override;
  Result<std::vector<KeptNotice>> due_notices(int64_t limit, const std::string& channel) override;
  Result<std::vector<std::string>> due_channels() override;
  Status defer_events(const std::string& channel, const std::string& error_text,
                      int64_t not_before_us) override;
  Result<int64_t> forget_events(int64_t before_us) override;
  Result<std::vector<KeptNotice>> notices(const std::string& state, int64_t limit) override;
  Result<std::map<std::string, int64_t>> count_notices() override;
  Status note_try(int64_t outbox_id, const std::string& error_text, int64_t not_before_us) override;
  Result<int64_t> revive_notices() override;

  // outcomes.cc
  Status record_operation(const OperationRecord& record) override;
  Result<std::vector<Reconciliation>> reconciliations(const std::string& run_id) override;
  Result<std::vector<Hold>> holds(const std::string& state) override;
  Status close_hold(const std::string& token, const std::string& state,
                    const std::string& author) override;

  // lake.cc
  Result<std::vector<model::Publication>> publications(const model::DatasetName& dataset) override;
  Result<std::vector<LedgerEntry>> ledger(const model::DatasetName& target) override;
  Result<std::vector<Watermark>> watermarks(const model::DatasetName& target) override;
  Result<std::vector<HashedFile>> hashed_files(const std::string& uri) override;
  Status remember_files(const std::string& uri, const std::vector<HashedFile>& files) override;
  Result<int64_t> heal(const LakeRows& rows) override;
  Result<std::optional<model::Schema>> recorded_schema(const model::DatasetName& dataset) override;
  Status record_schema(const model::DatasetName& dataset, const model::Schema& schema,
                       const std::string& token) override;

  // flow_states.cc
  Result<std::vector<FlowState>> flow_states() override;
  Status pause_flow(const std::string& flow_id, bool is_paused, const std::string& author,
                    const std::string& reason) override;
  Status note_scheduled(const std::map<std::string, int64_t>& until_us) override;

  // arrivals.cc
  Result<Arrivals> arrivals(const std::string& flow_id) override;
  Result<int64_t> arrivals_revision(const std::string& flow_id) override;
  Result<int64_t> write_arrivals(const ArrivalChanges& changes) override;
  Result<int64_t> add_events(const std::vector<InboxEvent>& events) override;
  Result<std::vector<InboxEvent>> waiting_events(int64_t limit) override;
  Status note_handled(const std::vector<std::string>& event_ids) override;

  // leases.cc
  Result<std::optional<Lease>> take_lease(const std::string& name, const std::string& holder,
                                          int64_t duration_ms, int64_t least_epoch) override;
  Status renew_lease(const Lease& lease, int64_t duration_ms) override;
  Status release_lease(const Lease& lease) override;
  Result<bool> holds_lease(const Lease& lease) override;
  Result<std::string> lease_holder(const std::string& name) override;
  Result<bool> is_lease_alive(const std::string& name) override;

  // waiting_starts.cc
  WaitingStarts& waiting_starts() override { return *this; }
  Result<std::vector<WaitingStart>> list_waiting_starts() override;
  Result<bool> note_waiting_start(const WaitingStart& start, const Notices& notices) override;
  Status forget_waiting_start(const std::string& flow_id, const std::string& trigger) override;

  // audit.cc
  Status audit(const std::string& author, const std::string& action, const Json& details) override;
  AuditTrail& audit_trail() override { return *this; }
  Result<std::vector<AuditRow>> audit_rows(int64_t before, int64_t limit) override;
  Result<AuditVerdict> verify_audit(const std::string& hash) override;

  // accounts.cc
  Accounts& accounts() override { return *this; }
  Result<int64_t> count_users() override;
  Result<std::vector<UserAccount>> users() override;
  Result<std::optional<UserAccount>> find_user(const std::string& user_name) override;
  Status add_user(const UserAccount& user, const std::string& author) override;
  Status remove_user(const std::string& user_name, const std::string& author) override;
  Status set_password(const std::string& user_name, const std::string& password_hash,
                      const std::string& author) override;
  Status set_enabled(const std::string& user_name, bool is_enabled,
                     const std::string& author) override;
  Status set_grants(const std::string& user_name, const std::vector<Grant>& grants,
                    const std::string& author) override;
  Status add_token(const ApiToken& token, const std::string& author) override;
  Result<std::vector<ApiToken>> tokens() override;
  Result<std::optional<ApiToken>> find_token(const std::string& token_hash) override;
  Status revoke_token(const std::string& api_token_id, const std::string& author) override;
  Status note_use(const ApiToken& token, int64_t at_us) override;
  Status add_session(const WebSession& web_session) override;
  Result<std::optional<WebSession>> find_session(const std::string& session_hash) override;
  Status end_session(const std::string& session_hash) override;

  // overview.cc
  Overview& overview() override { return *this; }

  // retention.cc
  Retention& retention() override { return *this; }
  Result<Pruned> prune(const PruneRequest& request) override;
  Result<std::vector<FlowLine>> flow_lines(const FlowScope& scope, const std::string& after,
                                           int64_t limit) override;
  Result<std::vector<ConfigRow>> rows_of_flow(const std::string& flow_id) override;
  Result<std::vector<FlowRun>> run_page(const RunFilter& filter) override;
  Result<std::vector<NumberedLogLine>> log_page(const LogFilter& filter) override;
  Result<std::vector<DatasetLine>> dataset_lines(const FlowScope& scope, const std::string& after,
                                                 int64_t limit) override;
  Result<bool> knows_dataset(const FlowScope& scope, const std::string& dataset) override;
  Result<std::vector<RejectedLine>> rejected_lines(const FlowScope& scope,
                                                   const std::string& run_id,
                                                   int64_t limit) override;
  Result<std::vector<HoldLine>> hold_lines(const FlowScope& scope, const std::string& state,
                                           int64_t limit) override;
  Result<HoldLine> hold_line(const std::string& token) override;
  Result<Numbers> numbers() override;
  Status ping() override;

 private:
  const std::unique_ptr<Database> database_;
  Clock& clock_;
};

/// open_catalog with a hook before each statement, for tests.
Result<std::unique_ptr<Catalog>> open_catalog_with(const CatalogOptions& options, Clock& clock,
                                                   StatementHook hook);

}  // namespace weir::catalog
