#include <algorithm>
#include <set>

#include "catalog/store/flow_states.h"
#include "catalog/store/leases.h"
#include "catalog/store/notices.h"
#include "catalog/store/runs.h"
#include "catalog/store/store.h"
#include "catalog/store/tasks.h"
#include "catalog/store/waiting_starts.h"

namespace weir::catalog {
namespace {

constexpr std::string_view kColumns =
    "run_id, flow_id, run_key, state, config_hash, params, trigger_kind, rerun_of, "
    "logical_time_us, created_at_us, started_at_us, finished_at_us, error_code, error_text, "
    "cancel_requested, has_failed, epoch, is_served, server_id, interval_start_us, "
    "interval_end_us, backfill_id, time_zone_release";

Result<FlowRun> read_run(const Row& row) {
  RowReader reader("flow_run", row, row.at("run_id").value_or(""));
  FlowRun run{.run_id = reader.text("run_id"),
              .flow_id = reader.text("flow_id"),
              .run_key = reader.text("run_key"),
              .state = reader.take("state", run_state_from_text(reader.text("state"))),
              .config_hash = reader.text("config_hash"),
              .params = reader.json("params"),
              .trigger = reader.text("trigger_kind"),
              .rerun_of = reader.text("rerun_of"),
              .logical_time_us = reader.integer("logical_time_us"),
              .created_at_us = reader.integer("created_at_us"),
              .started_at_us = reader.integer("started_at_us"),
              .finished_at_us = reader.integer("finished_at_us"),
              .error_code = reader.text("error_code"),
              .error_text = reader.text("error_text"),
              .cancel_requested = reader.boolean("cancel_requested"),
              .has_failed = reader.boolean("has_failed"),
              .epoch = reader.integer("epoch"),
              .is_served = reader.boolean("is_served"),
              .server_id = reader.text("server_id"),
              .interval_start_us = reader.integer("interval_start_us"),
              .interval_end_us = reader.integer("interval_end_us"),
              .backfill_id = reader.text("backfill_id"),
              .time_zone_release = reader.text("time_zone_release")};
  WEIR_TRY(reader.status());
  return run;
}

Result<std::vector<FlowRun>> select_runs(Session& session, const std::string& rest,
                                         const Binds& binds) {
  WEIR_ASSIGN(const auto rows, session.select(kColumns, "FROM flow_run " + rest, binds));
  return read_all(rows, read_run);
}

Result<FlowRun> run_by_id(Session& session, const std::string& run_id,
                          std::string_view suffix = "") {
  WEIR_ASSIGN(auto runs, select_runs(session, fmt::format("WHERE run_id = :run_id{}", suffix),
                                     {{"run_id", run_id}}));
  if (runs.empty()) return fail(ErrorCode::kNotFound, "there is no run {}", run_id);
  return std::move(runs.front());
}

Result<std::optional<FlowRun>> run_by_key(Session& session, const std::string& flow_id,
                                          const std::string& run_key) {
  WEIR_ASSIGN(auto runs, select_runs(session, "WHERE flow_id = :flow_id AND run_key = :run_key",
                                     {{"flow_id", flow_id}, {"run_key", run_key}}));
  if (runs.empty()) return std::nullopt;
  return std::move(runs.front());
}

Result<int64_t> insert_run(Session& session, const FlowRun& run) {
  return session.insert("flow_run",
                        {{"run_id", run.run_id},
                         {"flow_id", run.flow_id},
                         {"run_key", run.run_key},
                         {"state", std::string(to_text(run.state))},
                         {"config_hash", run.config_hash},
                         {"params", json_value(run.params)},
                         {"trigger_kind", run.trigger.empty() ? "manual" : run.trigger},
                         {"rerun_of", null_if_empty(run.rerun_of)},
                         {"logical_time_us", run.logical_time_us},
                         {"created_at_us", run.created_at_us},
                         {"started_at_us", null_if_zero(run.started_at_us)},
                         {"finished_at_us", null_if_zero(run.finished_at_us)},
                         {"error_code", run.error_code},
                         {"error_text", storable(run.error_text)},
                         {"cancel_requested", run.cancel_requested},
                         {"has_failed", run.has_failed},
                         {"epoch", run.epoch},
                         {"is_served", run.is_served},
                         {"server_id", run.server_id},
                         {"interval_start_us", null_if_zero(run.interval_start_us)},
                         {"interval_end_us", null_if_zero(run.interval_end_us)},
                         {"backfill_id", run.backfill_id},
                         {"time_zone_release", run.time_zone_release}},
                        "ON CONFLICT (flow_id, run_key) DO NOTHING");
}

/// Why a compare-and-set on a run found nothing.
std::unexpected<Error> lost_run(const FlowRun& there, const RunKey& expected) {
  return fail_with_hint(ErrorCode::kConflict,
                        fmt::format("run {} of flow '{}' is {} (epoch {}), not {} (epoch {})",
                                    there.run_id, there.flow_id, to_text(there.state), there.epoch,
                                    to_text(expected.state), expected.epoch),
                        "another process moved it: read it again");
}

constexpr std::string_view kAsExpected =
    "WHERE run_id = :run_id AND state = :old_state AND epoch = :old_epoch";

Binds expected_binds(const RunKey& expected) {
  return {{"run_id", expected.run_id},
          {"old_state", std::string(to_text(expected.state))},
          {"old_epoch", expected.epoch}};
}

Result<FlowRun> update_run(Session& session, const Binds& values, const RunKey& expected) {
  WEIR_ASSIGN(const int64_t rows,
              session.update("flow_run", values, kAsExpected, expected_binds(expected)));
  WEIR_ASSIGN(FlowRun run, run_by_id(session, expected.run_id));
  if (rows != 1) return lost_run(run, expected);
  return run;
}

std::unexpected<Error> wrong_state(const FlowRun& run, std::string_view wanted) {
  return fail_with_hint(ErrorCode::kConflict,
                        fmt::format("run {} of flow '{}' is {}, not {}", run.run_id, run.flow_id,
                                    to_text(run.state), wanted),
                        "another process moved it: read it again");
}

Result<int64_t> count(Session& session, const std::string& what, const Binds& binds) {
  WEIR_ASSIGN(const auto rows,
              session.select("count(*) AS runs", "FROM flow_run WHERE " + what, binds));
  RowReader reader("flow_run", rows.front(), "count");
  return reader.integer("runs");
}

}  // namespace

Result<std::vector<FlowRun>> flow_runs_where(Session& session, const std::string& rest,
                                             const Binds& binds) {
  return select_runs(session, rest, binds);
}

Result<Catalog::Started> SqlCatalog::start_run(const FlowRun& run,
                                               const std::vector<TaskRun>& tasks) {
  FlowRun row = run;
  if (row.created_at_us == 0) row.created_at_us = clock_.now_us();
  return database_->write([&](Session& session) -> Result<Started> {
    WEIR_ASSIGN(const bool has_waited, end_waiting_start_in(session, row));
    row.has_failed = run.has_failed || has_waited;
    WEIR_ASSIGN(const int64_t rows, insert_run(session, row));
    if (row.interval_end_us != 0 && row.backfill_id.empty())
      WEIR_TRY(note_scheduled_in(session, row.flow_id, row.logical_time_us));
    for (TaskRun task : tasks) {
      if (rows == 0) break;
      task.run_id = row.run_id;
      WEIR_TRY(insert_task_in(session, task));
    }
    WEIR_ASSIGN(auto there, run_by_key(session, run.flow_id, run.run_key));
    if (!there)
      return fail(ErrorCode::kConflict, "run '{}' of flow '{}' vanished", run.run_key, run.flow_id);
    return Started{.run = *std::move(there), .is_new = rows == 1};
  });
}

Result<FlowRun> SqlCatalog::flow_run(const std::string& run_id) {
  return database_->read([&](Session& session) { return run_by_id(session, run_id); });
}

Result<std::optional<FlowRun>> SqlCatalog::find_run(const std::string& flow_id,
                                                    const std::string& run_key) {
  return database_->read([&](Session& session) { return run_by_key(session, flow_id, run_key); });
}

Result<std::vector<FlowRun>> SqlCatalog::flow_runs(const std::string& flow_id, int64_t limit) {
  Binds binds = {{"how_many", limit}};
  if (!flow_id.empty()) binds.push_back({"flow_id", flow_id});
  return database_->read([&](Session& session) {
    return select_runs(session,
                       fmt::format("{} ORDER BY created_at_us DESC, run_id DESC LIMIT :how_many",
                                   flow_id.empty() ? "" : "WHERE flow_id = :flow_id"),
                       binds);
  });
}

Result<std::vector<FlowRun>> SqlCatalog::active_runs(const std::string& flow_id) {
  Binds binds;
  if (!flow_id.empty()) binds.push_back({"flow_id", flow_id});
  return database_->read([&](Session& session) {
    return select_runs(session,
                       fmt::format("WHERE state IN ('queued', 'running') {} "
                                   "ORDER BY created_at_us, run_id",
                                   flow_id.empty() ? "" : "AND flow_id = :flow_id"),
                       binds);
  });
}

Result<bool> SqlCatalog::admit_run(const RunKey& key, int64_t max_active, int64_t started_at_us,
                                   const Notices& notices) {
  return database_->write([&](Session& session) -> Result<bool> {
    WEIR_ASSIGN(const FlowRun seen, run_by_id(session, key.run_id));
    WEIR_TRY(session.lock("weir flow " + seen.flow_id));
    // Read again under the lock: who waited for it may have been overtaken.
    WEIR_ASSIGN(const FlowRun run, run_by_id(session, key.run_id, session.words().for_update));
    if (run.epoch != key.epoch) return lost_run(run, key);
    if (run.state == RunState::kRunning) return true;
    if (run.state != RunState::kQueued) return wrong_state(run, "queued");
    WEIR_ASSIGN(const int64_t running, count(session, "flow_id = :flow_id AND state = 'running'",
                                             {{"flow_id", run.flow_id}}));
    WEIR_ASSIGN(const int64_t older,
                count(session,
                      "flow_id = :flow_id AND state = 'queued' AND (created_at_us < :created_at_us "
                      "OR (created_at_us = :created_at_us AND run_id < :run_id))",
                      {{"flow_id", run.flow_id},
                       {"created_at_us", run.created_at_us},
                       {"run_id", run.run_id}}));
    if (running >= max_active || older > 0) return false;
    WEIR_ASSIGN(
        const int64_t rows,
        session.update("flow_run",
                       {{"state", std::string(to_text(RunState::kRunning))},
                        {"started_at_us", started_at_us == 0 ? clock_.now_us() : started_at_us}},
                       kAsExpected, expected_binds({key.run_id, RunState::kQueued, key.epoch})));
    if (rows != 1) return wrong_state(run, "queued any more");
    WEIR_TRY(write_notices(session, notices, clock_.now_us()));
    return true;
  });
}

namespace {

/// Of a run that was never admitted: nobody will come to its tasks.
Status end_waiting_tasks(Session& session, const std::string& run_id, RunState end) {
  const TaskState to = end == RunState::kCancelled ? TaskState::kCancelled : TaskState::kSkipped;
  const auto rows =
      session.update("task_run", {{"state", std::string(to_text(to))}},
                     "WHERE run_id = :run_id AND state = 'waiting'", {{"run_id", run_id}});
  return rows ? Status() : Status(std::unexpected(rows.error()));
}

}  // namespace

Status SqlCatalog::move_run(const RunKey& expected, RunState to, const std::string& error_code,
                            const std::string& error_text, const Notices& notices, int64_t at_us) {
  if (at_us == 0) at_us = clock_.now_us();
  Binds values = {{"state", std::string(to_text(to))},
                  {"error_code", error_code},
                  {"error_text", storable(error_text)}};
  if (to == RunState::kRunning) values.push_back({"started_at_us", at_us});
  values.push_back({"finished_at_us", is_final(to) ? Value(at_us) : Value(nullptr)});
  if (is_final(expected.state) && !is_final(to)) values.push_back({"cancel_requested", false});
  if (expected.state == RunState::kFailed && !is_final(to)) values.push_back({"has_failed", true});
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(update_run(session, values, expected));
    if (expected.state == RunState::kQueued && is_final(to))
      WEIR_TRY(end_waiting_tasks(session, expected.run_id, to));
    return write_notices(session, notices, clock_.now_us());
  });
}

Result<FlowRun> SqlCatalog::claim_run(const RunKey& expected, const std::string& server_id) {
  return database_->write([&](Session& session) {
    return update_run(session, {{"epoch", expected.epoch + 1}, {"server_id", server_id}}, expected);
  });
}

Result<std::vector<Catalog::Served>> SqlCatalog::served_runs() {
  return database_->read([&](Session& session) -> Result<std::vector<Served>> {
    WEIR_ASSIGN(auto runs, select_runs(session,
                                       "WHERE state IN ('queued', 'running') AND is_served = "
                                       ":is_served ORDER BY created_at_us, run_id",
                                       {{"is_served", true}}));
    std::vector<Served> served;
    if (runs.empty()) return served;
    WEIR_ASSIGN(const auto living, living_leases_in(session, clock_, std::string(kServerLease)));
    const std::set<std::string> driving(living.begin(), living.end());
    for (FlowRun& run : runs) {
      const bool is_driven = driving.contains(std::string(kServerLease) + run.server_id);
      served.push_back({std::move(run), is_driven});
    }
    return served;
  });
}

Result<FlowRun> SqlCatalog::reopen_run(const RunKey& expected, const FlowRun& next,
                                       const std::vector<TaskMove>& tasks,
                                       const std::vector<TaskRun>& added) {
  Binds values = {{"state", std::string(to_text(RunState::kQueued))},
                  {"epoch", expected.epoch + 1},
                  {"server_id", next.server_id},
                  {"is_served", next.is_served},
                  {"config_hash", next.config_hash},
                  {"error_code", std::string()},
                  {"error_text", std::string()},
                  {"finished_at_us", nullptr},
                  {"cancel_requested", false}};
  if (expected.state == RunState::kFailed) values.push_back({"has_failed", true});
  return database_->write([&](Session& session) -> Result<FlowRun> {
    WEIR_ASSIGN(FlowRun run, update_run(session, values, expected));
    for (const TaskMove& move : tasks) WEIR_TRY(move_task_in(session, move));
    for (const TaskRun& task : added) WEIR_TRY(insert_task_in(session, task));
    return run;
  });
}

Status SqlCatalog::request_cancel(const std::string& run_id) {
  return database_->write([&](Session& session) -> Status {
    WEIR_ASSIGN(const int64_t rows,
                session.update("flow_run", {{"cancel_requested", true}},
                               "WHERE run_id = :run_id AND state IN ('queued', 'running')",
                               {{"run_id", run_id}}));
    if (rows == 1) return {};
    WEIR_ASSIGN(const FlowRun run, run_by_id(session, run_id));
    return wrong_state(run, "queued or running");
  });
}

}  // namespace weir::catalog
