#include "base/instant.h"
#include "catalog/run_json.h"
#include "server/routes.h"

namespace weir::server {
namespace {

/// kNotFound in the words that a flow which is not to be seen gets, too.
Status check_there(const Call& call, const std::string& flow_id) {
  WEIR_ASSIGN(const auto rows, call.catalog().overview().rows_of_flow(flow_id));
  if (!rows.empty()) return {};
  return fail(ErrorCode::kNotFound, "there is no flow '{}'", flow_id);
}

Result<Answer> switch_flow(const Call& call, bool is_paused) {
  PauseRequest request;
  request.flow_id = call.path.at("flow_id");
  WEIR_TRY(check_there(call, request.flow_id));
  if (!call.ground->actions->pause) return not_served("pause flows");
  request.is_paused = is_paused;
  if (call.body.is_object()) request.reason = call.body.value("reason", "");
  request.author = call.caller.author;
  WEIR_TRY(call.ground->actions->pause(request));
  Answer answer;
  answer.status = 204;
  return answer;
}

/// The answer is given once the events are in the catalog, so the sender need not keep them.
Result<Answer> take_events(const Call& call, const std::string& flow_id) {
  if (!call.ground->actions->take_arrivals) return not_served("take events of files");
  WEIR_ASSIGN(const int64_t new_events, call.ground->actions->take_arrivals({flow_id, call.body}));
  return json_answer({{"new_events", new_events}}, 202);
}

/// Of the flows that the caller may see; of one flow where it is named.
Result<Json> waiting_json(const Call& call, const std::string& flow_id = "") {
  WEIR_ASSIGN(const auto starts, call.catalog().waiting_starts().list_waiting_starts());
  const catalog::FlowScope visible = call.visible();
  Json list = Json::array();
  for (const auto& start : starts)
    if (visible.has(start.flow_id) && (flow_id.empty() || flow_id == start.flow_id))
      list.push_back(catalog::to_json(start));
  return list;
}

/// Those of a flow among the waiting.
Json waiting_of(const Json& waiting, const std::string& flow_id) {
  Json list = Json::array();
  for (const Json& start : waiting)
    if (start.at("flow_id") == flow_id) list.push_back(start);
  return list;
}

}  // namespace

Json row_json(const catalog::ConfigRow& row) {
  return {{"table", row.table},
          {"key", row.key},
          {"values", row.values},
          {"managed_by", row.managed_by}};
}

Result<Answer> list_flows(const Call& call) {
  const int64_t limit = call.number("limit", 50);
  WEIR_ASSIGN(const std::string after, read_name_cursor(call));
  WEIR_ASSIGN(const auto lines, call.catalog().overview().flow_lines(call.visible(), after, limit));
  WEIR_ASSIGN(const Json waiting, waiting_json(call));
  Json list = Json::array();
  for (const auto& line : lines) {
    list.push_back({{"flow_id", line.flow_id},
                    {"description", line.description},
                    {"owner", line.owner},
                    {"is_enabled", line.is_enabled},
                    {"is_paused", line.is_paused},
                    {"task_count", line.task_count},
                    {"schedule", line.schedule},
                    {"last_run", line.last_run ? catalog::to_json(*line.last_run) : Json()},
                    {"waiting_starts", waiting_of(waiting, line.flow_id)},
                    {"last_success_at", instant_json(line.last_success.value_or(0))}});
  }
  const bool is_full = static_cast<int64_t>(lines.size()) == limit;
  return page_answer("flows", std::move(list),
                     is_full ? write_cursor(Json::array({lines.back().flow_id})) : "");
}

Result<Answer> get_flow(const Call& call) {
  const std::string& flow_id = call.path.at("flow_id");
  WEIR_TRY(check_there(call, flow_id));
  WEIR_ASSIGN(const auto rows, call.catalog().overview().rows_of_flow(flow_id));
  WEIR_ASSIGN(const auto runs, call.catalog().flow_runs(flow_id, 1));
  WEIR_ASSIGN(Json waiting, waiting_json(call, flow_id));
  Json list = Json::array();
  for (const auto& row : rows) list.push_back(row_json(row));
  return json_answer({{"flow_id", flow_id},
                      {"rows", std::move(list)},
                      {"waiting_starts", std::move(waiting)},
                      {"last_run", runs.empty() ? Json() : catalog::to_json(runs.front())}});
}

Result<Answer> list_waiting_starts(const Call& call) {
  WEIR_ASSIGN(Json list, waiting_json(call));
  return json_answer({{"waiting_starts", std::move(list)}});
}

Result<Answer> start_run(const Call& call) {
  RunRequest request;
  request.flow_id = call.path.at("flow_id");
  WEIR_TRY(check_there(call, request.flow_id));
  if (!call.ground->actions->start_run) return not_served("start runs");
  request.run_key = call.body.value("run_key", "");
  request.params = call.body.value("params", Json::object());
  if (const std::string time = call.body.value("logical_time", ""); !time.empty()) {
    WEIR_ASSIGN(request.logical_time_us,
                while_doing(parse_instant(time), "reading 'logical_time'"));
  }
  request.author = call.caller.author;
  WEIR_ASSIGN(const auto run, call.ground->actions->start_run(request));
  Answer answer = json_answer(catalog::to_json(run), 202);
  answer.headers.emplace_back("Location", "/v1/runs/" + run.run_id);
  return answer;
}

Result<Answer> take_arrivals(const Call& call) { return take_events(call, ""); }

Result<Answer> take_arrivals_of_flow(const Call& call) {
  const std::string& flow_id = call.path.at("flow_id");
  WEIR_TRY(check_there(call, flow_id));
  return take_events(call, flow_id);
}

Result<Answer> pause_flow(const Call& call) { return switch_flow(call, true); }

Result<Answer> resume_flow(const Call& call) { return switch_flow(call, false); }

}  // namespace weir::server
