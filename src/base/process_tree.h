#pragma once

/// The processes below one: what it started and what those started, also where they left its group
/// and its session, or their parent is gone. By what /proc says, which needs no right but to be the
/// same user; what became another user's is not measured here, nor ours to end. For base alone.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/process_facts.h"

namespace weir::internal {

struct TreeUse {
  int64_t cpu_ms = 0;        ///< Never less than before.
  int64_t memory_bytes = 0;  ///< Resident; what several have counts once, where /proc tells.
  int64_t processes = 0;     ///< That have not ended.
};

/// For use from one thread.
class ProcessTree {
 public:
  /// `mark` stands in the environment of what is below the root: by it those are known whose parent
  /// was gone before they were seen. What is spared, and what is below it, is none of the tree.
  ProcessTree(pid_t root, std::string mark, std::vector<pid_t> spared = {});
  /// What is below this process, but for these children and what is below them.
  static ProcessTree below_this_process(std::vector<pid_t> spared);

  /// What they have now. It takes a few hundredths of the time at the most, however often it is
  /// called, and so may be late for a process that has just begun.
  const TreeUse& look();
  const TreeUse& use() const { return use_; }
  /// Stops what is there, so that it starts nothing more, looks, and then kills it; it is gone when
  /// this returns, but for what the system cannot end yet. The root's end is left to be taken.
  void kill();

 private:
  using SteadyClock = std::chrono::steady_clock;

  struct Member {
    ProcessFacts facts;
    bool is_stopped = false;
    bool is_killed = false;
  };
  enum class Search { kNewNumbers, kAll };

  explicit ProcessTree(std::vector<pid_t> spared);
  void search(Search how);
  void read_again();
  bool belongs(const ProcessFacts& facts, bool is_root_there) const;
  void weigh();
  int64_t shared_once() const;
  void stop_all();
  bool wait_until(bool (*is_so)(const ProcessFacts& facts));

  pid_t root_;
  bool is_root_in_ = true;  ///< False: the root is this process.
  int64_t root_started_ticks_ = 0;
  std::string mark_;
  std::vector<pid_t> spared_;
  std::vector<pid_t> known_;  ///< What there was at the last search, in order.
  std::vector<Member> members_;
  TreeUse use_;
  int64_t most_bytes_ = 0;
  SteadyClock::time_point search_at_ = SteadyClock::time_point::min();
  SteadyClock::time_point share_at_ = SteadyClock::time_point::min();
};

/// The variable that holds the marks of all trees that a process is in, and one for a new tree.
inline constexpr std::string_view kMarks = "WEIR_PROCESS_TREES";
std::string new_mark();

}  // namespace weir::internal
