#include <algorithm>

#include "catalog/store/counts.h"
#include "catalog/store/lake.h"
#include "catalog/store/store.h"

// What an operation did, in one transaction. The row of reconciliation says whether it was written
// before; what a repetition could turn back (a schema, a watermark without order) asks it.

namespace weir::catalog {
namespace {

/// The task still belongs to who asks. Its row stays locked until the end.
Status check_still_mine(Session& session, const OperationRecord& record) {
  WEIR_ASSIGN(
      const auto rows,
      session.select("state, attempt, epoch",
                     fmt::format("FROM task_run WHERE run_id = :run_id AND task_id = :task_id{}",
                                 session.words().for_update),
                     {{"run_id", record.run_id}, {"task_id", record.task_id}}));
  if (rows.empty())
    return fail(ErrorCode::kNotFound, "there is no task '{}' of run {}", record.task_id,
                record.run_id);
  RowReader reader("task_run", rows.front(), record.run_id + "/" + record.task_id);
  const std::string state = reader.text("state");
  const int64_t attempt = reader.integer("attempt");
  const int64_t epoch = reader.integer("epoch");
  WEIR_TRY(reader.status());
  const bool is_running = state == to_text(TaskState::kRunning);
  if (is_running && attempt == record.attempt && epoch == record.epoch) return {};
  return fail_with_hint(
      ErrorCode::kConflict,
      fmt::format("task '{}' of run {} is {} at attempt {}, epoch {}, not running at {}, {}",
                  record.task_id, record.run_id, state, attempt, epoch, record.attempt,
                  record.epoch),
      "another process took the task over; what this one committed is found by "
      "its token");
}

/// Whether it was not there yet.
Result<bool> write_reconciliation(Session& session, const OperationRecord& record, int64_t at_us) {
  const model::Outcome& outcome = record.outcome;
  const Json sums =
      outcome.details.is_object() ? outcome.details.value("sums", Json::object()) : Json::object();
  Binds values = {{"run_id", record.run_id},
                  {"task_id", record.task_id},
                  {"token", record.operation.token},
                  {"hop", record.hop},
                  {"is_closed", outcome.counts.is_closed()},
                  {"sums", json_value(sums)},
                  {"recorded_at_us", at_us}};
  add_counts(values, outcome.counts);
  WEIR_ASSIGN(
      const int64_t rows,
      session.insert("reconciliation", values, "ON CONFLICT (run_id, task_id, token) DO NOTHING"));
  return rows == 1;
}

Status write_rejects(Session& session, const OperationRecord& record) {
  const auto& target = record.operation.target.dataset;
  for (const model::RejectSummary& reject : record.outcome.rejects) {
    WEIR_TRY(
        session.insert("rejected_rows",
                       {{"run_id", record.run_id},
                        {"task_id", record.task_id},
                        {"token", record.operation.token},
                        {"reason", reject.reason},
                        {"column_name", storable(reject.column)},
                        {"row_count", reject.rows},
                        {"dataset", target.empty() ? "" : target.rejected().text()}},
                       "ON CONFLICT (run_id, task_id, token, reason, column_name) DO NOTHING"));
  }
  return {};
}

/// The input object of that identity, whichever the dataset's rule for identities is.
const model::PinnedObject* find_object(const model::Operation& operation,
                                       const std::string& identity) {
  for (const model::PinnedInput& input : operation.inputs) {
    for (const model::PinnedObject& object : input.objects) {
      const auto as_of_us = object.as_of_us ? object.as_of_us : operation.as_of_us;
      for (const auto rule : {model::Identity::kContent, model::Identity::kAsOfAndContent}) {
        if (model::identity_of(rule, object.sha256, as_of_us) == identity) return &object;
      }
    }
  }
  return nullptr;
}

Status write_publications(Session& session, const OperationRecord& record, int64_t at_us) {
  for (const model::Publication& publication : record.outcome.publications) {
    WEIR_ASSIGN(const bool is_new,
                write_publication(session, publication, record.run_id, at_us, IfThere::kKeep));
    for (const LedgerEntry& entry : ledger_of(record.operation, publication))
      WEIR_TRY(write_ledger(session, entry, at_us, IfThere::kKeep));
    if (!is_new || !publication.schema.is_array() || publication.schema.empty()) continue;
    WEIR_ASSIGN(const auto schema, model::schema_from_json(publication.schema));
    WEIR_TRY(write_schema(session, publication.dataset, schema, publication.token, at_us));
  }
  return {};
}

std::optional<int64_t> newest_as_of(const model::Operation& operation,
                                    const model::PinnedInput& input) {
  std::optional<int64_t> newest = operation.as_of_us ? operation.as_of_us : input.as_of_us;
  if (newest) return newest;
  for (const auto& object : input.objects) newest = std::max(newest, object.as_of_us);
  return newest;
}

Status write_watermarks(Session& session, const model::Operation& operation, int64_t at_us) {
  for (const Watermark& watermark : watermarks_of(operation))
    WEIR_TRY(write_watermark(session, watermark, at_us, IfThere::kKeep));
  return {};
}

/// A later attempt that is held again asks again; repeating one attempt's record does not reopen
/// what a person decided, and what was rejected stays so.
Status write_hold(Session& session, const OperationRecord& record, int64_t at_us) {
  const model::Held& held = *record.outcome.held;
  const auto& target = record.operation.target.dataset;
  WEIR_TRY(session.insert(
      "hold",
      {{"token", record.operation.token},
       {"run_id", record.run_id},
       {"task_id", record.task_id},
       {"attempt", record.attempt},
       {"target", target.empty() ? "" : target.text()},
       {"reason", held.reason},
       {"message", storable(held.message)},
       {"facts", json_value(held.facts)},
       {"state", "open"},
       {"created_at_us", at_us}},
      "ON CONFLICT (token) DO UPDATE SET run_id = excluded.run_id, task_id = excluded.task_id, "
      "attempt = excluded.attempt, reason = excluded.reason, message = excluded.message, "
      "facts = excluded.facts, state = 'open', created_at_us = excluded.created_at_us, "
      "closed_at_us = NULL, closed_by = '' WHERE hold.state <> 'rejected' "
      "AND (hold.run_id <> excluded.run_id OR hold.attempt <> excluded.attempt)"));
  return {};
}

}  // namespace

std::vector<LedgerEntry> ledger_of(const model::Operation& operation,
                                   const model::Publication& publication) {
  std::vector<LedgerEntry> entries;
  if (publication.dataset != operation.target.dataset) return entries;  // e.g. its quarantine
  for (const std::string& identity : publication.input_identities) {
    LedgerEntry entry{.target = publication.dataset,
                      .identity = identity,
                      .source_name = publication.source_name,
                      .source_sha256 = publication.source_sha256,
                      .size_bytes = 0,
                      .as_of_us = publication.as_of_us,
                      .token = operation.token};
    if (const auto* object = find_object(operation, identity)) {
      if (entry.source_name.empty()) entry.source_name = object->name;
      entry.source_sha256 = object->sha256;
      entry.size_bytes = object->size_bytes;
      if (object->as_of_us) entry.as_of_us = object->as_of_us;
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::vector<Watermark> watermarks_of(const model::Operation& operation) {
  using enum model::OperationKind;
  std::vector<Watermark> watermarks;
  if (operation.kind == kCheck || operation.kind == kReconcile) return watermarks;  // move nothing
  const model::Target& target = operation.target;
  const auto consumer = target.dataset.empty()
                            ? model::DatasetName{"connection:" + target.connection_id, target.table}
                            : target.dataset;
  if (consumer.empty()) return watermarks;
  for (const model::PinnedInput& input : operation.inputs) {
    if (input.dataset.empty()) continue;  // Landing files: the ledger knows them.
    watermarks.push_back({.target = consumer,
                          .source = input.dataset,
                          .as_of_us = newest_as_of(operation, input),
                          .instant = input.instant,
                          .token = operation.token});
  }
  return watermarks;
}

Result<std::string> newest_load(Catalog& catalog, const std::string& connection_id,
                                const std::string& table) {
  WEIR_ASSIGN(const auto watermarks, catalog.watermarks({"connection:" + connection_id, table}));
  return watermarks.empty() ? std::string() : watermarks.front().token;
}

bool is_further(const Watermark& now, const Watermark& next) {
  const bool is_as_far = !now.as_of_us || (next.as_of_us && *next.as_of_us >= *now.as_of_us);
  return is_as_far && next.instant >= now.instant;
}

Status SqlCatalog::record_operation(const OperationRecord& record) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(check_still_mine(session, record));
    const int64_t at_us = clock_.now_us();
    if (record.outcome.held) return write_hold(session, record, at_us);
    WEIR_ASSIGN(const bool is_first, write_reconciliation(session, record, at_us));
    WEIR_TRY(write_rejects(session, record));
    WEIR_TRY(write_publications(session, record, at_us));
    if (is_first) WEIR_TRY(write_watermarks(session, record.operation, at_us));
    WEIR_TRY(
        session.execute("UPDATE hold SET state = 'superseded', closed_at_us = :at_us "
                        "WHERE token = :token AND state = 'open'",
                        {{"at_us", at_us}, {"token", record.operation.token}}));
    return {};
  });
}

Result<std::vector<Reconciliation>> SqlCatalog::reconciliations(const std::string& run_id) {
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(
        fmt::format("run_id, task_id, token, hop, is_closed, {}, sums", kCountColumns),
        "FROM reconciliation WHERE run_id = :run_id ORDER BY recorded_at_us, task_id, token",
        {{"run_id", run_id}});
  }));
  return read_all(rows, [&](const Row& row) -> Result<Reconciliation> {
    RowReader reader("reconciliation", row, run_id);
    Reconciliation reconciliation{.run_id = reader.text("run_id"),
                                  .task_id = reader.text("task_id"),
                                  .token = reader.text("token"),
                                  .hop = reader.text("hop"),
                                  .counts = read_counts(reader),
                                  .is_closed = reader.boolean("is_closed"),
                                  .sums = reader.json("sums")};
    WEIR_TRY(reader.status());
    return reconciliation;
  });
}

Result<std::vector<Hold>> SqlCatalog::holds(const std::string& state) {
  Binds binds;
  if (!state.empty()) binds.push_back({"state", state});
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(
        "token, run_id, task_id, target, reason, message, facts, state, created_at_us",
        fmt::format("FROM hold {} ORDER BY created_at_us, token",
                    state.empty() ? "" : "WHERE state = :state"),
        binds);
  }));
  return read_all(rows, [](const Row& row) -> Result<Hold> {
    RowReader reader("hold", row, row.at("token").value_or(""));
    Hold hold{.run_id = reader.text("run_id"),
              .task_id = reader.text("task_id"),
              .token = reader.text("token"),
              .target = {},
              .reason = reader.text("reason"),
              .message = reader.text("message"),
              .facts = reader.json("facts"),
              .state = reader.text("state"),
              .created_at_us = reader.integer("created_at_us")};
    if (const auto target = reader.text("target"); !target.empty())
      hold.target = reader.take("target", model::parse_dataset_name(target));
    WEIR_TRY(reader.status());
    return hold;
  });
}

Status SqlCatalog::close_hold(const std::string& token, const std::string& state,
                              const std::string& author) {
  if (state != "approved" && state != "rejected" && state != "superseded")
    return fail(ErrorCode::kInvalidConfig, "a hold cannot become '{}'", state);
  return database_->write([&](Session& session) -> Status {
    WEIR_ASSIGN(
        const int64_t rows,
        session.update(
            "hold",
            {{"state", state}, {"closed_at_us", clock_.now_us()}, {"closed_by", storable(author)}},
            "WHERE token = :token AND state = 'open'", {{"token", token}}));
    if (rows == 1) return {};
    WEIR_ASSIGN(const auto there,
                session.select("state", "FROM hold WHERE token = :token", {{"token", token}}));
    if (there.empty()) return fail(ErrorCode::kNotFound, "there is no hold {}", token);
    return fail(ErrorCode::kConflict, "hold {} is {} already", token,
                there.front().at("state").value_or(""));
  });
}

}  // namespace weir::catalog
