#pragma once

/// How a task runs: engine, resources, retries, inherited from project, flow and task. Pure.

#include <string>

#include "base/result.h"
#include "model/configuration.h"
#include "model/operation.h"

namespace weir::orchestrate {

struct TaskSettings {
  std::string engine = "embedded";
  model::Limits limits;
  /// Above it the task's process is killed; 0: never. Unless it is given, twice the memory that
  /// `limits` has, and 512 MiB more than it at least.
  int64_t process_memory_bytes = 0;
  int64_t retries = 0;
  int64_t retry_delay_ms = 10'000;
  int64_t timeout_ms = 0;  ///< 0: none
};

/// kInvalidConfig names the key where a value does not read.
Result<TaskSettings> task_settings(const model::Configuration& configuration,
                                   const model::Flow& flow, const model::Task& task);

}  // namespace weir::orchestrate
