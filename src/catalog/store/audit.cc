#include "catalog/store/audit.h"

#include <algorithm>

#include "base/digest.h"
#include "catalog/store/store.h"

namespace weir::catalog {
namespace {

struct Link {
  int64_t position = 0;
  std::string row_hash;
};

/// What is hashed of a row; its details are text, so that not a blank can change.
std::string hash_of(const std::string& before, int64_t position, int64_t at_us,
                    const std::string& author, const std::string& action,
                    const std::string& details) {
  return sha256_hex(dump_json(Json::array({before, position, at_us, author, action, details})));
}

constexpr std::string_view kColumns = "position, at_us, author, action, details, row_hash";

/// A hash over all rows that were written before there was a chain: what its first link stands on.
Result<std::string> hash_of_older(Session& session, int64_t& count) {
  WEIR_ASSIGN(const auto rows,
              session.select("at_us, author, action, details",
                             "FROM audit_log WHERE position <= 0 ORDER BY audit_log_id"));
  std::string hash;
  for (const Row& row : rows) {
    RowReader reader("audit_log", row, row.at("at_us").value_or(""));
    hash = hash_of(hash, 0, reader.integer("at_us"), reader.text("author"), reader.text("action"),
                   reader.text("details"));
    WEIR_TRY(reader.status());
  }
  count = static_cast<int64_t>(rows.size());
  return hash;
}

Result<std::optional<Link>> read_head(Session& session) {
  WEIR_ASSIGN(const auto rows, session.select("position, row_hash", "FROM audit_head"));
  if (rows.empty()) return std::nullopt;
  RowReader reader("audit_head", rows.front(), "1");
  Link link{reader.integer("position"), reader.text("row_hash")};
  WEIR_TRY(reader.status());
  return link;
}

/// What a new row hangs on.
Result<Link> newest_link(Session& session) {
  WEIR_ASSIGN(const auto head, read_head(session));
  if (head) return *head;
  int64_t ignored = 0;
  WEIR_ASSIGN(std::string older, hash_of_older(session, ignored));
  return Link{0, std::move(older)};
}

constexpr size_t kMaxFaults = 20;

/// The chain as it is read, row after row.
class Check {
 public:
  Check(std::string before, std::string asked)
      : before_(std::move(before)), asked_(std::move(asked)) {
    verdict_.has_hash = asked_.empty();
  }

  Status take(const Row& row) {
    RowReader reader("audit_log", row, row.at("position").value_or(""));
    const int64_t position = reader.integer("position");
    const std::string stored = reader.text("row_hash");
    const std::string hash =
        hash_of(before_, position, reader.integer("at_us"), reader.text("author"),
                reader.text("action"), reader.text("details"));
    WEIR_TRY(reader.status());
    const int64_t expected = position_ + 1;
    if (position != expected)
      fault(expected, position == expected + 1
                          ? fmt::format("row {} is missing", expected)
                          : fmt::format("rows {} to {} are missing", expected, position - 1));
    else if (hash != stored)
      fault(position,
            fmt::format("row {} is not as it was written, or what stands before it is another",
                        position));
    if (stored == asked_) verdict_.has_hash = true;
    before_ = stored;  // One changed row is one fault.
    position_ = position;
    ++verdict_.row_count;
    return {};
  }

  AuditVerdict finish(const std::optional<Link>& head) && {
    if (!head && position_ > 0) fault(position_, "the head of the chain is missing");
    if (head && head->position != position_)
      fault(head->position,
            fmt::format("the chain ends with row {}, its head says {}", position_, head->position));
    else if (head && head->row_hash != before_)
      fault(position_, fmt::format("row {} is not the one that its head names", position_));
    verdict_.head_hash = head ? head->row_hash : "";
    return std::move(verdict_);
  }

 private:
  void fault(int64_t position, std::string what) {
    if (verdict_.faults.size() < kMaxFaults) verdict_.faults.push_back({position, std::move(what)});
  }

  AuditVerdict verdict_;
  std::string before_;
  const std::string asked_;
  int64_t position_ = 0;
};

}  // namespace

Status lock_audit(Session& session) { return session.lock("weir audit"); }

Status write_audit(Session& session, int64_t at_us, const std::string& author,
                   const std::string& action, const Json& details) {
  WEIR_TRY(lock_audit(session));
  WEIR_ASSIGN(const Link before, newest_link(session));
  const std::string who = storable(author);
  const std::string text = dump_json(details);
  const int64_t position = before.position + 1;
  const std::string hash = hash_of(before.row_hash, position, at_us, who, action, text);
  WEIR_TRY(session.insert("audit_log", {{"at_us", at_us},
                                        {"author", who},
                                        {"action", action},
                                        {"details", text},
                                        {"position", position},
                                        {"row_hash", hash}}));
  WEIR_TRY(session.insert(
      "audit_head", {{"audit_head_id", int64_t{1}}, {"position", position}, {"row_hash", hash}},
      "ON CONFLICT (audit_head_id) DO UPDATE SET position = excluded.position, row_hash = "
      "excluded.row_hash"));
  return {};
}

Status SqlCatalog::audit(const std::string& author, const std::string& action,
                         const Json& details) {
  return database_->write([&](Session& session) {
    return write_audit(session, clock_.now_us(), author, action, details);
  });
}

Result<std::vector<AuditRow>> SqlCatalog::audit_rows(int64_t before, int64_t limit) {
  Binds binds = {{"limit", limit}};
  if (before > 0) binds.push_back({"before", before});
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(kColumns,
                          fmt::format("FROM audit_log {} ORDER BY position DESC, audit_log_id DESC "
                                      "LIMIT :limit",
                                      before > 0 ? "WHERE position < :before" : ""),
                          binds);
  }));
  return read_all(rows, [](const Row& row) -> Result<AuditRow> {
    RowReader reader("audit_log", row, row.at("position").value_or(""));
    AuditRow line{.position = reader.integer("position"),
                  .at_us = reader.integer("at_us"),
                  .author = reader.text("author"),
                  .action = reader.text("action"),
                  .details = Json(),
                  .row_hash = reader.text("row_hash")};
    // What somebody wrote into it is shown as it is.
    const std::string details = reader.text("details");
    const auto json = parse_json(details);
    line.details = json ? *json : Json(details);
    WEIR_TRY(reader.status());
    return line;
  });
}

Result<AuditVerdict> SqlCatalog::verify_audit(const std::string& hash) {
  return database_->read([&](Session& session) -> Result<AuditVerdict> {
    int64_t older_rows = 0;
    WEIR_ASSIGN(std::string older, hash_of_older(session, older_rows));
    Check check(std::move(older), hash);
    // In pages: the log outgrows what a program should hold at once.
    for (int64_t last = 0;;) {
      WEIR_ASSIGN(
          const auto rows,
          session.select(kColumns,
                         "FROM audit_log WHERE position > :last ORDER BY position LIMIT 1000",
                         {{"last", last}}));
      if (rows.empty()) break;
      for (const Row& row : rows) {
        WEIR_TRY(check.take(row));
      }
      RowReader reader("audit_log", rows.back(), "last");
      last = reader.integer("position");
    }
    WEIR_ASSIGN(const auto head, read_head(session));
    AuditVerdict verdict = std::move(check).finish(head);
    verdict.older_rows = older_rows;
    return verdict;
  });
}

}  // namespace weir::catalog
