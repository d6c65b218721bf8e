#pragma once

/// A catalog as one process reaches it: calls take time, fail, happen without an answer, and the
/// process may pause or die before and after each.

#include <exception>
#include <functional>
#include <string>

#include "catalog/catalog.h"
#include "scenario.h"
#include "world.h"

namespace weir::simulate {

class FaultyCatalog final : public catalog::Catalog {
 public:
  FaultyCatalog(catalog::Catalog& real, World& world, Process& process, const Weather& weather)
      : real_(real), world_(world), process_(process), weather_(weather) {}

  const std::string& url() const override { return real_.url(); }
  // Nothing of orchestration asks these.
  catalog::Accounts& accounts() override { return real_.accounts(); }
  catalog::AuditTrail& audit_trail() override { return real_.audit_trail(); }
  catalog::Overview& overview() override { return real_.overview(); }
  catalog::Retention& retention() override { return real_.retention(); }
  // The configuration of a simulation can always be pinned.
  catalog::WaitingStarts& waiting_starts() override { return real_.waiting_starts(); }

  Result<model::Configuration> load_configuration() override {
    return call<Result<model::Configuration>>("load_configuration", Kind::kRead,
                                              [&] { return real_.load_configuration(); });
  }
  Result<catalog::ConfigurationHead> load_head() override {
    return call<Result<catalog::ConfigurationHead>>("load_head", Kind::kRead,
                                                    [&] { return real_.load_head(); });
  }
  Result<catalog::FlowOfHead> load_flow(const std::string& flow_id) override {
    return call<Result<catalog::FlowOfHead>>("load_flow", Kind::kRead,
                                             [&] { return real_.load_flow(flow_id); });
  }
  Result<std::vector<catalog::ConfigRow>> config_rows() override {
    return call<Result<std::vector<catalog::ConfigRow>>>("config_rows", Kind::kRead,
                                                         [&] { return real_.config_rows(); });
  }
  Result<int64_t> configuration_revision() override {
    return call<Result<int64_t>>("configuration_revision", Kind::kRead,
                                 [&] { return real_.configuration_revision(); });
  }
  Status apply_changes(const std::vector<catalog::RowChange>& changes,
                       const std::string& author) override {
    return call<Status>("apply_changes", Kind::kWrite,
                        [&] { return real_.apply_changes(changes, author); });
  }
  Result<bool> add_config_version(const catalog::ConfigVersion& version) override {
    return call<Result<bool>>("add_config_version", Kind::kWrite,
                              [&] { return real_.add_config_version(version); });
  }
  Result<catalog::ConfigVersion> config_version(const std::string& hash) override {
    return call<Result<catalog::ConfigVersion>>("config_version", Kind::kRead,
                                                [&] { return real_.config_version(hash); });
  }
  Result<std::vector<catalog::ConfigVersion>> config_versions(const std::string& flow_id,
                                                              int64_t limit) override {
    return call<Result<std::vector<catalog::ConfigVersion>>>(
        "config_versions", Kind::kRead, [&] { return real_.config_versions(flow_id, limit); });
  }
  Result<Started> start_run(const catalog::FlowRun& run,
                            const std::vector<catalog::TaskRun>& tasks) override {
    return call<Result<Started>>("start_run", Kind::kWrite,
                                 [&] { return real_.start_run(run, tasks); });
  }
  Result<catalog::FlowRun> flow_run(const std::string& run_id) override {
    return call<Result<catalog::FlowRun>>("flow_run", Kind::kRead,
                                          [&] { return real_.flow_run(run_id); });
  }
  Result<std::optional<catalog::FlowRun>> find_run(const std::string& flow_id,
                                                   const std::string& run_key) override {
    return call<Result<std::optional<catalog::FlowRun>>>(
        "find_run", Kind::kRead, [&] { return real_.find_run(flow_id, run_key); });
  }
  Result<std::vector<catalog::FlowRun>> flow_runs(const std::string& flow_id,
                                                  int64_t limit) override {
    return call<Result<std::vector<catalog::FlowRun>>>(
        "flow_runs", Kind::kRead, [&] { return real_.flow_runs(flow_id, limit); });
  }
  Result<std::vector<catalog::FlowRun>> active_runs(const std::string& flow_id) override {
    return call<Result<std::vector<catalog::FlowRun>>>("active_runs", Kind::kRead,
                                                       [&] { return real_.active_runs(flow_id); });
  }
  Result<std::vector<catalog::TaskRun>> task_runs(const std::string& run_id) override {
    return call<Result<std::vector<catalog::TaskRun>>>("task_runs", Kind::kRead,
                                                       [&] { return real_.task_runs(run_id); });
  }
  Result<catalog::TaskRun> task_run(const std::string& run_id,
                                    const std::string& task_id) override {
    return call<Result<catalog::TaskRun>>("task_run", Kind::kRead,
                                          [&] { return real_.task_run(run_id, task_id); });
  }
  Result<bool> admit_run(const catalog::RunKey& run, int64_t max_active, int64_t started_at_us,
                         const catalog::Notices& notices) override {
    return call<Result<bool>>("admit_run", Kind::kWrite, [&] {
      return real_.admit_run(run, max_active, started_at_us, notices);
    });
  }
  Status move_run(const catalog::RunKey& expected, catalog::RunState to,
                  const std::string& error_code, const std::string& error_text,
                  const catalog::Notices& notices, int64_t at_us) override {
    return call<Status>("move_run", Kind::kWrite, [&] {
      return real_.move_run(expected, to, error_code, error_text, notices, at_us);
    });
  }
  Status request_cancel(const std::string& run_id) override {
    return call<Status>("request_cancel", Kind::kWrite,
                        [&] { return real_.request_cancel(run_id); });
  }
  Result<catalog::FlowRun> claim_run(const catalog::RunKey& expected,
                                     const std::string& server_id) override {
    return call<Result<catalog::FlowRun>>("claim_run", Kind::kWrite,
                                          [&] { return real_.claim_run(expected, server_id); });
  }
  Result<std::vector<Served>> served_runs() override {
    return call<Result<std::vector<Served>>>("served_runs", Kind::kRead,
                                             [&] { return real_.served_runs(); });
  }
  Result<catalog::FlowRun> reopen_run(const catalog::RunKey& expected, const catalog::FlowRun& next,
                                      const std::vector<catalog::TaskMove>& tasks,
                                      const std::vector<catalog::TaskRun>& added) override {
    return call<Result<catalog::FlowRun>>(
        "reopen_run", Kind::kWrite, [&] { return real_.reopen_run(expected, next, tasks, added); });
  }
  Status move_task(const catalog::TaskRun& next, const catalog::TaskKey& expected,
                   const catalog::Notices& notices) override {
    return call<Status>("move_task", Kind::kWrite,
                        [&] { return real_.move_task(next, expected, notices); });
  }
  Status move_tasks(const catalog::RunKey& run, const std::vector<catalog::TaskMove>& moves,
                    const catalog::Notices& notices) override {
    return call<Status>("move_tasks", Kind::kWrite,
                        [&] { return real_.move_tasks(run, moves, notices); });
  }
  Result<Begun> begin_task(const Begin& begin) override {
    return call<Result<Begun>>("begin_task", Kind::kWrite, [&] { return real_.begin_task(begin); });
  }
  Status end_task(const catalog::TaskMove& move, const catalog::Lease& lease,
                  const catalog::Notices& notices) override {
    return call<Status>("end_task", Kind::kWrite,
                        [&] { return real_.end_task(move, lease, notices); });
  }
  Result<std::vector<catalog::FlowState>> flow_states() override {
    return call<Result<std::vector<catalog::FlowState>>>("flow_states", Kind::kRead,
                                                         [&] { return real_.flow_states(); });
  }
  Status pause_flow(const std::string& flow_id, bool is_paused, const std::string& author,
                    const std::string& reason) override {
    return call<Status>("pause_flow", Kind::kWrite,
                        [&] { return real_.pause_flow(flow_id, is_paused, author, reason); });
  }
  Status note_scheduled(const std::map<std::string, int64_t>& until_us) override {
    return call<Status>("note_scheduled", Kind::kWrite,
                        [&] { return real_.note_scheduled(until_us); });
  }
  Status add_notices(const catalog::Notices& notices) override {
    return call<Status>("add_notices", Kind::kWrite, [&] { return real_.add_notices(notices); });
  }
  Result<std::vector<catalog::KeptNotice>> due_notices(int64_t limit,
                                                       const std::string& channel) override {
    return call<Result<std::vector<catalog::KeptNotice>>>(
        "due_notices", Kind::kRead, [&] { return real_.due_notices(limit, channel); });
  }
  Result<std::vector<std::string>> due_channels() override {
    return call<Result<std::vector<std::string>>>("due_channels", Kind::kRead,
                                                  [&] { return real_.due_channels(); });
  }
  Result<std::vector<catalog::KeptNotice>> notices(const std::string& state,
                                                   int64_t limit) override {
    return call<Result<std::vector<catalog::KeptNotice>>>(
        "notices", Kind::kRead, [&] { return real_.notices(state, limit); });
  }
  Result<std::map<std::string, int64_t>> count_notices() override {
    return call<Result<std::map<std::string, int64_t>>>("count_notices", Kind::kRead,
                                                        [&] { return real_.count_notices(); });
  }
  Status note_try(int64_t outbox_id, const std::string& error_text,
                  int64_t not_before_us) override {
    return call<Status>("note_try", Kind::kWrite,
                        [&] { return real_.note_try(outbox_id, error_text, not_before_us); });
  }
  Status defer_events(const std::string& channel, const std::string& error_text,
                      int64_t not_before_us) override {
    return call<Status>("defer_events", Kind::kWrite,
                        [&] { return real_.defer_events(channel, error_text, not_before_us); });
  }
  Result<int64_t> forget_events(int64_t before_us) override {
    return call<Result<int64_t>>("forget_events", Kind::kWrite,
                                 [&] { return real_.forget_events(before_us); });
  }
  Result<int64_t> revive_notices() override {
    return call<Result<int64_t>>("revive_notices", Kind::kWrite,
                                 [&] { return real_.revive_notices(); });
  }
  Status record_operation(const catalog::OperationRecord& record) override {
    return call<Status>("record_operation", Kind::kWrite,
                        [&] { return real_.record_operation(record); });
  }
  Status add_log(const std::string& run_id, const std::string& task_id, int64_t attempt,
                 const std::string& level, const std::string& message) override {
    return call<Status>("add_log", Kind::kWrite,
                        [&] { return real_.add_log(run_id, task_id, attempt, level, message); });
  }
  Result<std::vector<LogLine>> logs(const std::string& run_id,
                                    const std::string& task_id) override {
    return call<Result<std::vector<LogLine>>>("logs", Kind::kRead,
                                              [&] { return real_.logs(run_id, task_id); });
  }
  Result<std::vector<model::Publication>> publications(const model::DatasetName& dataset) override {
    return call<Result<std::vector<model::Publication>>>(
        "publications", Kind::kRead, [&] { return real_.publications(dataset); });
  }
  Result<std::vector<catalog::LedgerEntry>> ledger(const model::DatasetName& target) override {
    return call<Result<std::vector<catalog::LedgerEntry>>>("ledger", Kind::kRead,
                                                           [&] { return real_.ledger(target); });
  }
  Result<std::vector<catalog::Watermark>> watermarks(const model::DatasetName& target) override {
    return call<Result<std::vector<catalog::Watermark>>>("watermarks", Kind::kRead,
                                                         [&] { return real_.watermarks(target); });
  }
  Result<std::vector<catalog::HashedFile>> hashed_files(const std::string& uri) override {
    return call<Result<std::vector<catalog::HashedFile>>>("hashed_files", Kind::kRead,
                                                          [&] { return real_.hashed_files(uri); });
  }
  Status remember_files(const std::string& uri,
                        const std::vector<catalog::HashedFile>& files) override {
    return call<Status>("remember_files", Kind::kWrite,
                        [&] { return real_.remember_files(uri, files); });
  }
  Result<int64_t> heal(const catalog::LakeRows& rows) override {
    return call<Result<int64_t>>("heal", Kind::kWrite, [&] { return real_.heal(rows); });
  }
  Result<std::vector<catalog::Reconciliation>> reconciliations(const std::string& run_id) override {
    return call<Result<std::vector<catalog::Reconciliation>>>(
        "reconciliations", Kind::kRead, [&] { return real_.reconciliations(run_id); });
  }
  Result<std::vector<catalog::Hold>> holds(const std::string& state) override {
    return call<Result<std::vector<catalog::Hold>>>("holds", Kind::kRead,
                                                    [&] { return real_.holds(state); });
  }
  Status close_hold(const std::string& token, const std::string& state,
                    const std::string& author) override {
    return call<Status>("close_hold", Kind::kWrite,
                        [&] { return real_.close_hold(token, state, author); });
  }
  Result<std::optional<model::Schema>> recorded_schema(const model::DatasetName& dataset) override {
    return call<Result<std::optional<model::Schema>>>(
        "recorded_schema", Kind::kRead, [&] { return real_.recorded_schema(dataset); });
  }
  Status record_schema(const model::DatasetName& dataset, const model::Schema& schema,
                       const std::string& token) override {
    return call<Status>("record_schema", Kind::kWrite,
                        [&] { return real_.record_schema(dataset, schema, token); });
  }
  Result<catalog::Arrivals> arrivals(const std::string& flow_id) override {
    return call<Result<catalog::Arrivals>>("arrivals", Kind::kWrite,
                                           [&] { return real_.arrivals(flow_id); });
  }
  Result<int64_t> arrivals_revision(const std::string& flow_id) override {
    return call<Result<int64_t>>("arrivals_revision", Kind::kWrite,
                                 [&] { return real_.arrivals_revision(flow_id); });
  }
  Result<int64_t> write_arrivals(const catalog::ArrivalChanges& changes) override {
    return call<Result<int64_t>>("write_arrivals", Kind::kWrite,
                                 [&] { return real_.write_arrivals(changes); });
  }
  Result<int64_t> add_events(const std::vector<catalog::InboxEvent>& events) override {
    return call<Result<int64_t>>("add_events", Kind::kWrite,
                                 [&] { return real_.add_events(events); });
  }
  Result<std::vector<catalog::InboxEvent>> waiting_events(int64_t limit) override {
    return call<Result<std::vector<catalog::InboxEvent>>>(
        "waiting_events", Kind::kWrite, [&] { return real_.waiting_events(limit); });
  }
  Status note_handled(const std::vector<std::string>& event_ids) override {
    return call<Status>("note_handled", Kind::kWrite,
                        [&] { return real_.note_handled(event_ids); });
  }
  Result<std::optional<catalog::Lease>> take_lease(const std::string& name,
                                                   const std::string& holder, int64_t duration_ms,
                                                   int64_t least_epoch) override {
    return call<Result<std::optional<catalog::Lease>>>("take_lease", Kind::kWrite, [&] {
      return real_.take_lease(name, holder, duration_ms, least_epoch);
    });
  }
  Status renew_lease(const catalog::Lease& lease, int64_t duration_ms) override {
    return call<Status>("renew_lease", Kind::kWrite,
                        [&] { return real_.renew_lease(lease, duration_ms); });
  }
  Status release_lease(const catalog::Lease& lease) override {
    return call<Status>("release_lease", Kind::kWrite, [&] { return real_.release_lease(lease); });
  }
  Result<bool> holds_lease(const catalog::Lease& lease) override {
    return call<Result<bool>>("holds_lease", Kind::kRead, [&] { return real_.holds_lease(lease); });
  }
  Result<std::string> lease_holder(const std::string& name) override {
    return call<Result<std::string>>("lease_holder", Kind::kRead,
                                     [&] { return real_.lease_holder(name); });
  }
  Result<bool> is_lease_alive(const std::string& name) override {
    return call<Result<bool>>("is_lease_alive", Kind::kRead,
                              [&] { return real_.is_lease_alive(name); });
  }
  Status audit(const std::string& author, const std::string& action, const Json& details) override {
    return call<Status>("audit", Kind::kWrite,
                        [&] { return real_.audit(author, action, details); });
  }

 private:
  enum class Kind { kRead, kWrite };

  template <typename R>
  R call(std::string_view name, Kind kind, const std::function<R()>& real) {
    if (std::uncaught_exceptions() > 0) return fail(ErrorCode::kUnavailable, "the process is dead");
    const Status sent = before(name);
    if (!sent) return std::unexpected(sent.error());
    R result = real();
    world_.trace("  {}: {}", name, result ? "done" : to_line(result.error()));
    if (kind == Kind::kRead) return result;
    const Status answered = after(name, result.has_value());
    if (!answered) return std::unexpected(answered.error());
    return result;
  }
  /// The way there. An error: nothing has happened.
  Status before(std::string_view name);
  /// The way back. An error: it has happened all the same.
  Status after(std::string_view name, bool has_succeeded);
  bool strikes(double probability) { return !world_.is_calm && world_.dice.chance(probability); }
  void misbehave();

  catalog::Catalog& real_;
  World& world_;
  Process& process_;
  const Weather& weather_;
};

}  // namespace weir::simulate
