#include <algorithm>

#include "catalog/store/json_rows.h"
#include "catalog/store/store.h"

// Files come in thousands: they are written by the list, one statement for many.

namespace weir::catalog {
namespace {

constexpr int64_t kKeptUs = int64_t{14} * 24 * 3600 * 1'000'000;  // as long as SQS keeps a message

constexpr std::string_view kColumns =
    "name, state, size_bytes, version, sha256, run_key, seen_at_us, changed_at_us, taken_at_us, "
    "gone_at_us";

Result<ArrivalState> arrival_state_from_text(std::string_view text) {
  for (const auto state :
       {ArrivalState::kWaiting, ArrivalState::kDue, ArrivalState::kStarted, ArrivalState::kIgnored})
    if (to_text(state) == text) return state;
  return fail(ErrorCode::kCorrupt, "'{}' is no state of a file", text);
}

Result<Arrival> read_arrival(const Row& row) {
  RowReader reader("arrival", row, row.at("name").value_or(""));
  Arrival file;
  file.name = reader.text("name");
  file.state = reader.take("state", arrival_state_from_text(reader.text("state")));
  file.size_bytes = reader.integer("size_bytes");
  file.version = reader.text("version");
  file.sha256 = reader.text("sha256");
  file.run_key = reader.text("run_key");
  file.seen_at_us = reader.integer("seen_at_us");
  file.changed_at_us = reader.integer("changed_at_us");
  file.taken_at_us = reader.integer("taken_at_us");
  file.gone_at_us = reader.integer("gone_at_us");
  WEIR_TRY(reader.status());
  return file;
}

Json row_of(const Arrival& file) {
  const auto or_none = [](int64_t value) { return value == 0 ? Json() : Json(value); };
  return Json::array({file.name, to_text(file.state), file.size_bytes, file.version, file.sha256,
                      file.run_key, file.seen_at_us, file.changed_at_us, or_none(file.taken_at_us),
                      or_none(file.gone_at_us)});
}

Status write_files(Session& session, const ArrivalChanges& changes) {
  const std::string sql = fmt::format(
      "INSERT INTO arrival (flow_id, {}) SELECT :flow_id, value ->> 0, value ->> 1, "
      "CAST(value ->> 2 AS BIGINT), value ->> 3, value ->> 4, value ->> 5, "
      "CAST(value ->> 6 AS BIGINT), CAST(value ->> 7 AS BIGINT), CAST(value ->> 8 AS BIGINT), "
      "CAST(value ->> 9 AS BIGINT) FROM {} WHERE true "
      "ON CONFLICT (flow_id, name) DO UPDATE SET state = excluded.state, "
      "size_bytes = excluded.size_bytes, version = excluded.version, sha256 = excluded.sha256, "
      "run_key = excluded.run_key, seen_at_us = excluded.seen_at_us, "
      "changed_at_us = excluded.changed_at_us, taken_at_us = excluded.taken_at_us, "
      "gone_at_us = excluded.gone_at_us",
      kColumns, session.words().json_rows);
  WEIR_TRY(in_parts(changes.files, row_of, [&](std::string rows) -> Status {
    WEIR_TRY(session.execute(sql, {{"flow_id", changes.flow_id}, {"rows", std::move(rows)}}));
    return {};
  }));
  const auto name_of = [](const std::string& name) { return Json::array({name}); };
  return in_parts(changes.removed, name_of, [&](std::string rows) -> Status {
    WEIR_TRY(session.execute(fmt::format("DELETE FROM arrival WHERE flow_id = :flow_id AND name IN "
                                         "(SELECT value ->> 0 FROM {})",
                                         session.words().json_rows),
                             {{"flow_id", changes.flow_id}, {"rows", std::move(rows)}}));
    return {};
  });
}

/// The revision of a flow's files; 0 where nobody has looked.
Result<int64_t> read_watch(Session& session, const std::string& flow_id, Arrivals& arrivals) {
  WEIR_ASSIGN(const auto rows, session.select("revision, since_us, patterns",
                                              "FROM arrival_watch WHERE flow_id = :flow_id",
                                              {{"flow_id", flow_id}}));
  if (rows.empty()) return 0;
  RowReader reader("arrival_watch", rows.front(), flow_id);
  arrivals.revision = reader.integer("revision");
  arrivals.since_us = reader.integer("since_us");
  for (const Json& pattern : reader.json("patterns"))
    if (pattern.is_string()) arrivals.patterns.push_back(pattern.get<std::string>());
  WEIR_TRY(reader.status());
  return arrivals.revision;
}

}  // namespace

std::string_view to_text(ArrivalState state) {
  switch (state) {
    case ArrivalState::kWaiting: return "waiting";
    case ArrivalState::kDue: return "due";
    case ArrivalState::kStarted: return "started";
    case ArrivalState::kIgnored: return "ignored";
  }
  return "waiting";
}

Result<Arrivals> SqlCatalog::arrivals(const std::string& flow_id) {
  return database_->read([&](Session& session) -> Result<Arrivals> {
    Arrivals arrivals;
    WEIR_TRY(read_watch(session, flow_id, arrivals));
    WEIR_ASSIGN(const auto rows, session.select(kColumns, "FROM arrival WHERE flow_id = :flow_id",
                                                {{"flow_id", flow_id}}));
    WEIR_ASSIGN(arrivals.files, read_all(rows, read_arrival));
    std::ranges::sort(arrivals.files, {}, &Arrival::name);
    return arrivals;
  });
}

Result<int64_t> SqlCatalog::arrivals_revision(const std::string& flow_id) {
  return database_->read([&](Session& session) {
    Arrivals arrivals;
    return read_watch(session, flow_id, arrivals);
  });
}

Result<int64_t> SqlCatalog::write_arrivals(const ArrivalChanges& changes) {
  return database_->write([&](Session& session) -> Result<int64_t> {
    WEIR_TRY(session.lock("weir arrivals of " + changes.flow_id));
    Arrivals now;
    WEIR_ASSIGN(const int64_t revision, read_watch(session, changes.flow_id, now));
    if (revision != changes.revision)
      return fail(ErrorCode::kConflict, "the files of flow '{}' were changed by another process",
                  changes.flow_id);
    const Binds values = {{"revision", revision + 1}, {"patterns", json_value(changes.patterns)}};
    if (revision == 0) {
      Binds all = values;
      all.push_back({"flow_id", changes.flow_id});
      all.push_back({"since_us", clock_.now_us()});
      WEIR_TRY(session.insert("arrival_watch", all));
    } else {
      WEIR_TRY(session.update("arrival_watch", values, "WHERE flow_id = :flow_id",
                              {{"flow_id", changes.flow_id}}));
    }
    WEIR_TRY(write_files(session, changes));
    return revision + 1;
  });
}

Result<int64_t> SqlCatalog::add_events(const std::vector<InboxEvent>& events) {
  if (events.empty()) return 0;
  return database_->write([&](Session& session) -> Result<int64_t> {
    int64_t added = 0;
    for (const auto& event : events) {
      WEIR_ASSIGN(const int64_t rows, session.insert("event_inbox",
                                                     {{"event_id", storable(event.event_id)},
                                                      {"kind", event.kind},
                                                      {"payload", json_value(event.payload)},
                                                      {"received_at_us", clock_.now_us()}},
                                                     "ON CONFLICT (event_id) DO NOTHING"));
      added += rows;
    }
    return added;
  });
}

Result<std::vector<InboxEvent>> SqlCatalog::waiting_events(int64_t limit) {
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select("event_id, kind, payload, received_at_us",
                          "FROM event_inbox WHERE handled_at_us IS NULL ORDER BY received_at_us, "
                          "event_id LIMIT :how_many",
                          {{"how_many", limit}});
  }));
  return read_all(rows, [](const Row& row) -> Result<InboxEvent> {
    RowReader reader("event_inbox", row, row.at("event_id").value_or(""));
    InboxEvent event{.event_id = reader.text("event_id"),
                     .kind = reader.text("kind"),
                     .payload = reader.json("payload"),
                     .received_at_us = reader.integer("received_at_us")};
    WEIR_TRY(reader.status());
    return event;
  });
}

Status SqlCatalog::note_handled(const std::vector<std::string>& event_ids) {
  if (event_ids.empty()) return {};
  return database_->write([&](Session& session) -> Status {
    const int64_t now_us = clock_.now_us();
    const auto id_of = [](const std::string& id) { return Json::array({id}); };
    WEIR_TRY(in_parts(event_ids, id_of, [&](std::string rows) -> Status {
      WEIR_TRY(session.execute(
          fmt::format("UPDATE event_inbox SET handled_at_us = :now_us WHERE handled_at_us IS NULL "
                      "AND event_id IN (SELECT value ->> 0 FROM {})",
                      session.words().json_rows),
          {{"now_us", now_us}, {"rows", std::move(rows)}}));
      return {};
    }));
    WEIR_TRY(session.execute("DELETE FROM event_inbox WHERE handled_at_us < :before_us",
                             {{"before_us", now_us - kKeptUs}}));
    return {};
  });
}

}  // namespace weir::catalog
