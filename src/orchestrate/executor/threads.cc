#include "orchestrate/executor/threads.h"

#include <algorithm>

#include "base/check.h"
#include "orchestrate/executor/pool.h"
#include "orchestrate/runner/execute_task.h"
#include "orchestrate/runner/run_rows.h"

namespace weir::orchestrate {
namespace {

TaskExit exit_of(const Result<TaskEnd>& end) {
  TaskExit exit;
  if (!end) {
    exit.how = TaskExit::How::kLost;
    exit.error = end.error();
    return exit;
  }
  if (end->how == TaskEnd::How::kNoSlot) exit.how = TaskExit::How::kNoSlot;
  if (end->how == TaskEnd::How::kTaken) exit.how = TaskExit::How::kTaken;
  return exit;
}

}  // namespace

TaskExit make_attempt_here(const Services& services, const TaskLaunch& launch, Cancel& cancel) {
  const auto flow = find_flow(*launch.pinned, launch.run.flow_id);
  if (!flow) {
    TaskExit refused;
    refused.how = TaskExit::How::kRefused;
    refused.error = flow.error();
    return refused;
  }
  const auto task = std::ranges::find((*flow)->tasks, launch.row.task_id, &model::Task::task_id);
  WEIR_CHECK(task != (*flow)->tasks.end());
  return exit_of(execute_task(services,
                              {.pinned = launch.pinned.get(),
                               .run = &launch.run,
                               .flow = *flow,
                               .task = &*task,
                               .row = launch.row,
                               .attempt = 0,
                               .is_last = false},
                              cancel));
}

std::unique_ptr<Executor> make_thread_executor(const Services& services, int64_t slots) {
  return make_pool_executor(slots, [&services](const TaskLaunch& launch, Cancel& cancel) {
    return make_attempt_here(services, launch, cancel);
  });
}

}  // namespace weir::orchestrate
