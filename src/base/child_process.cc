#include "base/child_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include "base/process_tree.h"

// The loop ends when the child is gone and both pipes are at their end. A grandchild may hold a
// pipe open for ever: it gets a moment, then the group is killed. The child is waited for last, for
// until then its number, and so its group's, cannot mean anybody else.

namespace weir::internal {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kTickMs = 50;
constexpr auto kTermGrace = std::chrono::seconds(5);
constexpr auto kPipeGrace = std::chrono::seconds(1);
constexpr size_t kErrorTailBytes = size_t{16} << 10;
constexpr size_t kLongestLine = size_t{64} << 10;

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return system_failure("make a pipe", errno);
  return Pipe{Handle(ends[0]), Handle(ends[1])};
}

Result<Handle> make_input(std::string_view bytes) {
  Handle input(memfd_create("weir-input", MFD_CLOEXEC));
  if (!input.is_open()) return system_failure("make a file in memory", errno);
  while (!bytes.empty()) {
    const ssize_t count = ::write(input.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_failure("write the child's input", errno);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  if (lseek(input.get(), 0, SEEK_SET) != 0) return system_failure("rewind the input", errno);
  return input;
}

/// Cuts standard error into lines and keeps its end.
class ErrorLines {
 public:
  explicit ErrorLines(const std::function<void(std::string_view)>& on_line) : on_line_(on_line) {}

  void take(std::string_view bytes) {
    tail_ += bytes;
    if (tail_.size() > 2 * kErrorTailBytes) cut_tail();
    if (!on_line_) return;
    line_ += bytes;
    size_t from = 0;
    for (auto end = line_.find('\n'); end != std::string::npos; end = line_.find('\n', from)) {
      on_line_(std::string_view(line_).substr(from, end - from));
      from = end + 1;
    }
    line_.erase(0, from);
    if (line_.size() >= kLongestLine) finish_line();
  }
  std::string finish() {
    if (on_line_ && !line_.empty()) finish_line();
    cut_tail();
    return std::move(tail_);
  }

 private:
  void finish_line() {
    on_line_(line_);
    line_.clear();
  }
  void cut_tail() {
    if (tail_.size() > kErrorTailBytes) tail_.erase(0, tail_.size() - kErrorTailBytes);
  }

  const std::function<void(std::string_view)>& on_line_;
  std::string line_;
  std::string tail_;
};

class Conversation {
 public:
  Conversation(const MarkedCommand& marked, const Cancel& cancel, Child& child, Streams& streams)
      : command_(marked.command),
        cancel_(cancel),
        child_(child),
        tree_(child.pid(), marked.mark),
        output_(streams.output.reader),
        error_(streams.error.reader),
        lines_(command_.on_error_line) {}

  Result<Finished> run() {
    while (is_going_on()) {
      wait_for_news();
      if (const Status read = read_output(); !read) {
        tree_.kill();
        return std::unexpected(read.error());
      }
      read_error();
      heed_cancellation();
      heed_limits();
    }
    WEIR_TRY(take_end());
    finished_.usage.cpu_ms = std::max(finished_.usage.cpu_ms, tree_.use().cpu_ms);
    finished_.usage.peak_memory_bytes = std::max(finished_.usage.peak_memory_bytes, peak_bytes_);
    finished_.standard_error_tail = lines_.finish();
    if (stop_reason_) return std::unexpected(*stop_reason_);
    return std::move(finished_);
  }

 private:
  bool is_going_on() {
    if (!child_.has_ended()) return true;
    if (!ended_at_) ended_at_ = SteadyClock::now();
    return (output_.is_open() || error_.is_open()) && SteadyClock::now() < *ended_at_ + kPipeGrace;
  }

  /// What is left below it ends with it, before its number is free.
  Status take_end() {
    if (!child_.leaves_nothing()) tree_.kill();
    child_.signal_group(SIGKILL);
    Status taken = child_.wait_into(finished_);
    if (!taken && child_.leaves_nothing()) tree_.kill();
    return taken;
  }

  void wait_for_news() const {
    // Once the child has ended its watch is always readable, and says nothing new.
    std::array<pollfd, 3> watched = {pollfd{output_.get(), POLLIN, 0},
                                     pollfd{error_.get(), POLLIN, 0},
                                     pollfd{ended_at_ ? -1 : child_.watch(), POLLIN, 0}};
    poll(watched.data(), watched.size(), kTickMs);  // an interruption is news as well
  }

  Status read_output() {
    const auto limit = static_cast<size_t>(std::max<int64_t>(0, command_.output_limit_bytes));
    read_all(output_, [&](std::string_view bytes) {
      const size_t room = limit + 1 - std::min(limit + 1, finished_.standard_output.size());
      finished_.standard_output += bytes.substr(0, room);
    });
    if (finished_.standard_output.size() <= limit) return {};
    return fail(ErrorCode::kResourceExhausted, "'{}' wrote more than {} bytes to standard output",
                command_.argv[0], limit);
  }

  void read_error() {
    read_all(error_, [&](std::string_view bytes) { lines_.take(bytes); });
  }

  /// Takes what is there now; closes at the end.
  template <typename Take>
  static void read_all(Handle& handle, const Take& take) {
    constexpr size_t kPieces = 16;  // then the other pipe has its turn
    std::array<char, size_t{64} << 10> piece;
    for (size_t i = 0; i < kPieces && handle.is_open(); ++i) {
      const ssize_t count = ::read(handle.get(), piece.data(), piece.size());
      if (count > 0) {
        take(std::string_view(piece.data(), static_cast<size_t>(count)));
        continue;
      }
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return;
      handle.close();
    }
  }

  void heed_cancellation() {
    if (!stop_reason_) {
      if (const Status asked = cancel_.check(); !asked) {
        stop_reason_ = asked.error();
        stop_reason_->trail.push_back(fmt::format("running '{}'", command_.argv[0]));
        kill_at_ = SteadyClock::now() + kTermGrace;
        child_.signal_group(SIGTERM);
      }
    } else if (SteadyClock::now() >= kill_at_) {
      kill_at_ = SteadyClock::now() + kTermGrace;  // what the system cannot end yet
      tree_.kill();
    }
  }

  void heed_limits() {
    const auto now = SteadyClock::now();
    if (now < look_at_ || finished_.exceeded || ended_at_) return;
    look_at_ = now + std::chrono::milliseconds(kTickMs);
    const TreeUse use = tree_.look();
    peak_bytes_ = std::max(peak_bytes_, use.memory_bytes);
    if (command_.memory_limit_bytes > 0 && use.memory_bytes > command_.memory_limit_bytes)
      finished_.exceeded =
          fail(ErrorCode::kResourceExhausted, "{} used {} MB of memory, its limit is {} MB",
               who(use.processes), (use.memory_bytes + 999'999) / 1'000'000,
               command_.memory_limit_bytes / 1'000'000)
              .error();
    const std::chrono::milliseconds limit(command_.time_limit_ms);
    if (limit.count() > 0 && now > started_at_ + limit)
      finished_.exceeded =
          fail(ErrorCode::kUnavailable, "it ran for more than {} ms", limit.count()).error();
    if (finished_.exceeded) tree_.kill();
  }

  static std::string who(int64_t processes) {
    if (processes < 2) return "it";
    return fmt::format("it and {} below it", processes == 2
                                                 ? "the process"
                                                 : fmt::format("the {} processes", processes - 1));
  }

  const Command& command_;
  const Cancel& cancel_;
  Child& child_;
  ProcessTree tree_;
  Handle& output_;
  Handle& error_;
  ErrorLines lines_;
  Finished finished_;
  std::optional<Error> stop_reason_;
  SteadyClock::time_point kill_at_;
  std::optional<SteadyClock::time_point> ended_at_;
  const SteadyClock::time_point started_at_ = SteadyClock::now();
  SteadyClock::time_point look_at_ = started_at_ + std::chrono::milliseconds(kTickMs);
  int64_t peak_bytes_ = 0;  ///< As far as it was looked at.
};

}  // namespace

std::unexpected<Error> system_failure(std::string_view action, int error_number) {
  ErrorCode code = ErrorCode::kInternal;
  switch (error_number) {
    case ENOENT:
    case ENOTDIR: code = ErrorCode::kNotFound; break;
    case EACCES:
    case EPERM: code = ErrorCode::kDenied; break;
    case EAGAIN:
    case ENOMEM:
    case EMFILE:
    case ENFILE: code = ErrorCode::kResourceExhausted; break;
    case ENOEXEC:
    case E2BIG:
    case ENAMETOOLONG:
    case ELOOP: code = ErrorCode::kInvalidConfig; break;
    default: break;
  }
  return fail(code, "cannot {}: {}", action, std::generic_category().message(error_number));
}

Result<Streams> make_streams(const Command& command) {
  Streams streams;
  WEIR_ASSIGN(streams.input, make_input(command.standard_input));
  WEIR_ASSIGN(streams.output, make_pipe());
  WEIR_ASSIGN(streams.error, make_pipe());
  return streams;
}

void EndChild::operator()(Child* child) const {
  if (!child->is_taken()) {
    child->signal_group(SIGKILL);
    Finished ignored;
    static_cast<void>(child->wait_into(ignored));
  }
  delete child;
}

Result<Finished> accompany(const MarkedCommand& marked, const Cancel& cancel, Child& child,
                           Streams& streams) {
  streams.input.close();
  for (Pipe* pipe : {&streams.output, &streams.error}) {
    pipe->writer.close();
    fcntl(pipe->reader.get(), F_SETFL, O_NONBLOCK);
  }
  return Conversation(marked, cancel, child, streams).run();
}

}  // namespace weir::internal
