#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <list>
#include <sstream>

#include <fcntl.h>
#include <poll.h>

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/fork_line.h"
#include "base/fork_server.h"
#include "base/usage_meter.h"

namespace weir {
namespace {

using internal::Handle;

/// Lists of processes show the words of the child, as far as those of the fork server have room.
void show_words(const std::vector<std::string>& words) {
  // Fields 48 and 49 say where they lie; field 2 stands in brackets and may hold anything.
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(std::min(text.rfind(')') + 1, text.size())));
  constexpr int kSkipped = 48 - 3;
  std::string skipped;
  for (int i = 0; i < kSkipped; ++i) fields >> skipped;
  uintptr_t begin = 0;
  uintptr_t end = 0;
  if (!(fields >> begin >> end) || end <= begin) return;
  char* const place = reinterpret_cast<char*>(begin);  // NOLINT(performance-no-int-to-ptr)
  const size_t program = std::strlen(place) + 1;
  std::string shown;
  for (const auto& word : words) shown += word + '\0';
  const size_t room = end - begin;
  if (program >= room) return;
  shown.resize(room - program, '\0');
  shown.back() = '\0';
  std::ranges::copy(shown, place + program);
}

class Forks {
 public:
  /// Nothing: the other end is gone. Else this is a child, and these are its words.
  std::optional<std::vector<std::string>> serve() {
    while (true) {
      std::vector<pollfd> watched = {{STDIN_FILENO, POLLIN, 0}};
      for (const Fork& fork : forks_) watched.push_back({fork.line.get(), POLLIN, 0});
      if (poll(watched.data(), watched.size(), -1) < 0) continue;
      auto next = watched.begin() + 1;
      for (auto fork = forks_.begin(); fork != forks_.end(); ++next)
        fork = next->revents == 0 || heed(*fork) ? std::next(fork) : forks_.erase(fork);
      reap_abandoned();
      if (watched[0].revents == 0) continue;
      internal::ForkRequest request;
      std::array<Handle, 4> handles;
      if (!receive_request(STDIN_FILENO, request, handles)) return std::nullopt;
      if (fork_one(request, handles) == Side::kChild) return std::move(request.words);
    }
  }

 private:
  struct Fork {
    pid_t pid = 0;
    Handle line;
  };
  enum class Side { kParent, kChild };

  Side fork_one(const internal::ForkRequest& request, std::array<Handle, 4>& handles) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      become(request, handles);
      return Side::kChild;
    }
    Handle line = std::move(handles[3]);
    if (pid < 0) return Side::kParent;  // whoever waits on the line sees its end
    setpgid(pid, pid);                  // in both: whoever comes first
    const internal::Forked forked{pid, Handle(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)))};
    if (forked.watch.is_open() && send_forked(line.get(), forked)) {
      forks_.push_back({pid, std::move(line)});
      return Side::kParent;
    }
    // Nobody would know of it: another is started in its place.
    ::kill(-pid, SIGKILL);
    abandoned_.push_back(pid);
    return Side::kParent;
  }

  /// As posix_spawn leaves a child: three descriptors, no signal blocked or ignored.
  void become(const internal::ForkRequest& request, std::array<Handle, 4>& handles) {
    setpgid(0, 0);
    keep_descendants();
    forks_.clear();
    for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
      WEIR_CHECK(dup2(handles[static_cast<size_t>(number)].get(), number) == number);
    handles = {};
    close_range(STDERR_FILENO + 1, ~0U, 0);
    for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGCHLD})
      std::signal(number, SIG_DFL);
    for (const auto& [name, value] : request.environment) setenv(name.c_str(), value.c_str(), 1);
    if (!request.folder.empty() && chdir(request.folder.c_str()) != 0) _exit(127);
    show_words(request.words);
  }

  /// False once nobody asks for it any more.
  bool heed(const Fork& fork) {
    int wish = 0;
    if (!internal::receive_wish(fork.line.get(), wish)) {
      abandoned_.push_back(fork.pid);
      return false;
    }
    if (wish != internal::kReap) {
      ::kill(-fork.pid, wish);
      return true;
    }
    int status = 0;
    rusage used{};
    while (wait4(fork.pid, &status, 0, &used) < 0 && errno == EINTR) {
    }
    note_end(status, fork.pid);
    internal::ForkEnd end;
    end.usage = {.cpu_ms = internal::cpu_ms_of(used), .peak_memory_bytes = used.ru_maxrss * 1024};
    if (WIFEXITED(status)) end.exit_status = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
    internal::send_end(fork.line.get(), end);
    return false;
  }

  void reap_abandoned() {
    std::erase_if(abandoned_, [this](pid_t pid) {
      int status = 0;
      if (waitpid(pid, &status, WNOHANG) == 0) return false;
      note_end(status, pid);
      return true;
    });
  }

  /// A child that came to its end has ended what was below it. What another one left is ours now.
  void note_end(int status, pid_t ended) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    std::vector<pid_t> spared = abandoned_;
    for (const Fork& fork : forks_) spared.push_back(fork.pid);
    std::erase(spared, ended);
    end_descendants(spared);
  }

  std::list<Fork> forks_;
  std::vector<pid_t> abandoned_;
};

}  // namespace

int serve_forks(const std::function<int(const std::vector<std::string>&)>& run) {
  int kind = 0;
  socklen_t size = sizeof(kind);
  if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &kind, &size) != 0 || kind != SOCK_SEQPACKET)
    return exit_status(ErrorCode::kInvalidConfig);
  unsetenv("LD_BIND_NOW");  // of this process alone: see ForkServer
  keep_descendants();
  const auto words = Forks().serve();
  if (!words) return 0;
  const int status = run(*words);
  end_descendants();
  _exit(status);
}

}  // namespace weir
