#include "cli/shown_run.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <ostream>

#include "base/nearest.h"
#include "base/printable.h"

namespace weir::cli {

Result<int> finish(Session& session, const orchestrate::RunReport& report) {
  if (session.wants_json()) {
    Json tasks = Json::array();
    for (const auto& row : report.tasks) tasks.push_back(to_json(row));
    session.give({{"event", "report"}, {"run", to_json(report.run)}, {"tasks", std::move(tasks)}});
  } else if (session.flags().is_quiet) {
    *session.wiring().err << printable(fault_text(report));
  } else {
    *session.wiring().out << printable(end_text(report));
  }
  return orchestrate::exit_status(report);
}

Result<int> say_queued(Session& session, const catalog::FlowRun& run) {
  if (session.wants_json()) session.give({{"event", "queued"}, {"run", to_json(run)}});
  session.say(is_final(run.state)
                  ? fmt::format("run {} of flow {} is {} already", run.run_id, run.flow_id,
                                to_text(run.state))
                  : fmt::format("run {} of flow {} is {}: a server (`weir serve`) brings it to its "
                                "end; `weir logs {} -f` follows it",
                                run.run_id, run.flow_id, to_text(run.state), run.run_id));
  return 0;
}

Result<catalog::FlowRun> find_run(catalog::Catalog& catalog, const std::string& word) {
  auto run = catalog.flow_run(word);
  if (run || run.error().code != ErrorCode::kNotFound) return run;
  WEIR_ASSIGN(const auto runs, catalog.flow_runs(word, 1));
  if (runs.empty())
    return fail_with_hint(ErrorCode::kNotFound, fmt::format("there is no run or flow '{}'", word),
                          "`weir runs` lists the runs");
  return runs.front();
}

Result<const model::Flow*> find_flow(const model::Configuration& configuration,
                                     const std::string& flow_id) {
  const auto* flow = configuration.find_flow(flow_id);
  if (flow != nullptr) return flow;
  std::vector<std::string> names;
  for (const auto& each : configuration.flows) names.push_back(each.flow_id);
  const std::string guess = did_you_mean(flow_id, names);
  return fail_with_hint(ErrorCode::kNotFound, fmt::format("there is no flow '{}'", flow_id),
                        guess.empty() ? "`weir status` shows the flows that were applied" : guess);
}

std::string author_of(Session& session) {
  return session.wiring().environment->get("USER").value_or("");
}

bool wait_ms(Cancel& cancel, int64_t ms) {
  std::mutex mutex;
  std::condition_variable ended;
  bool is_over = false;
  const int listener = cancel.add_listener([&] {
    const std::lock_guard lock(mutex);
    is_over = true;
    ended.notify_all();
  });
  bool was_cancelled = false;
  {
    std::unique_lock lock(mutex);
    was_cancelled = ended.wait_for(lock, std::chrono::milliseconds(ms), [&] { return is_over; });
  }
  cancel.remove_listener(listener);
  return !was_cancelled;
}

}  // namespace weir::cli
