#pragma once

/// How often a trigger starts runs (`at_most_every`): at once after a rest, else that long after
/// the run before, with all that came meanwhile. Pure.

#include <cstdint>
#include <vector>

#include "model/file_trigger.h"

namespace weir::arrivals {

struct Pace {
  int64_t every_us = 0;  ///< 0: no run waits for its turn.
  int64_t last_us = 0;   ///< When the newest run was decided; 0: there was none.

  /// From when on the next run may be. A clock that was set back holds nobody up.
  int64_t next_us(int64_t now_us) const;
  /// What counts as the time of a run that is decided now: its turn, where that passed just now, so
  /// that a look that is late by a moment each time shifts nothing.
  int64_t decided_at_us(int64_t now_us) const;
};

/// What runs would be decided, by the instants at which files are whole, in order of time.
struct PacedBatch {
  int64_t at_us = 0;
  size_t files = 0;  ///< So many of those that no batch before took.
};
std::vector<PacedBatch> rehearse_batches(const model::FileTrigger& settings,
                                         const std::vector<int64_t>& whole_at_us);

}  // namespace weir::arrivals
