#include "base/process.h"
#include "orchestrate/executor/pool.h"

namespace weir::orchestrate {
namespace {

/// The row says how it ended, where the process came so far; this is for what the row cannot say.
TaskExit exit_of(const Result<Finished>& finished) {
  TaskExit exit;
  if (!finished) {
    const bool was_asked = finished.error().code == ErrorCode::kCancelled;
    const bool has_begun = was_asked || finished.error().code == ErrorCode::kResourceExhausted ||
                           finished.error().code == ErrorCode::kUnavailable;
    exit.how = has_begun ? TaskExit::How::kLost : TaskExit::How::kRefused;
    exit.error = finished.error();
    return exit;
  }
  if (finished->signal != 0) {
    exit.how = TaskExit::How::kLost;
    exit.error = fail(ErrorCode::kUnavailable, "its process was ended by signal {}{}",
                      finished->signal, finished->signal == 9 ? " (out of memory?)" : "")
                     .error();
  }
  // Where it began the row says how it ended; where it did not, nothing else says why.
  constexpr int kLater = 75;
  if (finished->signal == 0 && finished->exit_status != 0 && finished->exit_status != kLater)
    exit.error = fail(ErrorCode::kInternal, "its process ended with {} before it began: {}",
                      finished->exit_status, finished->standard_error_tail)
                     .error();
  return exit;
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
        return exit_of(options.forks != nullptr ? options.forks->run(command, cancel)
                                                : run_process(command, cancel));
      });
}

}  // namespace weir::orchestrate
