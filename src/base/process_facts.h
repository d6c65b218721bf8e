#pragma once

/// What /proc says of processes. For base alone.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace weir::internal {

struct ProcessFacts {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  char state = 0;
  int64_t threads = 0;
  int64_t started_ticks = 0;
  int64_t cpu_ms = 0;          ///< With what it waited for.
  int64_t resident_bytes = 0;  ///< With what it shares with others.

  /// It acts no more, though its end may not have been taken.
  bool has_ended() const { return (state == 'Z' && threads <= 1) || state == 'X'; }
};

/// Nothing where /proc says nothing.
std::optional<ProcessFacts> facts_of(pid_t pid);
/// The numbers of all that /proc shows, in their order.
std::vector<pid_t> all_processes();
/// What it has in memory, a page that several have counted as a part of each; nothing where that is
/// not for us to know.
std::optional<int64_t> proportional_bytes(pid_t pid);
/// Whether it was started with the text in its environment; false where that is not for us to know.
bool has_in_environment(pid_t pid, const std::string& text);

}  // namespace weir::internal
