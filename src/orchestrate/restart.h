#pragma once

/// What people do with runs: take one up again on the servers, say how a task ended, pause a flow,
/// make up for a stretch of time.

#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "orchestrate/coordinator.h"
#include "orchestrate/runner.h"
#include "orchestrate/services.h"
#include "schedule/schedule.h"

namespace weir::orchestrate {

/// As retry_run, but servers bring it to its end. kConflict while somebody drives it.
Result<catalog::FlowRun> enqueue_retry(const Services& services, const Pinned& pinned,
                                       const RetryRequest& request);

/// A person says how a task ended: `succeeded` for one that did not, and a retry goes on behind it;
/// `failed` for one that did, and a retry does it again. The run must have ended. It is in the
/// audit log. kInvalidConfig for another state, kConflict where the run goes on.
Result<catalog::TaskRun> mark_task(const Services& services, const std::string& run_id,
                                   const std::string& task_id, catalog::TaskState state,
                                   const std::string& author, const std::string& reason);

/// Runs for the logical times of the flow's schedule in [from, to), oldest first; those that are
/// known by now are left as they are.
struct BackfillRequest {
  std::string flow_id;
  int64_t from_us = 0;
  int64_t to_us = 0;
  Json params = Json::object();
  bool runs_again = false;  ///< Also for times that have run: under keys of its own.
};
/// kInvalidConfig where the flow has no schedule, or no time of it falls into the range; at most
/// 10,000 runs.
Result<std::vector<RunWish>> backfill_wishes(const model::Flow& flow, schedule::Zones& zones,
                                             const BackfillRequest& request,
                                             const std::string& backfill_id);

}  // namespace weir::orchestrate
