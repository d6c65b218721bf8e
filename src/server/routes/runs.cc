#include "catalog/run_json.h"
#include "model/outcome.h"
#include "server/routes.h"

namespace weir::server {

Result<Answer> list_runs(const Call& call) {
  catalog::RunFilter filter;
  filter.scope = call.visible();
  filter.flow_id = call.text("flow_id");
  filter.limit = call.number("limit", 50);
  if (const std::string state = call.text("state"); !state.empty()) {
    WEIR_ASSIGN(filter.state, catalog::run_state_from_text(state));
  }
  WEIR_ASSIGN(const Json place, read_cursor(call));
  if (!place.is_null()) {
    if (place.size() != 2 || !place[0].is_number_integer() || !place[1].is_string())
      return fail(ErrorCode::kInvalidData, "the cursor is none of this list");
    filter.before = catalog::RunPlace{place[0].get<int64_t>(), place[1].get<std::string>()};
  }
  WEIR_ASSIGN(const auto runs, call.catalog().overview().run_page(filter));
  Json list = Json::array();
  for (const auto& run : runs) list.push_back(catalog::to_json(run));
  std::string next;
  if (static_cast<int64_t>(runs.size()) == filter.limit)
    next = write_cursor(Json::array({runs.back().created_at_us, runs.back().run_id}));
  return page_answer("runs", std::move(list), std::move(next));
}

Result<Answer> get_run(const Call& call) { return json_answer(catalog::to_json(*call.run)); }

Result<Answer> list_tasks(const Call& call) {
  WEIR_ASSIGN(const auto tasks, call.catalog().task_runs(call.run->run_id));
  Json list = Json::array();
  for (const auto& task : tasks) {
    list.push_back({{"task_id", task.task_id},
                    {"template_id", task.template_id},
                    {"state", to_text(task.state)},
                    {"attempt", task.attempt},
                    {"engine", task.engine},
                    {"counts", model::to_json(task.counts)},
                    {"operations", task.operations},
                    {"details", task.details},
                    {"held_reason", task.held_reason},
                    {"error_code", task.error_code},
                    {"error_text", task.error_text},
                    {"error_hint", task.error_hint},
                    {"started_at", instant_json(task.started_at_us)},
                    {"finished_at", instant_json(task.finished_at_us)},
                    {"not_before", instant_json(task.not_before_us)},
                    {"cpu_ms", task.cpu_ms},
                    {"peak_memory_bytes", task.peak_memory_bytes}});
  }
  return json_answer({{"tasks", std::move(list)}});
}

Result<Answer> list_reconciliations(const Call& call) {
  WEIR_ASSIGN(const auto rows, call.catalog().reconciliations(call.run->run_id));
  Json list = Json::array();
  for (const auto& row : rows)
    list.push_back({{"task_id", row.task_id},
                    {"token", row.token},
                    {"hop", row.hop},
                    {"counts", model::to_json(row.counts)},
                    {"is_closed", row.is_closed},
                    {"sums", row.sums}});
  return json_answer({{"reconciliations", std::move(list)}});
}

Result<Answer> retry_run(const Call& call) {
  if (!call.ground->actions->retry_run) return not_served("retry runs");
  RetryRequest request;
  request.run_id = call.run->run_id;
  request.from_task = call.body.value("from_task", "");
  request.config = call.body.value("config", "same");
  request.author = call.caller.author;
  WEIR_ASSIGN(const auto run, call.ground->actions->retry_run(request));
  return json_answer(catalog::to_json(run), 202);
}

Result<Answer> cancel_run(const Call& call) {
  if (!call.ground->actions->cancel_run) return not_served("cancel runs");
  WEIR_ASSIGN(const auto run,
              call.ground->actions->cancel_run(call.run->run_id, call.caller.author));
  return json_answer(catalog::to_json(run), 202);
}

}  // namespace weir::server
