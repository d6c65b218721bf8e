#pragma once

/// A process of this program that was loaded once and then forks itself for each command: a command
/// costs a fork, not the start of the program. It is started anew and has one task, to fork: no
/// catalog, no connection and no secret is opened in it, so that a child has none but its own.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/process.h"
#include "base/result.h"

namespace weir {

/// Safe to use from many threads at once.
class ForkServer {
 public:
  /// `argv` is a program that calls serve_forks(); a further word is given to it, which it is to
  /// overlook. It is started with the first command.
  explicit ForkServer(std::vector<std::string> argv);
  /// Ends it; call it when no run() is under way. What it forked is not its to end.
  ~ForkServer();
  ForkServer(const ForkServer&) = delete;
  ForkServer& operator=(const ForkServer&) = delete;

  /// As run_process(), the argv of which says what to do where no fork is to be had: the child is
  /// handed the words behind argv[0]. A fork server that is gone is started again; commands that it
  /// forked before run on, and kUnavailable says of them that nobody knows how they ended.
  Result<Finished> run(const Command& command, const Cancel& cancel);

 private:
  struct Live;
  /// The one that runs, or a new one; nothing while none is to be had.
  std::shared_ptr<Live> live();
  void forget(const std::shared_ptr<Live>& broken);

  struct State;
  Command program_;
  const std::unique_ptr<State> state_;
};

/// What the process of a fork server does, from its first line on, while it has no other thread:
/// its standard input is the line to the one that started it, and it ends with that. In each child
/// it calls `run` with the words of the command; what comes back is the child's exit status, and
/// what the child has not flushed by then is lost. Static objects of a child are not destroyed.
int serve_forks(const std::function<int(const std::vector<std::string>& words)>& run);

}  // namespace weir
