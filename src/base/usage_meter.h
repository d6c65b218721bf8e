#pragma once

/// What a process answers for that has one task: it keeps, measures and in the end ends what it
/// started.

#include <memory>
#include <thread>
#include <vector>

#include <sys/types.h>

#include "base/process.h"

namespace weir {

/// From now on what is below this process stays below it when its own parent ends. Not inherited.
void keep_descendants();

/// Ends all processes below this one but these children and what is below them, and takes the ends
/// of its own children. Needs keep_descendants(), and that nobody starts a child meanwhile.
void end_descendants(const std::vector<pid_t>& spared = {});

/// What this process takes with all that is below it.
class UsageMeter {
 public:
  UsageMeter();  ///< keep_descendants().
  ~UsageMeter();
  UsageMeter(const UsageMeter&) = delete;
  UsageMeter& operator=(const UsageMeter&) = delete;

  /// end_descendants(), but for children that were there before this; then what this process took
  /// from its start, and what was below it while this lived. Call it once.
  Usage finish();

 private:
  struct State;
  const std::unique_ptr<State> state_;
  std::jthread thread_;
};

}  // namespace weir
