#pragma once

/// What becomes of the tasks of one run, decided from their rows alone: no catalog, no clock, no
/// thread. Who drives the run stores what it says and tells it what was stored.

#include <map>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "model/configuration.h"
#include "orchestrate/settings.h"

namespace weir::orchestrate {

/// Whether an error may pass: such an attempt is made again where the task has tries left.
bool may_pass(ErrorCode code);

/// How an attempt of a running row ends: the row's state, error, end and next attempt.
struct AttemptEnd {
  const TaskSettings* settings = nullptr;
  bool is_stopping = false;  ///< The run was asked to stop: nothing is tried again.
  bool is_last = false;      ///< Who started it decides about another try.
  int64_t now_us = 0;
};
Status end_attempt(catalog::TaskRun& row, const Result<catalog::TaskState>& end,
                   const AttemptEnd& how, Random& random);

class RunMachine {
 public:
  /// `flow` must outlive it.
  RunMachine(const model::Flow& flow, std::vector<catalog::TaskRun> rows);

  /// Waiting tasks that became ready or skipped, all at once; with `is_stopping` what has not begun
  /// is cancelled. Empty: nothing follows from the rows as they are.
  Result<std::vector<catalog::TaskMove>> settle(bool is_stopping, int64_t now_us) const;

  /// Ready ones whose time has come, in the flow's order.
  std::vector<const catalog::TaskRun*> due(int64_t now_us) const;
  /// When the next ready one's time comes; INT64_MAX: there is none.
  int64_t next_due_us(int64_t now_us) const;

  bool is_done() const;
  /// A row as it is stored now.
  void put(const catalog::TaskRun& row);

  const std::vector<catalog::TaskRun>& rows() const { return rows_; }
  const catalog::TaskRun* find(const std::string& task_id) const;
  const model::Task* task_of(const std::string& task_id) const;

 private:
  std::vector<catalog::TaskRun> rows_;
  std::map<std::string, size_t, std::less<>> places_;  ///< Of rows, by task.
  std::vector<const model::Task*> tasks_;              ///< As rows_; nullptr: not in the flow.
  std::vector<std::vector<size_t>> needs_;             ///< As rows_: places of what it needs.
};

/// What run_if says, given the rows of what a task needs.
enum class Needs { kOpen, kMet, kUnmet };
struct NeedsNow {
  Needs now = Needs::kOpen;
  std::string because;  ///< Where they are unmet: the task, or what of them.
};
struct Need {
  const std::string* task_id = nullptr;
  catalog::TaskState state = catalog::TaskState::kWaiting;
};
NeedsNow look_at_needs(model::RunIf run_if, const std::vector<Need>& needs);

}  // namespace weir::orchestrate
