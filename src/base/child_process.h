#pragma once

/// What run_process and ForkServer share: a child that has been started, and how it is accompanied
/// to its end. For base alone.

#include <memory>
#include <string_view>
#include <utility>

#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/process.h"
#include "base/result.h"

namespace weir::internal {

/// Owns a descriptor.
class Handle {
 public:
  Handle() = default;
  explicit Handle(int number) : number_(number) {}
  Handle(Handle&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Handle() { close(); }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }
  int get() const { return number_; }
  bool is_open() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

struct Pipe {
  Handle reader;
  Handle writer;
};

/// The child's input is a file in memory, so that no write can block or raise SIGPIPE; its outputs
/// are pipes.
struct Streams {
  Handle input;
  Pipe output;
  Pipe error;
};
Result<Streams> make_streams(const Command& command);

/// kInvalidConfig for words that are no command, kNotFound or kDenied for its folder.
Status check_command(const Command& command);

int64_t cpu_ms_of(const rusage& used);

/// With the code that tells the caller what to do about the number.
std::unexpected<Error> system_failure(std::string_view action, int error_number);

/// A started child, leader of a group of its own.
class Child {
 public:
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  virtual ~Child() = default;

  virtual pid_t pid() const = 0;
  /// Readable once the child has ended; -1 where the kernel has no such thing.
  virtual int watch() const = 0;
  virtual bool has_ended() const = 0;
  /// Until wait_into(), its number, and so its group's, cannot mean anybody else.
  virtual void signal_group(int number) const = 0;
  /// Whether who takes its end sees to it that nothing below it is left.
  virtual bool leaves_nothing() const = 0;
  /// Takes the child's end. kUnavailable where nobody knows it.
  Status wait_into(Finished& finished) {
    is_taken_ = true;
    return take_end(finished);
  }
  bool is_taken() const { return is_taken_; }

 private:
  virtual Status take_end(Finished& finished) = 0;

  bool is_taken_ = false;
};

/// A child whose end nobody took is killed with its group.
struct EndChild {
  void operator()(Child* child) const;
};
using OwnedChild = std::unique_ptr<Child, EndChild>;

/// With a mark of its own in its environment, which all that it starts has, too.
struct MarkedCommand {
  explicit MarkedCommand(const Command& plain);
  Command command;
  std::string mark;
};

/// Starts the program of the command with these as its standard descriptors, and no others; which
/// of a program, a folder or a right is missing its error says.
Result<OwnedChild> spawn_child(const Command& command, int input, int output, int error);

/// To the end of the child and of all that is below it, as run_process says. Its ends of the
/// streams are closed here.
Result<Finished> accompany(const MarkedCommand& marked, const Cancel& cancel, Child& child,
                           Streams& streams);

}  // namespace weir::internal
