#pragma once

/// Child processes by posix_spawn with an argument vector: no shell, no inherited descriptors
/// beyond the three standard ones.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"

namespace weir {

struct Command {
  std::vector<std::string> argv;                   ///< argv[0] is a path, or looked up in PATH.
  std::map<std::string, std::string> environment;  ///< Added to (or in place of) the parent's.
  std::string standard_input;                      ///< Written to the child, then closed.
  std::string working_directory;                   ///< Empty: the parent's.
  int64_t output_limit_bytes = int64_t{64} << 20;  ///< More standard output is kResourceExhausted.
  int64_t memory_limit_bytes = 0;                  ///< Above it the child is killed; 0: none.
  int64_t time_limit_ms = 0;                       ///< After it the child is killed; 0: none.
  /// Called with each whole line of standard error, without its end, as it comes.
  std::function<void(std::string_view)> on_error_line;
};

/// What a process has taken.
struct Usage {
  int64_t cpu_ms = 0;             ///< With what it waited for.
  int64_t peak_memory_bytes = 0;  ///< Resident at most; 0: not known.
};

struct Finished {
  int exit_status = 0;  ///< Meaningful only where signal is 0.
  int signal = 0;       ///< The signal that ended it, or 0.
  Usage usage;
  /// Which limit it was killed for: kResourceExhausted for memory, kUnavailable for time.
  std::optional<Error> exceeded;
  std::string standard_output;
  std::string standard_error_tail;  ///< The last 16 KiB.
};

/// Runs to the end. On cancellation: SIGTERM to the child's process group, SIGKILL after 5 s, then
/// kCancelled. kNotFound where the program is not there; kDenied where it may not be started.
Result<Finished> run_process(const Command& command, const Cancel& cancel);

/// Of this process until now, and of those that it started and waited for.
Usage usage_of_this_process();

/// A process of this host, named so that a number used again is not taken for it.
struct ProcessId {
  int64_t pid = 0;
  int64_t started_ticks = 0;  ///< Field 22 of /proc/PID/stat.
  std::string boot_id;        ///< /proc/sys/kernel/random/boot_id.
};
ProcessId this_process();
/// False only where it is certain that the process is gone (another boot, no such pid, other
/// start).
bool may_be_alive(const ProcessId& process);
std::string host_name();
/// From now on no core dump is written of this process, and no other process of the same user reads
/// its memory.
void keep_memory_private();
/// The path of the running program.
std::string this_program();

}  // namespace weir
