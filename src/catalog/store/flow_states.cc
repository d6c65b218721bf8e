#include "catalog/store/flow_states.h"

#include "catalog/store/store.h"

namespace weir::catalog {

Status note_scheduled_in(Session& session, const std::string& flow_id, int64_t logical_time_us) {
  WEIR_TRY(
      session.insert("flow_state", {{"flow_id", flow_id}}, "ON CONFLICT (flow_id) DO NOTHING"));
  WEIR_TRY(session.update("flow_state", {{"scheduled_until_us", logical_time_us}},
                          "WHERE flow_id = :of_flow AND scheduled_until_us < :until_us",
                          {{"of_flow", flow_id}, {"until_us", logical_time_us}}));
  return {};
}

Result<std::vector<FlowState>> SqlCatalog::flow_states() {
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(
        "flow_id, is_paused, paused_by, pause_reason, paused_at_us, scheduled_until_us",
        "FROM flow_state ORDER BY flow_id");
  }));
  return read_all(rows, [](const Row& row) -> Result<FlowState> {
    RowReader reader("flow_state", row, row.at("flow_id").value_or(""));
    FlowState state{.flow_id = reader.text("flow_id"),
                    .is_paused = reader.boolean("is_paused"),
                    .paused_by = reader.text("paused_by"),
                    .pause_reason = reader.text("pause_reason"),
                    .paused_at_us = reader.integer("paused_at_us"),
                    .scheduled_until_us = reader.integer("scheduled_until_us")};
    WEIR_TRY(reader.status());
    return state;
  });
}

Status SqlCatalog::pause_flow(const std::string& flow_id, bool is_paused, const std::string& author,
                              const std::string& reason) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(
        session.insert("flow_state", {{"flow_id", flow_id}}, "ON CONFLICT (flow_id) DO NOTHING"));
    WEIR_ASSIGN(
        const int64_t rows,
        session.update("flow_state",
                       {{"is_paused", is_paused},
                        {"paused_by", is_paused ? author : std::string()},
                        {"pause_reason", is_paused ? storable(reason) : std::string()},
                        {"paused_at_us", is_paused ? Value(clock_.now_us()) : Value(nullptr)}},
                       "WHERE flow_id = :of_flow AND is_paused = :was_paused",
                       {{"of_flow", flow_id}, {"was_paused", !is_paused}}));
    if (rows == 1) return {};
    return fail(ErrorCode::kConflict, "flow '{}' is {}", flow_id,
                is_paused ? "paused already" : "not paused");
  });
}

Status SqlCatalog::note_scheduled(const std::map<std::string, int64_t>& until_us) {
  return database_->write([&](Session& session) -> Status {
    for (const auto& [flow_id, logical_time_us] : until_us)
      WEIR_TRY(note_scheduled_in(session, flow_id, logical_time_us));
    return {};
  });
}

}  // namespace weir::catalog
