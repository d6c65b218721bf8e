#include <algorithm>
#include <csignal>

#include "base/process.h"
#include "orchestrate/executor/pool.h"
#include "orchestrate/runner/run_rows.h"
#include "orchestrate/settings.h"

namespace weir::orchestrate {
namespace {

constexpr int64_t kGraceMs = 10'000;  ///< A task that minds its timeout has ended by then.

/// Why its process was killed, by us or by somebody else.
Error why_killed(const Finished& finished) {
  if (finished.exceeded) {
    Error error = *finished.exceeded;
    error.message = fmt::format("its process was killed: {}", error.message);
    error.hint = error.code == ErrorCode::kResourceExhausted
                     ? "give the task more with `resources: {process_memory_limit: …}`"
                     : "its timeout had passed, and it did not stop";
    return error;
  }
  if (finished.signal != SIGKILL)
    return fail(ErrorCode::kUnavailable, "its process was ended by signal {}", finished.signal)
        .error();
  return fail_with_hint(
             ErrorCode::kUnavailable,
             fmt::format("its process was killed (signal 9) at {} MB of memory",
                         finished.usage.peak_memory_bytes / 1'000'000),
             "the system does so where memory is short: `resources: {memory_limit: …}` bounds a "
             "task, and fewer `--slots` run fewer at once")
      .error();
}

/// The row says how it ended, where the process came so far; this is for what the row cannot say.
TaskExit exit_of(const Result<Finished>& finished) {
  TaskExit exit;
  if (!finished) {
    const ErrorCode code = finished.error().code;
    const bool has_begun = code == ErrorCode::kCancelled || code == ErrorCode::kUnavailable ||
                           code == ErrorCode::kResourceExhausted;
    exit.how = has_begun ? TaskExit::How::kLost : TaskExit::How::kRefused;
    exit.error = finished.error();
    return exit;
  }
  exit.usage = finished->usage;
  if (finished->signal != 0) {
    exit.how = TaskExit::How::kLost;
    exit.error = why_killed(*finished);
    exit.is_over_limit = finished->exceeded.has_value();
  }
  // Where it began the row says how it ended; where it did not, nothing else says why.
  constexpr int kLater = 75;
  if (finished->signal == 0 && finished->exit_status != 0 && finished->exit_status != kLater)
    exit.error = fail(ErrorCode::kInternal, "its process ended with {} before it began: {}",
                      finished->exit_status, finished->standard_error_tail)
                     .error();
  return exit;
}

/// What is wrong with the settings the task's own process says.
void limit(const TaskLaunch& launch, Command& command) {
  const auto flow = find_flow(*launch.pinned, launch.run.flow_id);
  if (!flow) return;
  const auto task = std::ranges::find((*flow)->tasks, launch.row.task_id, &model::Task::task_id);
  if (task == (*flow)->tasks.end()) return;
  const auto settings = task_settings(launch.pinned->configuration, **flow, *task);
  if (!settings) return;
  command.memory_limit_bytes = settings->process_memory_bytes;
  if (settings->timeout_ms > 0) command.time_limit_ms = settings->timeout_ms + kGraceMs;
}

}  // namespace

std::unique_ptr<Executor> make_process_executor(ProcessOptions options) {
  const int64_t slots = options.slots;
  return make_pool_executor(
      slots, [options = std::move(options)](const TaskLaunch& launch, Cancel& cancel) {
        Command command;
        command.argv = options.command(launch);
        command.environment = options.environment;
        command.on_error_line = [&](std::string_view line) {
          if (options.on_line) options.on_line(launch, line);
        };
        limit(launch, command);
        return exit_of(options.forks != nullptr ? options.forks->run(command, cancel)
                                                : run_process(command, cancel));
      });
}

}  // namespace weir::orchestrate
