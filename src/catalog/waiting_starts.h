#pragma once

/// Runs that are due and cannot begin: no version can be pinned for them, so there is no run that
/// could fail. One row a flow and kind of trigger, for people; it goes when such a run begins. It
/// decides nothing about what is due.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"

namespace weir::catalog {

struct WaitingStart {
  std::string flow_id;
  std::string trigger;          ///< `scheduled`, `file`
  std::string run_key;          ///< Of the run that was tried last.
  int64_t logical_time_us = 0;  ///< Of that run; 0: of none.
  int64_t since_us = 0;         ///< When it failed first.
  int64_t tried_at_us = 0;
  int64_t next_try_us = 0;
  int64_t tries = 0;
  std::string error_code;
  std::string error_text;  ///< to_line of the error
  std::string error_hint;
};

/// Safe to use from many threads at once. Codes as those of Catalog.
class WaitingStarts {
 public:
  virtual ~WaitingStarts() = default;

  /// By flow, then trigger.
  virtual Result<std::vector<WaitingStart>> list_waiting_starts() = 0;
  /// One more try failed. `since_us` and `tries` are counted here, `tried_at_us` is now. True where
  /// it is the first, or for another reason than the one before (numbers in the text do not make a
  /// reason): then `notices` are written in the same transaction.
  virtual Result<bool> note_waiting_start(const WaitingStart& start, const Notices& notices) = 0;
  /// The flow is not to be started that way any more. One that is not there is none.
  virtual Status forget_waiting_start(const std::string& flow_id, const std::string& trigger) = 0;
};

}  // namespace weir::catalog
