#include <algorithm>

#include "base/digest.h"
#include "catalog/store/notices.h"
#include "catalog/store/store.h"
#include "catalog/store/waiting_starts.h"

namespace weir::catalog {
namespace {

constexpr std::string_view kColumns =
    "flow_id, trigger_kind, run_key, logical_time_us, since_us, tried_at_us, next_try_us, tries, "
    "error_code, error_text, error_hint";

/// Texts of one fault differ in times, ports and process ids.
std::string reason_of(const WaitingStart& start) {
  std::string text;
  for (const char c : start.error_text) {
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit)
      text += c;
    else if (!text.ends_with('#'))
      text += '#';
  }
  return sha256_hex(start.error_code + "\n" + text).substr(0, 32);
}

Result<WaitingStart> read_start(const Row& row) {
  RowReader reader("waiting_start", row, row.at("flow_id").value_or(""));
  WaitingStart start{.flow_id = reader.text("flow_id"),
                     .trigger = reader.text("trigger_kind"),
                     .run_key = reader.text("run_key"),
                     .logical_time_us = reader.integer("logical_time_us"),
                     .since_us = reader.integer("since_us"),
                     .tried_at_us = reader.integer("tried_at_us"),
                     .next_try_us = reader.integer("next_try_us"),
                     .tries = reader.integer("tries"),
                     .error_code = reader.text("error_code"),
                     .error_text = reader.text("error_text"),
                     .error_hint = reader.text("error_hint")};
  WEIR_TRY(reader.status());
  return start;
}

/// What every try writes.
Binds values_of(const WaitingStart& start, int64_t now_us) {
  return {{"run_key", start.run_key},
          {"logical_time_us", null_if_zero(start.logical_time_us)},
          {"tried_at_us", now_us},
          {"next_try_us", start.next_try_us},
          {"error_code", start.error_code},
          {"error_text", storable(start.error_text)},
          {"error_hint", storable(start.error_hint)},
          {"reason_key", reason_of(start)}};
}

constexpr std::string_view kOfStart = "WHERE flow_id = :of_flow AND trigger_kind = :of_trigger";

}  // namespace

Result<bool> end_waiting_start_in(Session& session, const FlowRun& run) {
  WEIR_ASSIGN(
      const int64_t rows,
      session.execute(
          "DELETE FROM waiting_start WHERE flow_id = :flow_id AND "
          "(trigger_kind = :trigger_kind OR run_key = :run_key)",
          {{"flow_id", run.flow_id}, {"trigger_kind", run.trigger}, {"run_key", run.run_key}}));
  return rows > 0;
}

Result<std::vector<WaitingStart>> waiting_starts_in(Session& session) {
  WEIR_ASSIGN(const auto rows, session.select(kColumns, "FROM waiting_start"));
  WEIR_ASSIGN(auto starts, read_all(rows, read_start));
  std::ranges::sort(starts, [](const WaitingStart& a, const WaitingStart& b) {
    return std::tie(a.flow_id, a.trigger) < std::tie(b.flow_id, b.trigger);
  });
  return starts;
}

Result<std::vector<WaitingStart>> SqlCatalog::list_waiting_starts() {
  return database_->read([](Session& session) { return waiting_starts_in(session); });
}

// Servers try the same start: the row says who of them was the first with a reason.
Result<bool> SqlCatalog::note_waiting_start(const WaitingStart& start, const Notices& notices) {
  return database_->write([&](Session& session) -> Result<bool> {
    const int64_t now_us = clock_.now_us();
    Binds row = values_of(start, now_us);
    row.push_back({"flow_id", start.flow_id});
    row.push_back({"trigger_kind", start.trigger});
    row.push_back({"since_us", now_us});
    row.push_back({"tries", int64_t{1}});
    WEIR_ASSIGN(const int64_t added, session.insert("waiting_start", row,
                                                    "ON CONFLICT (flow_id, trigger_kind) DO "
                                                    "NOTHING"));
    if (added == 0) {
      const std::string reason = reason_of(start);
      const Binds of = {{"of_flow", start.flow_id}, {"of_trigger", start.trigger}};
      WEIR_TRY(session.execute(
          fmt::format("UPDATE waiting_start SET tries = tries + 1 {}", kOfStart), of));
      Binds of_other = of;
      of_other.push_back({"same_reason", reason});
      WEIR_ASSIGN(
          const int64_t changed,
          session.update("waiting_start", values_of(start, now_us),
                         fmt::format("{} AND reason_key <> :same_reason", kOfStart), of_other));
      if (changed == 0) {
        WEIR_TRY(session.update("waiting_start", values_of(start, now_us), kOfStart, of));
        return false;
      }
    }
    WEIR_TRY(write_notices(session, notices, now_us));
    return true;
  });
}

Status SqlCatalog::forget_waiting_start(const std::string& flow_id, const std::string& trigger) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(session.execute(fmt::format("DELETE FROM waiting_start {}", kOfStart),
                             {{"of_flow", flow_id}, {"of_trigger", trigger}}));
    return {};
  });
}

}  // namespace weir::catalog
