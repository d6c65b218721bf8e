#include "catalog/store/tasks.h"

#include <algorithm>

#include "catalog/store/counts.h"
#include "catalog/store/leases.h"
#include "catalog/store/notices.h"
#include "catalog/store/store.h"

namespace weir::catalog {
namespace {

const std::string& columns() {
  static const std::string kColumns = fmt::format(
      "run_id, task_id, template_id, position, state, attempt, epoch, engine, pool, tries_before, "
      "pinned, operations, "
      "{}, "
      "details, error_code, error_text, error_hint, held_reason, started_at_us, finished_at_us, "
      "not_before_us, cpu_ms, peak_memory_bytes",
      kCountColumns);
  return kColumns;
}

Result<TaskRun> read_task(const Row& row) {
  RowReader reader(
      "task_run", row,
      fmt::format("{}/{}", row.at("run_id").value_or(""), row.at("task_id").value_or("")));
  TaskRun task{.run_id = reader.text("run_id"),
               .task_id = reader.text("task_id"),
               .template_id = reader.text("template_id"),
               .position = reader.integer("position"),
               .state = reader.take("state", task_state_from_text(reader.text("state"))),
               .attempt = reader.integer("attempt"),
               .epoch = reader.integer("epoch"),
               .engine = reader.text("engine"),
               .pool = reader.text("pool"),
               .tries_before = reader.integer("tries_before"),
               .pinned = reader.json("pinned"),
               .operations = reader.json("operations"),
               .counts = read_counts(reader),
               .details = reader.json("details"),
               .error_code = reader.text("error_code"),
               .error_text = reader.text("error_text"),
               .error_hint = reader.text("error_hint"),
               .held_reason = reader.text("held_reason"),
               .started_at_us = reader.integer("started_at_us"),
               .finished_at_us = reader.integer("finished_at_us"),
               .not_before_us = reader.integer("not_before_us"),
               .cpu_ms = reader.integer("cpu_ms"),
               .peak_memory_bytes = reader.integer("peak_memory_bytes")};
  WEIR_TRY(reader.status());
  return task;
}

std::string describe_task(const std::string& run_id, const std::string& task_id) {
  return fmt::format("task '{}' of run {}", task_id, run_id);
}

/// Why a compare-and-set found nothing: the row is another, or there is none.
Status explain_lost(Session& session, const TaskRun& next, const TaskKey& expected) {
  WEIR_ASSIGN(
      const auto rows,
      session.select(columns(), "FROM task_run WHERE run_id = :run_id AND task_id = :task_id",
                     {{"run_id", next.run_id}, {"task_id", next.task_id}}));
  const std::string name = describe_task(next.run_id, next.task_id);
  if (rows.empty()) return fail(ErrorCode::kNotFound, "there is no {}", name);
  WEIR_ASSIGN(const TaskRun there, read_task(rows.front()));
  return fail_with_hint(
      ErrorCode::kConflict,
      fmt::format("{} is {} (attempt {}, epoch {}), not {} (attempt {}, epoch {})", name,
                  to_text(there.state), there.attempt, there.epoch, to_text(expected.state),
                  expected.attempt, expected.epoch),
      "another process moved it: read it again");
}

/// In the transaction of the change: the run's row is locked, so that it stays so until the end.
Status expect_run(Session& session, const RunKey& expected) {
  WEIR_ASSIGN(const auto rows, session.select("flow_id, state, epoch",
                                              fmt::format("FROM flow_run WHERE run_id = :run_id{}",
                                                          session.words().for_update),
                                              {{"run_id", expected.run_id}}));
  if (rows.empty()) return fail(ErrorCode::kNotFound, "there is no run {}", expected.run_id);
  RowReader reader("flow_run", rows.front(), expected.run_id);
  const std::string state = reader.text("state");
  const int64_t epoch = reader.integer("epoch");
  WEIR_TRY(reader.status());
  if (state == to_text(expected.state) && epoch == expected.epoch) return {};
  return fail_with_hint(ErrorCode::kConflict,
                        fmt::format("run {} is {} (epoch {}), not {} (epoch {})", expected.run_id,
                                    state, epoch, to_text(expected.state), expected.epoch),
                        "another process moved it: read it again");
}

/// Under the pool's lock, so that two who look at once do not take the last slot both.
Result<bool> has_slot_in(Session& session, const std::string& pool, int64_t slots) {
  WEIR_TRY(session.lock("weir pool " + pool));
  WEIR_ASSIGN(
      const auto rows,
      session.select("count(*) AS tasks", "FROM task_run WHERE pool = :pool AND state = 'running'",
                     {{"pool", pool}}));
  RowReader reader("task_run", rows.front(), pool);
  const int64_t running = reader.integer("tasks");
  WEIR_TRY(reader.status());
  return running < slots;
}

}  // namespace

namespace {

/// All columns of a task's row but its key.
Binds task_values(const TaskRun& task) {
  Binds values = {{"template_id", task.template_id},
                  {"position", task.position},
                  {"state", std::string(to_text(task.state))},
                  {"attempt", task.attempt},
                  {"epoch", task.epoch},
                  {"engine", task.engine},
                  {"pool", task.pool},
                  {"tries_before", task.tries_before},
                  {"pinned", task.pinned.is_null() ? Value(nullptr) : json_value(task.pinned)},
                  {"operations", json_value(task.operations)},
                  {"details", json_value(task.details)},
                  {"error_code", task.error_code},
                  {"error_text", storable(task.error_text)},
                  {"error_hint", storable(task.error_hint)},
                  {"held_reason", storable(task.held_reason)},
                  {"started_at_us", null_if_zero(task.started_at_us)},
                  {"finished_at_us", null_if_zero(task.finished_at_us)},
                  {"not_before_us", null_if_zero(task.not_before_us)},
                  {"cpu_ms", task.cpu_ms},
                  {"peak_memory_bytes", task.peak_memory_bytes}};
  add_counts(values, task.counts);
  return values;
}

}  // namespace

Result<std::vector<TaskRun>> SqlCatalog::task_runs(const std::string& run_id) {
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(columns(), "FROM task_run WHERE run_id = :run_id", {{"run_id", run_id}});
  }));
  WEIR_ASSIGN(auto tasks, read_all(rows, read_task));
  std::ranges::sort(tasks, [](const TaskRun& a, const TaskRun& b) {
    return std::tie(a.position, a.task_id) < std::tie(b.position, b.task_id);
  });
  return tasks;
}

Result<TaskRun> SqlCatalog::task_run(const std::string& run_id, const std::string& task_id) {
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(columns(), "FROM task_run WHERE run_id = :run_id AND task_id = :task_id",
                          {{"run_id", run_id}, {"task_id", task_id}});
  }));
  if (rows.empty())
    return fail(ErrorCode::kNotFound, "there is no {}", describe_task(run_id, task_id));
  return read_task(rows.front());
}

Status insert_task_in(Session& session, const TaskRun& task) {
  Binds values = {{"run_id", task.run_id}, {"task_id", task.task_id}};
  const Binds rest = task_values(task);
  values.insert(values.end(), rest.begin(), rest.end());
  WEIR_TRY(session.insert("task_run", values));
  return {};
}

Status move_task_in(Session& session, const TaskMove& move) {
  const auto& [next, expected] = move;
  WEIR_ASSIGN(const int64_t rows,
              session.update("task_run", task_values(next),
                             "WHERE run_id = :run_id AND task_id = :task_id AND state = :old_state "
                             "AND attempt = :old_attempt AND epoch = :old_epoch",
                             {{"run_id", next.run_id},
                              {"task_id", next.task_id},
                              {"old_state", std::string(to_text(expected.state))},
                              {"old_attempt", expected.attempt},
                              {"old_epoch", expected.epoch}}));
  if (rows == 1) return {};
  return explain_lost(session, next, expected);
}

Status SqlCatalog::move_task(const TaskRun& next, const TaskKey& expected, const Notices& notices) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(move_task_in(session, {next, expected}));
    return write_notices(session, notices, clock_.now_us());
  });
}

Status SqlCatalog::move_tasks(const RunKey& run, const std::vector<TaskMove>& moves,
                              const Notices& notices) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(expect_run(session, run));
    for (const TaskMove& move : moves) WEIR_TRY(move_task_in(session, move));
    return write_notices(session, notices, clock_.now_us());
  });
}

Result<Catalog::Begun> SqlCatalog::begin_task(const Begin& begin) {
  return database_->write([&](Session& session) -> Result<Begun> {
    if (begin.run) WEIR_TRY(expect_run(session, *begin.run));
    TaskRun row = begin.move.next;
    if (!row.pool.empty()) {
      WEIR_ASSIGN(const bool has_slot, has_slot_in(session, row.pool, begin.pool_slots));
      if (!has_slot) return Begun{.lease = std::nullopt, .has_no_slot = true, .row = {}};
    }
    WEIR_ASSIGN(auto lease,
                take_lease_in(session, clock_, task_lease(row.run_id, row.task_id), begin.holder,
                              begin.lease_ms, begin.move.expected.epoch + 1));
    if (!lease) return Begun{};
    row.epoch = lease->epoch;
    WEIR_TRY(move_task_in(session, {row, begin.move.expected}));
    WEIR_TRY(write_notices(session, begin.notices, clock_.now_us()));
    return Begun{.lease = std::move(lease), .has_no_slot = false, .row = std::move(row)};
  });
}

Status SqlCatalog::end_task(const TaskMove& move, const Lease& lease, const Notices& notices) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(move_task_in(session, move));
    WEIR_TRY(drop_lease_in(session, lease));
    return write_notices(session, notices, clock_.now_us());
  });
}

Status SqlCatalog::add_log(const std::string& run_id, const std::string& task_id, int64_t attempt,
                           const std::string& level, const std::string& message) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(session.insert("task_log", {{"run_id", run_id},
                                         {"task_id", task_id},
                                         {"attempt", attempt},
                                         {"at_us", clock_.now_us()},
                                         {"level", level},
                                         {"message", storable(message)}}));
    return {};
  });
}

Result<std::vector<Catalog::LogLine>> SqlCatalog::logs(const std::string& run_id,
                                                       const std::string& task_id) {
  Binds binds = {{"run_id", run_id}};
  if (!task_id.empty()) binds.push_back({"task_id", task_id});
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(
        "at_us, task_id, attempt, level, message",
        fmt::format("FROM task_log WHERE run_id = :run_id {} ORDER BY task_log_id",
                    task_id.empty() ? "" : "AND task_id = :task_id"),
        binds);
  }));
  return read_all(rows, [&](const Row& row) -> Result<LogLine> {
    RowReader reader("task_log", row, run_id);
    LogLine line{.at_us = reader.integer("at_us"),
                 .task_id = reader.text("task_id"),
                 .attempt = reader.integer("attempt"),
                 .level = reader.text("level"),
                 .message = reader.text("message")};
    WEIR_TRY(reader.status());
    return line;
  });
}

}  // namespace weir::catalog
