#include "base/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
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
#include "base/child_process.h"
#include "base/process_facts.h"
#include "base/process_tree.h"

namespace weir {
namespace {

using internal::Handle;
using internal::system_failure;

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

/// A child of this process.
class OwnChild final : public internal::Child {
 public:
  explicit OwnChild(pid_t pid)
      : pid_(pid), watch_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}

  pid_t pid() const override { return pid_; }
  int watch() const override { return watch_.get(); }
  bool has_ended() const override {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid_;
  }
  void signal_group(int number) const override { ::kill(-pid_, number); }

  bool leaves_nothing() const override { return false; }

 private:
  Status take_end(Finished& finished) override {
    int status = 0;
    rusage used{};
    while (wait4(pid_, &status, 0, &used) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status)) finished.exit_status = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) finished.signal = WTERMSIG(status);
    // Its ru_maxrss begins with what this process had when it started the child.
    finished.usage.cpu_ms = internal::cpu_ms_of(used);
    return {};
  }

  pid_t pid_;
  Handle watch_;
};

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string boot_id() {
  std::string text = read_text("/proc/sys/kernel/random/boot_id");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

internal::MarkedCommand::MarkedCommand(const Command& plain) : command(plain), mark(new_mark()) {
  const std::string prefix = std::string(kMarks) + "=";
  std::string marks;
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (const std::string_view text = *entry; text.starts_with(prefix))
      marks = std::string(text.substr(prefix.size())) + " ";
  command.environment.insert_or_assign(std::string(kMarks), marks + mark);
}

Status internal::check_command(const Command& command) {
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

Result<internal::OwnedChild> internal::spawn_child(const Command& command, int input, int output,
                                                   int error) {
  SpawnPlan plan;
  WEIR_TRY(plan.prepare(command.working_directory, input, output, error));
  WEIR_ASSIGN(const pid_t pid, plan.spawn(command));
  return OwnedChild(new OwnChild(pid));
}

Result<Finished> run_process(const Command& command, const Cancel& cancel) {
  WEIR_TRY(internal::check_command(command));
  WEIR_TRY(cancel.check());
  WEIR_ASSIGN(internal::Streams streams, internal::make_streams(command));
  const internal::MarkedCommand marked(command);
  WEIR_ASSIGN(const auto child,
              internal::spawn_child(marked.command, streams.input.get(),
                                    streams.output.writer.get(), streams.error.writer.get()));
  return internal::accompany(marked, cancel, *child, streams);
}

int64_t internal::cpu_ms_of(const rusage& used) {
  return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
         (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
}

Usage usage_of_this_process() {
  rusage own{};
  rusage children{};
  getrusage(RUSAGE_SELF, &own);
  getrusage(RUSAGE_CHILDREN, &children);
  Usage usage{.cpu_ms = internal::cpu_ms_of(own) + internal::cpu_ms_of(children),
              .peak_memory_bytes = children.ru_maxrss * 1024};
  // Not ru_maxrss of its own: that begins with what its parent had.
  constexpr std::string_view kPeak = "VmHWM:";
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(kPeak)) continue;
    usage.peak_memory_bytes =
        std::max<int64_t>(usage.peak_memory_bytes, std::atoll(line.c_str() + kPeak.size()) * 1024);
    break;
  }
  return usage;
}

ProcessId this_process() {
  const auto facts = internal::facts_of(getpid());
  return {getpid(), facts ? facts->started_ticks : 0, boot_id()};
}

bool may_be_alive(const ProcessId& process) {
  if (process.pid <= 0) return false;
  const std::string boot = boot_id();
  if (!boot.empty() && !process.boot_id.empty() && process.boot_id != boot) return false;
  const auto facts = internal::facts_of(static_cast<pid_t>(process.pid));
  // /proc may hide processes of others; then only the signal's answer counts.
  if (!facts) return ::kill(static_cast<pid_t>(process.pid), 0) == 0 || errno != ESRCH;
  if (facts->started_ticks != process.started_ticks) return false;
  return !facts->has_ended();
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
