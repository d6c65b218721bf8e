#pragma once

/// One attempt of one task, from its beginning in the catalog to its end there. Every way to run a
/// task comes through here.

#include <optional>
#include <string>

#include "base/cancel.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "orchestrate/services.h"

namespace weir::orchestrate {

struct TaskToRun {
  const Pinned* pinned = nullptr;
  const catalog::FlowRun* run = nullptr;  ///< It begins only while the run is so.
  const model::Flow* flow = nullptr;
  const model::Task* task = nullptr;
  catalog::TaskRun row;  ///< It begins only while the row is so.
  int64_t attempt = 0;   ///< At least so much; 0: the next.
  bool is_last = false;  ///< Who started it decides about another try.
};

struct TaskEnd {
  enum class How { kEnded, kNoSlot, kTaken } how = How::kEnded;
  catalog::TaskRun row;        ///< As it is stored, where it ended.
  std::optional<Error> error;  ///< Of the attempt.
};

/// kConflict where run or row were moved: nothing has begun then, or its end is not stored, since
/// another attempt took its place. Any other error is the catalog's.
Result<TaskEnd> execute_task(const Services& services, const TaskToRun& what, Cancel& cancel);

}  // namespace weir::orchestrate
