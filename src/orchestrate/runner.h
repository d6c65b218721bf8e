#pragma once

/// Runs flows: a state machine over the catalog. Every change of state is compare-and-set, so two
/// processes may work on one catalog; a run whose process is gone is found by its lease.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "orchestrate/services.h"

namespace weir::orchestrate {

struct RunRequest {
  std::string flow_id;
  std::string run_key;  ///< Empty: `manual:<uuid>`.
  Json params = Json::object();
  std::string trigger = "manual";
  std::string rerun_of;
  int64_t logical_time_us = 0;    ///< 0: now.
  int64_t interval_start_us = 0;  ///< Of its data; both 0: as the flow's schedule says.
  int64_t interval_end_us = 0;
  std::string backfill_id = {};
  int64_t max_parallel_tasks = 4;
};

struct RunReport {
  catalog::FlowRun run;
  std::vector<catalog::TaskRun> tasks;
};

/// The exit status of a run: the most severe of its tasks (design: one table of errors).
int exit_status(const RunReport& report);

/// Starts a run of a flow and brings it to its end. An overlap word may end it at once: `skip`
/// gives a run in state skipped, `fail` kConflict. A run_key that is known gives the run that has
/// it, run on where it did not end. kInvalidConfig for an unknown or disabled flow, and for
/// parameters that it does not take.
Result<RunReport> run_flow(const Services& services, const Pinned& pinned,
                           const RunRequest& request, Cancel& cancel);

struct RetryRequest {
  std::string run_id;
  std::string from_task;  ///< It, and all that needs it, also where they succeeded; empty: none.
  /// `pinned` may be another configuration than the run's: inputs are resolved anew then.
  bool may_change_configuration = false;
  int64_t max_parallel_tasks = 4;
};

/// Brings what did not succeed of a run to its end, with the inputs that were pinned. kConflict
/// while a living process drives it, and where `pinned` is not its configuration; kInvalidConfig
/// where it succeeded already.
Result<RunReport> retry_run(const Services& services, const Pinned& pinned,
                            const RetryRequest& request, Cancel& cancel);

/// Asks a run to stop: who works on it sees it within a second. Where nobody does, the run and what
/// is left of its tasks are cancelled at once. The run as it stands then; kConflict where it has
/// ended already.
Result<catalog::FlowRun> cancel_run(const Services& services, const std::string& run_id);

/// The trigger of a run whose tasks an outside scheduler starts one by one.
inline constexpr std::string_view kTaskTrigger = "task";

/// One task of a run by itself, for an outside scheduler: the run is made by whoever comes first
/// with the key, and goes on where it had ended without success. kConflict (the caller retries)
/// where tasks it needs have not succeeded or another process works on it; kCancelled once the run
/// was asked to stop, until `retry_run`.
struct TaskRequest {
  std::string flow_id;
  std::string task_id;
  std::string run_key;
  int64_t attempt = 1;
  Json params = Json::object();
  /// A driver of the run asks, under this epoch: it minds needs, tries and the end of the run.
  std::optional<int64_t> driver_epoch = {};
};
/// `pin` gives the configuration for a new run, or that of a hash.
Result<catalog::TaskRun> run_task(const Services& services,
                                  const std::function<Result<Pinned>(const std::string& hash)>& pin,
                                  const TaskRequest& request, Cancel& cancel);

}  // namespace weir::orchestrate
