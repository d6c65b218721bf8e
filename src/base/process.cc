#include "base/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

// The child's input is a file in memory, so that no write can block or raise SIGPIPE; its outputs
// are pipes. The loop ends when the child is gone and both pipes are at their end. A grandchild may
// hold a pipe open for ever: it gets a moment, then the group is killed. The child is waited for
// last, for until then its number, and so its group's, cannot mean anybody else.

namespace weir {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kTickMs = 50;
constexpr auto kTermGrace = std::chrono::seconds(5);
constexpr auto kPipeGrace = std::chrono::seconds(1);
constexpr size_t kErrorTailBytes = size_t{16} << 10;
constexpr size_t kLongestLine = size_t{64} << 10;

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

/// The parent's variables with the command's added or in their place, as `name=value`.
std::vector<std::string> environment_of(const Command& command) {
  std::vector<std::string> texts;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!command.environment.contains(std::string(text.substr(0, text.find('=')))))
      texts.emplace_back(text);
  }
  for (const auto& [name, value] : command.environment) texts.push_back(name + "=" + value);
  return texts;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// What posix_spawn is to do in the child; frees it in the end.
class SpawnPlan {
 public:
  SpawnPlan() {
    WEIR_CHECK(posix_spawn_file_actions_init(&actions_) == 0);
    WEIR_CHECK(posix_spawnattr_init(&attributes_) == 0);
    sigset_t none;
    sigemptyset(&none);
    sigset_t defaults;
    sigemptyset(&defaults);
    for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGCHLD})
      sigaddset(&defaults, number);
    WEIR_CHECK(posix_spawnattr_setsigmask(&attributes_, &none) == 0);
    WEIR_CHECK(posix_spawnattr_setsigdefault(&attributes_, &defaults) == 0);
    WEIR_CHECK(posix_spawnattr_setpgroup(&attributes_, 0) == 0);
    WEIR_CHECK(posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP |
                                                          POSIX_SPAWN_SETSIGMASK |
                                                          POSIX_SPAWN_SETSIGDEF) == 0);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  Status prepare(const std::string& folder, int input, int output, int error) {
    int failed = 0;
    if (!folder.empty()) failed = posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str());
    if (failed == 0) failed = posix_spawn_file_actions_adddup2(&actions_, input, 0);
    if (failed == 0) failed = posix_spawn_file_actions_adddup2(&actions_, output, 1);
    if (failed == 0) failed = posix_spawn_file_actions_adddup2(&actions_, error, 2);
    // Libraries do not mark every descriptor of theirs close-on-exec.
    if (failed == 0) failed = posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
    if (failed != 0) return system_failure("prepare a child process", failed);
    return {};
  }

  Result<pid_t> spawn(const Command& command) const {
    std::vector<std::string> arguments = command.argv;
    std::vector<std::string> environment = environment_of(command);
    pid_t pid = 0;
    const int failed = posix_spawnp(&pid, arguments[0].c_str(), &actions_, &attributes_,
                                    pointers_to(arguments).data(), pointers_to(environment).data());
    if (failed != 0) return system_failure(fmt::format("start '{}'", command.argv[0]), failed);
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

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

/// A started child. Destroyed while it runs: its group is killed.
class Child {
 public:
  explicit Child(pid_t pid)
      : pid_(pid), watch_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (!is_reaped_) {
      signal_group(SIGKILL);
      wait();
    }
  }

  /// Readable once the child has ended; -1 where the kernel has no such thing.
  int watch() const { return watch_.get(); }

  bool has_ended() const {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid_;
  }
  void signal_group(int number) const { ::kill(-pid_, number); }

  /// Takes the child's end; what is left of its group ends with it.
  void wait_into(Finished& finished) {
    const siginfo_t info = wait();
    if (info.si_code == CLD_EXITED)
      finished.exit_status = info.si_status;
    else
      finished.signal = info.si_status;
  }

 private:
  siginfo_t wait() {
    siginfo_t info{};
    while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) {
    }
    is_reaped_ = true;
    return info;
  }

  pid_t pid_;
  Handle watch_;
  bool is_reaped_ = false;
};

class Conversation {
 public:
  Conversation(const Command& command, const Cancel& cancel, Child& child, Pipe& output,
               Pipe& error)
      : command_(command),
        cancel_(cancel),
        child_(child),
        output_(output.reader),
        error_(error.reader),
        lines_(command.on_error_line) {}

  Result<Finished> run() {
    while (is_going_on()) {
      wait_for_news();
      WEIR_TRY(read_output());
      read_error();
      heed_cancellation();
    }
    child_.signal_group(SIGKILL);  // what is left of the group, before the number is free
    child_.wait_into(finished_);
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
      child_.signal_group(SIGKILL);
    }
  }

  const Command& command_;
  const Cancel& cancel_;
  Child& child_;
  Handle& output_;
  Handle& error_;
  ErrorLines lines_;
  Finished finished_;
  std::optional<Error> stop_reason_;
  SteadyClock::time_point kill_at_;
  std::optional<SteadyClock::time_point> ended_at_;
};

Status check_command(const Command& command) {
  if (command.argv.empty() || command.argv[0].empty())
    return fail(ErrorCode::kInvalidConfig, "a command without a program");
  const auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  if (std::ranges::any_of(command.argv, has_nul))
    return fail(ErrorCode::kInvalidConfig, "an argument of '{}' has a NUL", command.argv[0]);
  // posix_spawn says "no such file" for a missing folder and a missing program alike.
  const auto& folder = command.working_directory;
  if (!folder.empty() && access(folder.c_str(), X_OK) != 0)
    return system_failure(fmt::format("start '{}' in '{}'", command.argv[0], folder), errno);
  return {};
}

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string boot_id() {
  std::string text = read_text("/proc/sys/kernel/random/boot_id");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

struct ProcessFacts {
  char state = 0;
  int64_t threads = 0;
  int64_t started_ticks = 0;
};

/// What /proc says of a process; nothing where it says nothing.
std::optional<ProcessFacts> facts_of(int64_t pid) {
  const std::string text = read_text(fmt::format("/proc/{}/stat", pid));
  // The name stands in brackets and may hold anything, brackets too; field 3 follows the last one.
  const auto bracket = text.rfind(')');
  if (bracket == std::string::npos) return std::nullopt;
  std::vector<std::string> fields;
  for (size_t at = bracket + 2; at < text.size();) {
    const auto space = std::min(text.find(' ', at), text.size());
    fields.push_back(text.substr(at, space - at));
    at = space + 1;
  }
  constexpr size_t kState = 0;
  constexpr size_t kThreads = 20 - 3;
  constexpr size_t kStarted = 22 - 3;
  if (fields.size() <= kStarted || fields[kState].empty()) return std::nullopt;
  const auto number = [](const std::string& digits) {
    int64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
  };
  return ProcessFacts{fields[kState][0], number(fields[kThreads]), number(fields[kStarted])};
}

}  // namespace

Result<Finished> run_process(const Command& command, const Cancel& cancel) {
  WEIR_TRY(check_command(command));
  WEIR_TRY(cancel.check());
  WEIR_ASSIGN(const Handle input, make_input(command.standard_input));
  WEIR_ASSIGN(Pipe output, make_pipe());
  WEIR_ASSIGN(Pipe error, make_pipe());
  SpawnPlan plan;
  WEIR_TRY(plan.prepare(command.working_directory, input.get(), output.writer.get(),
                        error.writer.get()));
  WEIR_ASSIGN(const pid_t pid, plan.spawn(command));
  Child child(pid);
  for (Pipe* pipe : {&output, &error}) {
    pipe->writer.close();
    fcntl(pipe->reader.get(), F_SETFL, O_NONBLOCK);
  }
  return Conversation(command, cancel, child, output, error).run();
}

ProcessId this_process() {
  const auto facts = facts_of(getpid());
  return {getpid(), facts ? facts->started_ticks : 0, boot_id()};
}

bool may_be_alive(const ProcessId& process) {
  if (process.pid <= 0) return false;
  const std::string boot = boot_id();
  if (!boot.empty() && !process.boot_id.empty() && process.boot_id != boot) return false;
  const auto facts = facts_of(process.pid);
  // /proc may hide processes of others; then only the signal's answer counts.
  if (!facts) return ::kill(static_cast<pid_t>(process.pid), 0) == 0 || errno != ESRCH;
  if (facts->started_ticks != process.started_ticks) return false;
  // A zombie with no thread left acts no more, though nobody took its end.
  return !(facts->state == 'Z' && facts->threads <= 1) && facts->state != 'X';
}

void keep_memory_private() {
  const rlimit none{0, 0};
  (void)setrlimit(RLIMIT_CORE, &none);
  (void)prctl(PR_SET_DUMPABLE, 0);
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

std::string this_program() {
  std::array<char, 4096> path{};
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size() - 1);
  return size > 0 ? std::string(path.data(), static_cast<size_t>(size)) : std::string();
}

}  // namespace weir
