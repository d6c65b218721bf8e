#pragma once

/// Drives the tasks of one admitted run to their ends: order, bounded parallelism, retries by code,
/// timeout, cancel. It decides nothing about the run itself.

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/cancel.h"
#include "base/check.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "orchestrate/services.h"
#include "orchestrate/settings.h"

namespace weir::orchestrate {

class TaskDriver {
 public:
  TaskDriver(const Services& services, const Pinned& pinned, const model::Flow& flow,
             catalog::FlowRun run, int64_t epoch)
      : services_(services), pinned_(pinned), flow_(flow), run_(std::move(run)), epoch_(epoch) {}

  /// After it every row is final, in the catalog and in rows(), and no thread runs any more. A
  /// failed task is no error; one of the catalog is, after the tasks that ran were cancelled.
  Status drive(int64_t max_parallel, Cancel& cancel);

  /// Call it after drive().
  const std::vector<catalog::TaskRun>& rows() const { return rows_; }

 private:
  /// Settles what can be settled and starts what may run.
  Status step(int64_t max_parallel, std::vector<std::jthread>& workers, Cancel& cancel);
  /// Waiting tasks become ready once all they need succeeded, skipped once one of those cannot.
  Status settle_waiting(bool is_stopping);
  Status settle(catalog::TaskRun& row, bool is_stopping);
  Status start(catalog::TaskRun& row, std::vector<std::jthread>& workers, Cancel& cancel);
  /// On the task's own thread.
  void work(catalog::TaskRun row, Cancel& cancel);
  void finish(catalog::TaskRun row, Result<catalog::TaskState> end, const TaskSettings& settings,
              const Cancel& cancel);

  Status move(catalog::TaskRun& row, catalog::TaskState to);
  catalog::TaskRun* find(const std::string& task_id);
  const model::Task& task_of(const catalog::TaskRun& row) const;
  /// Of this drive, the present one included.
  int64_t tries(const catalog::TaskRun& row) const;

  const Services& services_;
  const Pinned& pinned_;
  const model::Flow& flow_;
  catalog::FlowRun run_;
  int64_t epoch_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<catalog::TaskRun> rows_ WEIR_GUARDED_BY(mutex_);
  /// By task: an attempt counts over the whole life of a run, `retries` within one drive.
  std::map<std::string, int64_t> attempts_before_;
  int64_t running_ WEIR_GUARDED_BY(mutex_) = 0;
  std::optional<Error> fault_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace weir::orchestrate
