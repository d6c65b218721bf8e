#include "orchestrate/machine/transitions.h"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/ranges.h>

#include "orchestrate/states_page.h"

namespace weir::orchestrate {
namespace {

using catalog::RunState;
using catalog::TaskState;

constexpr auto kTask = std::to_array<TaskTransition>({
    {TaskState::kWaiting, TaskEvent::kNeedsMet, TaskState::kReady},
    {TaskState::kWaiting, TaskEvent::kNeedsUnmet, TaskState::kSkipped},
    {TaskState::kWaiting, TaskEvent::kStop, TaskState::kCancelled},
    {TaskState::kReady, TaskEvent::kBegin, TaskState::kRunning},
    {TaskState::kReady, TaskEvent::kStop, TaskState::kCancelled},
    {TaskState::kReady, TaskEvent::kFail, TaskState::kFailed},
    {TaskState::kRunning, TaskEvent::kSucceed, TaskState::kSucceeded},
    {TaskState::kRunning, TaskEvent::kHold, TaskState::kHeld},
    {TaskState::kRunning, TaskEvent::kFail, TaskState::kFailed},
    {TaskState::kRunning, TaskEvent::kTryAgain, TaskState::kReady},
    {TaskState::kRunning, TaskEvent::kStop, TaskState::kCancelled},
    // Outside schedulers start tasks one by one, and again after each end but success.
    {TaskState::kWaiting, TaskEvent::kBegin, TaskState::kRunning},
    {TaskState::kFailed, TaskEvent::kBegin, TaskState::kRunning},
    {TaskState::kHeld, TaskEvent::kBegin, TaskState::kRunning},
    {TaskState::kSkipped, TaskEvent::kBegin, TaskState::kRunning},
    {TaskState::kCancelled, TaskEvent::kBegin, TaskState::kRunning},
    // Its process is gone, and left it so.
    {TaskState::kRunning, TaskEvent::kBegin, TaskState::kRunning},
    {TaskState::kRunning, TaskEvent::kReset, TaskState::kWaiting},
    {TaskState::kReady, TaskEvent::kReset, TaskState::kWaiting},
    {TaskState::kSucceeded, TaskEvent::kReset, TaskState::kWaiting},
    {TaskState::kFailed, TaskEvent::kReset, TaskState::kWaiting},
    {TaskState::kHeld, TaskEvent::kReset, TaskState::kWaiting},
    {TaskState::kSkipped, TaskEvent::kReset, TaskState::kWaiting},
    {TaskState::kCancelled, TaskEvent::kReset, TaskState::kWaiting},
    {TaskState::kFailed, TaskEvent::kMarkSucceeded, TaskState::kSucceeded},
    {TaskState::kHeld, TaskEvent::kMarkSucceeded, TaskState::kSucceeded},
    {TaskState::kSkipped, TaskEvent::kMarkSucceeded, TaskState::kSucceeded},
    {TaskState::kCancelled, TaskEvent::kMarkSucceeded, TaskState::kSucceeded},
    {TaskState::kSucceeded, TaskEvent::kMarkFailed, TaskState::kFailed},
});

constexpr auto kRun = std::to_array<RunTransition>({
    {RunState::kQueued, RunEvent::kAdmit, RunState::kRunning},
    {RunState::kQueued, RunEvent::kSkip, RunState::kSkipped},
    {RunState::kQueued, RunEvent::kRefuse, RunState::kFailed},
    {RunState::kQueued, RunEvent::kStop, RunState::kCancelled},
    {RunState::kRunning, RunEvent::kSucceed, RunState::kSucceeded},
    {RunState::kRunning, RunEvent::kHold, RunState::kHeld},
    {RunState::kRunning, RunEvent::kFail, RunState::kFailed},
    {RunState::kRunning, RunEvent::kRefuse, RunState::kFailed},
    {RunState::kRunning, RunEvent::kStop, RunState::kCancelled},
    {RunState::kRunning, RunEvent::kReopen, RunState::kQueued},
    {RunState::kQueued, RunEvent::kReopen, RunState::kQueued},
    {RunState::kSucceeded, RunEvent::kReopen, RunState::kQueued},
    {RunState::kFailed, RunEvent::kReopen, RunState::kQueued},
    {RunState::kHeld, RunEvent::kReopen, RunState::kQueued},
    {RunState::kCancelled, RunEvent::kReopen, RunState::kQueued},
    {RunState::kSkipped, RunEvent::kReopen, RunState::kQueued},
});

constexpr std::array<std::string_view, 11> kTaskEvents = {
    "needs met", "needs unmet", "begin", "succeed",        "hold",       "fail",
    "try again", "stop",        "reset", "mark succeeded", "mark failed"};
constexpr std::array<std::string_view, 8> kRunEvents = {"admit",   "skip", "refuse", "stop",
                                                        "succeed", "hold", "fail",   "reopen"};

template <typename State, typename Event, typename Table>
Result<State> look_up(const Table& table, State from, Event event) {
  const auto found = std::ranges::find_if(
      table, [&](const auto& each) { return each.from == from && each.event == event; });
  if (found != table.end()) return found->to;
  return fail(ErrorCode::kInternal, "what is {} cannot {}", to_text(from), to_text(event));
}

/// One arrow for each pair of states, with all events that lead along it.
template <typename Table>
std::string diagram(const Table& table) {
  std::vector<std::pair<std::string, std::vector<std::string_view>>> arrows;
  for (const auto& each : table) {
    const std::string arrow = fmt::format("{} --> {}", to_text(each.from), to_text(each.to));
    auto found = std::ranges::find(arrows, arrow, [](const auto& one) { return one.first; });
    if (found == arrows.end()) found = arrows.insert(found, {arrow, {}});
    found->second.push_back(to_text(each.event));
  }
  std::string text = "```mermaid\nstateDiagram-v2\n";
  for (const auto& [arrow, events] : arrows)
    text += fmt::format("  {}: {}\n", arrow, fmt::join(events, ", "));
  return text + "```\n";
}

}  // namespace

std::span<const TaskTransition> task_transitions() { return kTask; }
std::span<const RunTransition> run_transitions() { return kRun; }

std::string_view to_text(TaskEvent event) { return kTaskEvents[static_cast<size_t>(event)]; }
std::string_view to_text(RunEvent event) { return kRunEvents[static_cast<size_t>(event)]; }

Result<TaskState> next_state(TaskState from, TaskEvent event) {
  return look_up(kTask, from, event);
}
Result<RunState> next_state(RunState from, RunEvent event) { return look_up(kRun, from, event); }

std::string states_page() {
  return "# States\n\nOf a run (`flow_run.state`). Each change is compare-and-set on state and "
         "epoch; who drives a run from now on raises the epoch, so who drove it before changes "
         "nothing more.\n\n" +
         diagram(kRun) +
         "\nOf a task of a run (`task_run.state`). Each change is compare-and-set on state, "
         "attempt "
         "and epoch; the epoch is that of the lease under which the attempt runs.\n\n" +
         diagram(kTask);
}

}  // namespace weir::orchestrate
