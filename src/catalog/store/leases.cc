#include "catalog/store/leases.h"

#include <algorithm>

#include "base/process.h"
#include "catalog/store/store.h"

// A lease says who may work, by the database's row; it is not a lock (a paused holder may wake up
// after it ran out), so commits ask the epoch again.

namespace weir::catalog {
namespace {

struct Stored {
  std::string holder;
  std::string host;
  ProcessId process;
  int64_t epoch = 0;
  int64_t expires_at_us = 0;  ///< 0: free
};

Result<Stored> stored_of(const Row& row) {
  RowReader reader("lease", row, row.at("name").value_or(""));
  Stored stored{.holder = reader.text("holder"),
                .host = reader.text("host"),
                .process = {.pid = reader.integer("pid"),
                            .started_ticks = reader.integer("started_ticks"),
                            .boot_id = reader.text("boot_id")},
                .epoch = reader.integer("epoch"),
                .expires_at_us = reader.integer("expires_at_us")};
  WEIR_TRY(reader.status());
  return stored;
}

Result<std::optional<Stored>> read_lease(Session& session, const std::string& name,
                                         std::string_view suffix) {
  WEIR_ASSIGN(
      const auto rows,
      session.select("name, holder, host, pid, started_ticks, boot_id, epoch, expires_at_us",
                     fmt::format("FROM lease WHERE name = :name{}", suffix), {{"name", name}}));
  if (rows.empty()) return std::nullopt;
  WEIR_ASSIGN(Stored stored, stored_of(rows.front()));
  return stored;
}

bool is_held(const Stored& stored, int64_t now_us) {
  if (stored.expires_at_us <= now_us) return false;
  // Of another host nothing is known but the time.
  return stored.host != host_name() || may_be_alive(stored.process);
}

std::unexpected<Error> lost(const Lease& lease) {
  return fail_with_hint(
      ErrorCode::kConflict,
      fmt::format("lease '{}' of '{}' (epoch {}) was lost", lease.name, lease.holder, lease.epoch),
      "it ran out and another process took it: this one must not write any more");
}

}  // namespace

// The row first, so that there is something to lock: two who take at once meet here.
Result<std::optional<Lease>> take_lease_in(Session& session, Clock& clock, const std::string& name,
                                           const std::string& holder, int64_t duration_ms,
                                           int64_t least_epoch) {
  WEIR_TRY(session.insert("lease", {{"name", name}}, "ON CONFLICT (name) DO NOTHING"));
  WEIR_ASSIGN(const auto stored, read_lease(session, name, session.words().for_update));
  if (!stored) return fail(ErrorCode::kConflict, "lease '{}' vanished", name);
  WEIR_ASSIGN(const int64_t now_us, session.now_us(clock));
  if (is_held(*stored, now_us)) return std::nullopt;
  const ProcessId process = this_process();
  const int64_t epoch = std::max(stored->epoch + 1, least_epoch);
  WEIR_ASSIGN(const int64_t rows, session.update("lease",
                                                 {{"holder", storable(holder)},
                                                  {"host", host_name()},
                                                  {"pid", process.pid},
                                                  {"started_ticks", process.started_ticks},
                                                  {"boot_id", process.boot_id},
                                                  {"epoch", epoch},
                                                  {"expires_at_us", now_us + duration_ms * 1000}},
                                                 "WHERE name = :name AND epoch = :old_epoch",
                                                 {{"name", name}, {"old_epoch", stored->epoch}}));
  if (rows != 1) return std::nullopt;
  return Lease{.name = name, .holder = holder, .epoch = epoch};
}

Status release_lease_in(Session& session, const Lease& lease) {
  WEIR_ASSIGN(const int64_t rows,
              session.update("lease", {{"expires_at_us", int64_t{0}}, {"holder", std::string()}},
                             "WHERE name = :name AND epoch = :epoch AND expires_at_us > 0",
                             {{"name", lease.name}, {"epoch", lease.epoch}}));
  if (rows != 1) return lost(lease);
  return {};
}

// What is done with for ever: the epoch of its successor comes from the row that it was for.
Status drop_lease_in(Session& session, const Lease& lease) {
  WEIR_ASSIGN(const int64_t rows,
              session.execute("DELETE FROM lease WHERE name = :name AND epoch = :epoch",
                              {{"name", lease.name}, {"epoch", lease.epoch}}));
  if (rows != 1) return lost(lease);
  return {};
}

Result<std::vector<std::string>> living_leases_in(Session& session, Clock& clock,
                                                  const std::string& prefix) {
  WEIR_ASSIGN(const int64_t now_us, session.now_us(clock));
  WEIR_ASSIGN(const auto rows,
              session.select("name, holder, host, pid, started_ticks, boot_id, epoch, "
                             "expires_at_us",
                             "FROM lease WHERE name LIKE :prefix AND expires_at_us > :now_us",
                             {{"prefix", prefix + "%"}, {"now_us", now_us}}));
  std::vector<std::string> names;
  for (const Row& row : rows) {
    WEIR_ASSIGN(const Stored stored, stored_of(row));
    if (is_held(stored, now_us)) names.push_back(row.at("name").value_or(""));
  }
  return names;
}

Result<std::optional<Lease>> SqlCatalog::take_lease(const std::string& name,
                                                    const std::string& holder, int64_t duration_ms,
                                                    int64_t least_epoch) {
  return database_->write([&](Session& session) {
    return take_lease_in(session, clock_, name, holder, duration_ms, least_epoch);
  });
}

Status SqlCatalog::renew_lease(const Lease& lease, int64_t duration_ms) {
  return database_->write([&](Session& session) -> Status {
    WEIR_ASSIGN(const int64_t now_us, session.now_us(clock_));
    WEIR_ASSIGN(const int64_t rows,
                session.update("lease", {{"expires_at_us", now_us + duration_ms * 1000}},
                               "WHERE name = :name AND epoch = :epoch AND expires_at_us > 0",
                               {{"name", lease.name}, {"epoch", lease.epoch}}));
    if (rows != 1) return lost(lease);
    return {};
  });
}

Status SqlCatalog::release_lease(const Lease& lease) {
  return database_->write([&](Session& session) { return release_lease_in(session, lease); });
}

Result<bool> SqlCatalog::holds_lease(const Lease& lease) {
  return database_->read([&](Session& session) -> Result<bool> {
    WEIR_ASSIGN(const auto stored, read_lease(session, lease.name, ""));
    WEIR_ASSIGN(const int64_t now_us, session.now_us(clock_));
    return stored && stored->epoch == lease.epoch && stored->expires_at_us > now_us;
  });
}

Result<std::string> SqlCatalog::lease_holder(const std::string& name) {
  return database_->read([&](Session& session) -> Result<std::string> {
    WEIR_ASSIGN(const auto stored, read_lease(session, name, ""));
    WEIR_ASSIGN(const int64_t now_us, session.now_us(clock_));
    if (!stored || !is_held(*stored, now_us)) return "";
    return fmt::format("{} (process {} on {})", stored->holder, stored->process.pid, stored->host);
  });
}

Result<bool> SqlCatalog::is_lease_alive(const std::string& name) {
  return database_->read([&](Session& session) -> Result<bool> {
    WEIR_ASSIGN(const auto stored, read_lease(session, name, ""));
    WEIR_ASSIGN(const int64_t now_us, session.now_us(clock_));
    return stored && is_held(*stored, now_us);
  });
}

}  // namespace weir::catalog
