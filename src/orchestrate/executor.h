#pragma once

/// Who makes attempts of tasks for a driver of runs: threads of this process, or a process each.
/// Both go the way of run_task: the attempt takes the task's lease, and what became of it stands in
/// the task's row.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fork_server.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "orchestrate/services.h"

namespace weir::orchestrate {

/// An attempt that a driver wants to be made.
struct TaskLaunch {
  catalog::FlowRun run;  ///< As its driver sees it: begins only while the run is so.
  catalog::TaskRun row;  ///< Ready; begins only while the row is so.
  std::shared_ptr<const Pinned> pinned;
};

/// What became of a launch.
struct TaskExit {
  std::string run_id;
  std::string task_id;
  enum class How {
    kDone,    ///< The row says how it ended; where it did not begin, `error` why, if that is known.
    kNoSlot,  ///< It did not begin: its pool is full.
    kTaken,   ///< It did not begin: another process works on the task.
    kRefused,  ///< It did not begin: `error` says why.
    kLost,     ///< Its process is gone; the row may still say running. `error` says what of it.
  } how = How::kDone;
  std::optional<Error> error;
  bool is_over_limit = false;  ///< It was killed for a limit of its own: another would be, too.
  Usage usage;                 ///< Of a process that was lost: its row has none.
};

/// For use from one thread, but wake().
class Executor {
 public:
  virtual ~Executor() = default;
  /// How many more launches it takes now.
  virtual int64_t room() const = 0;
  /// Call it while there is room.
  virtual void start(TaskLaunch launch) = 0;
  /// Asks the tasks of a run to stop, those that begin later too, until they have ended.
  virtual void cancel(const std::string& run_id, const std::string& reason) = 0;
  /// What has ended since the last call.
  virtual std::vector<TaskExit> finished() = 0;
  /// How many launches have not been told as finished.
  virtual int64_t count() const = 0;
  /// Until something has finished, wake() was called, or the time is over.
  virtual void wait_ms(int64_t duration_ms) = 0;
  /// From any thread.
  virtual void wake() = 0;
};

/// At most `slots` tasks at once, each on a thread. Destroying it waits for them.
std::unique_ptr<Executor> make_thread_executor(const Services& services, int64_t slots);

/// A process each, by `command(launch)`, whose standard error goes to `on_line`.
struct ProcessOptions {
  int64_t slots = 4;
  std::function<std::vector<std::string>(const TaskLaunch&)> command;
  std::map<std::string, std::string> environment;  ///< Beside this process's own.
  std::function<void(const TaskLaunch&, std::string_view line)> on_line;
  /// By which they are started; it outlives the executor. Nothing: each is started by itself.
  ForkServer* forks = nullptr;
};
std::unique_ptr<Executor> make_process_executor(ProcessOptions options);

}  // namespace weir::orchestrate
