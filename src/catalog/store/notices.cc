#include "catalog/store/notices.h"

#include <algorithm>

#include "catalog/store/store.h"

namespace weir::catalog {
namespace {

constexpr std::string_view kColumns =
    "outbox_id, message_key, notification_rule_id, channel, run_id, flow_id, task_id, event, "
    "payload, subject_key, state, created_at_us, attempts, not_before_us, sent_at_us, error_text";

constexpr std::string_view kIsDue = "state = 'waiting' AND coalesce(not_before_us, 0) <= :now_us";

Result<KeptNotice> read_notice(const Row& row) {
  RowReader reader("outbox", row, row.at("outbox_id").value_or(""));
  KeptNotice notice;
  notice.outbox_id = reader.integer("outbox_id");
  notice.key = reader.text("message_key");
  notice.rule_id = reader.text("notification_rule_id");
  notice.channel = reader.text("channel");
  notice.run_id = reader.text("run_id");
  notice.flow_id = reader.text("flow_id");
  notice.task_id = reader.text("task_id");
  notice.event = reader.text("event");
  notice.payload = reader.json("payload");
  notice.subject_key = reader.text("subject_key");
  notice.state = reader.text("state");
  notice.created_at_us = reader.integer("created_at_us");
  notice.attempts = reader.integer("attempts");
  notice.not_before_us = reader.integer("not_before_us");
  notice.sent_at_us = reader.integer("sent_at_us");
  notice.error_text = reader.text("error_text");
  WEIR_TRY(reader.status());
  return notice;
}

Result<int64_t> count(Session& session, const std::string& where, const Binds& binds) {
  WEIR_ASSIGN(const auto rows,
              session.select("count(*) AS notices", "FROM outbox WHERE " + where, binds));
  RowReader reader("outbox", rows.front(), "count");
  return reader.integer("notices");
}

/// Those of the rule and event within the time before `at_us`, but for what was suppressed.
Result<bool> is_over_limit(Session& session, const Notice& notice, int64_t at_us) {
  if (notice.at_most > 0) {
    WEIR_ASSIGN(const int64_t told, count(session,
                                          "notification_rule_id = :rule_id AND event = :event "
                                          "AND created_at_us > :since_us AND state <> 'suppressed'",
                                          {{"rule_id", notice.rule_id},
                                           {"event", notice.event},
                                           {"since_us", at_us - notice.per_ms * 1000}}));
    if (told >= notice.at_most) return true;
  }
  if (notice.dedup_ms <= 0) return false;
  WEIR_ASSIGN(const int64_t same,
              count(session,
                    "notification_rule_id = :rule_id AND event = :event AND created_at_us > "
                    ":since_us AND subject_key = :subject_key AND state <> 'suppressed'",
                    {{"rule_id", notice.rule_id},
                     {"event", notice.event},
                     {"since_us", at_us - notice.dedup_ms * 1000},
                     {"subject_key", notice.subject_key}}));
  return same > 0;
}

/// How many of the rule and event were suppressed since one was told.
Result<int64_t> left_out(Session& session, const Notice& notice) {
  return count(session,
               "notification_rule_id = :rule_id AND event = :event AND state = 'suppressed' AND "
               "outbox_id > (SELECT coalesce(max(outbox_id), 0) FROM outbox WHERE "
               "notification_rule_id = :rule_id AND event = :event AND state <> 'suppressed')",
               {{"rule_id", notice.rule_id}, {"event", notice.event}});
}

/// Not before those of its channel that wait already: what comes later is told later.
Result<int64_t> not_before(Session& session, const Notice& notice, int64_t at_us) {
  if (notice.event != kLineageEvent) return at_us;
  WEIR_ASSIGN(const auto rows,
              session.select("max(not_before_us) AS latest",
                             "FROM outbox WHERE channel = :channel AND state = 'waiting' AND "
                             "event = :event",
                             {{"channel", notice.channel}, {"event", notice.event}}));
  RowReader reader("outbox", rows.front(), "latest");
  const int64_t latest_us = reader.integer("latest");
  WEIR_TRY(reader.status());
  return std::max(at_us, latest_us);
}

}  // namespace

Status write_notices(Session& session, const Notices& notices, int64_t at_us) {
  for (const Notice& notice : notices) {
    const bool has_limit = notice.at_most > 0 || notice.dedup_ms > 0;
    // Two runs that end at once must not both count the same.
    if (has_limit) WEIR_TRY(session.lock("weir notification " + notice.rule_id));
    WEIR_ASSIGN(const bool is_over, is_over_limit(session, notice, at_us));
    Json payload = notice.payload;
    if (has_limit && !is_over) {
      WEIR_ASSIGN(const int64_t suppressed, left_out(session, notice));
      if (suppressed > 0) payload["suppressed"] = suppressed;
    }
    WEIR_ASSIGN(const int64_t not_before_us, not_before(session, notice, at_us));
    WEIR_TRY(session.insert("outbox",
                            {{"message_key", notice.key},
                             {"notification_rule_id", notice.rule_id},
                             {"channel", notice.channel},
                             {"run_id", notice.run_id},
                             {"flow_id", notice.flow_id},
                             {"task_id", notice.task_id},
                             {"event", notice.event},
                             {"payload", json_value(payload)},
                             {"subject_key", notice.subject_key},
                             {"state", std::string(is_over ? "suppressed" : "waiting")},
                             {"created_at_us", at_us},
                             {"not_before_us", not_before_us}},
                            "ON CONFLICT (message_key) WHERE message_key <> '' DO NOTHING"));
  }
  return {};
}

Status SqlCatalog::add_notices(const Notices& notices) {
  if (notices.empty()) return {};
  return database_->write(
      [&](Session& session) { return write_notices(session, notices, clock_.now_us()); });
}

Result<std::vector<KeptNotice>> SqlCatalog::due_notices(int64_t limit, const std::string& channel) {
  Binds binds = {{"now_us", clock_.now_us()}, {"how_many", limit}};
  if (!channel.empty()) binds.push_back({"channel", channel});
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(kColumns,
                          fmt::format("FROM outbox WHERE {}{} ORDER BY outbox_id LIMIT :how_many",
                                      kIsDue, channel.empty() ? "" : " AND channel = :channel"),
                          binds);
  }));
  return read_all(rows, read_notice);
}

Result<std::vector<std::string>> SqlCatalog::due_channels() {
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select("channel", fmt::format("FROM outbox WHERE {} GROUP BY channel", kIsDue),
                          {{"now_us", clock_.now_us()}});
  }));
  return read_all(rows, [](const Row& row) -> Result<std::string> {
    RowReader reader("outbox", row, "channel");
    std::string channel = reader.text("channel");
    WEIR_TRY(reader.status());
    return channel;
  });
}

Result<std::vector<KeptNotice>> SqlCatalog::notices(const std::string& state, int64_t limit) {
  Binds binds = {{"how_many", limit}};
  if (!state.empty()) binds.push_back({"state", state});
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(kColumns,
                          fmt::format("FROM outbox {} ORDER BY outbox_id DESC LIMIT :how_many",
                                      state.empty() ? "" : "WHERE state = :state"),
                          binds);
  }));
  return read_all(rows, read_notice);
}

Result<std::map<std::string, int64_t>> SqlCatalog::count_notices() {
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select("state, count(*) AS notices", "FROM outbox GROUP BY state");
  }));
  std::map<std::string, int64_t> counts;
  for (const Row& row : rows) {
    RowReader reader("outbox", row, "count");
    counts[reader.text("state")] = reader.integer("notices");
    WEIR_TRY(reader.status());
  }
  return counts;
}

Status SqlCatalog::note_try(int64_t outbox_id, const std::string& error_text,
                            int64_t not_before_us) {
  const bool is_sent = error_text.empty();
  const std::string state = is_sent ? "sent" : not_before_us == 0 ? "failed" : "waiting";
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(session.execute(
        "UPDATE outbox SET attempts = attempts + 1, state = :state, error_text = :error_text, "
        "not_before_us = :not_before_us, sent_at_us = :sent_at_us "
        "WHERE outbox_id = :outbox_id AND state <> 'sent'",
        {{"state", state},
         {"error_text", storable(error_text)},
         {"not_before_us", null_if_zero(not_before_us)},
         {"sent_at_us", is_sent ? Value(clock_.now_us()) : Value(nullptr)},
         {"outbox_id", outbox_id}}));
    WEIR_TRY(
        session.execute("DELETE FROM outbox WHERE outbox_id = :outbox_id AND event = :event AND "
                        "state IN ('sent', 'failed')",
                        {{"outbox_id", outbox_id}, {"event", std::string(kLineageEvent)}}));
    return {};
  });
}

Status SqlCatalog::defer_events(const std::string& channel, const std::string& error_text,
                                int64_t not_before_us) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(
        session.execute("UPDATE outbox SET attempts = attempts + 1, error_text = :error_text, "
                        "not_before_us = :not_before_us "
                        "WHERE channel = :channel AND state = 'waiting' AND event = :event",
                        {{"error_text", storable(error_text)},
                         {"not_before_us", not_before_us},
                         {"channel", channel},
                         {"event", std::string(kLineageEvent)}}));
    return {};
  });
}

Result<int64_t> SqlCatalog::forget_events(int64_t before_us) {
  return database_->write([&](Session& session) {
    return session.execute("DELETE FROM outbox WHERE event = :event AND created_at_us < :before_us",
                           {{"event", std::string(kLineageEvent)}, {"before_us", before_us}});
  });
}

Result<int64_t> SqlCatalog::revive_notices() {
  return database_->write([&](Session& session) {
    return session.execute(
        "UPDATE outbox SET state = 'waiting', not_before_us = :now_us "
        "WHERE state IN ('failed', 'waiting')",
        {{"now_us", clock_.now_us()}});
  });
}

}  // namespace weir::catalog
