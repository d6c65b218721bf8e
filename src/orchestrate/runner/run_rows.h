#pragma once

/// The rows of a run and what they say: as they start, with an error noted, and the verdict over
/// all of them. Nothing here starts or waits for anything.

#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "orchestrate/runner.h"
#include "orchestrate/services.h"

namespace weir::orchestrate {

/// The flow of the pinned configuration; kInvalidConfig with did-you-mean.
Result<const model::Flow*> find_flow(const Pinned& pinned, const std::string& flow_id);

/// A run of the flow that is queued now, under a new id.
catalog::FlowRun new_run(const Services& services, const Pinned& pinned, const std::string& flow_id,
                         const std::string& run_key, const std::string& trigger);
/// One waiting row for each task of the flow.
std::vector<catalog::TaskRun> new_rows(const model::Flow& flow, const std::string& run_id);

/// Says what was noticed before the run's tasks start, to who watches and in its log.
Status tell_warnings(const Services& services, const Pinned& pinned, const std::string& run_id);

/// Told on every failure of a task before its row says so.
void note_error(catalog::TaskRun& row, const Error& error);
/// What an earlier attempt left in the row is gone.
void clear_error(catalog::TaskRun& row);

/// What the flow's state is, given its tasks', and the first error for its row.
struct Verdict {
  catalog::RunState state = catalog::RunState::kSucceeded;
  std::string error_code;
  std::string error_text;
};
Verdict judge(const std::vector<catalog::TaskRun>& rows);

/// The run ends as its tasks say, and rules are told of it, in one transaction. kConflict where it
/// is not running.
Status end_run(const Services& services, const model::Configuration& configuration,
               const std::string& run_id, const std::vector<catalog::TaskRun>& rows);

/// The run and its tasks as they are stored.
Result<RunReport> report(const Services& services, const std::string& run_id);

/// What goes back to waiting where a person retries a run: what did not succeed, and `from_task`
/// with all that needs it. Tries count from there. Rows that say running belong to a process that
/// is gone. kInvalidConfig where the flow has no such task.
struct Reset {
  std::string from_task;                ///< Empty: none.
  bool is_other_configuration = false;  ///< What it read before is looked up anew.
};
Result<std::vector<catalog::TaskMove>> reset_moves(const model::Flow& flow,
                                                   const std::vector<catalog::TaskRun>& rows,
                                                   const Reset& reset);

}  // namespace weir::orchestrate
