#include "base/fork_server.h"

#include <chrono>
#include <csignal>
#include <mutex>

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>

#include "base/check.h"
#include "base/child_process.h"
#include "base/fork_line.h"

// Three ends of sockets. Over the control socket comes a request for each command, with the child's
// three streams and a line of its own. On that line the fork server says what the child's pid is,
// with a pidfd; from then on it takes signals for the child's group, and at last the wish to know
// how the child ended. It reaps a child then and no earlier, so that a number never means
// another's.

namespace weir {
namespace {

using internal::Handle;
using internal::make_line;
using SteadyClock = std::chrono::steady_clock;

constexpr size_t kRoomForWords = 2000;
constexpr auto kPause = std::chrono::seconds(10);  ///< After one that did not come up.

/// A child of the fork server, seen from here.
class ForkedChild final : public internal::Child {
 public:
  ForkedChild(pid_t pid, Handle watch, Handle line)
      : pid_(pid), watch_(std::move(watch)), line_(std::move(line)) {}

  pid_t pid() const override { return pid_; }
  int watch() const override { return watch_.get(); }
  bool has_ended() const override {
    pollfd watched{watch_.get(), POLLIN, 0};
    return poll(&watched, 1, 0) == 1;
  }
  void signal_group(int number) const override {
    if (internal::send_wish(line_.get(), number)) return;
    // Its parent is gone, so the group's number is not safe any more. The child itself is known.
    static_cast<void>(syscall(SYS_pidfd_send_signal, watch_.get(), number, nullptr, 0));
  }

  bool leaves_nothing() const override { return true; }

 private:
  Status take_end(Finished& finished) override {
    internal::ForkEnd end;
    if (!internal::send_wish(line_.get(), internal::kReap) ||
        !internal::receive_end(line_.get(), end))
      return fail(
          ErrorCode::kUnavailable,
          "how its process ended is not known: the fork server that had started it is gone");
    finished.exit_status = end.exit_status;
    finished.signal = end.signal;
    finished.usage = end.usage;
    return {};
  }

  pid_t pid_;
  Handle watch_;
  Handle line_;
};

}  // namespace

struct ForkServer::Live {
  internal::OwnedChild process;
  Handle control;
};

struct ForkServer::State {
  std::mutex mutex;
  std::shared_ptr<Live> live WEIR_GUARDED_BY(mutex);
  SteadyClock::time_point not_before WEIR_GUARDED_BY(mutex) = SteadyClock::time_point::min();
};

// What each child would look up for itself in the libraries is looked up once.
ForkServer::ForkServer(std::vector<std::string> argv) : state_(std::make_unique<State>()) {
  program_.argv = std::move(argv);
  program_.environment.emplace("LD_BIND_NOW", "1");
  program_.argv.emplace_back(kRoomForWords, ' ');  // what lists of processes show of a child
}

ForkServer::~ForkServer() = default;

std::shared_ptr<ForkServer::Live> ForkServer::live() {
  const std::lock_guard lock(state_->mutex);
  if (state_->live != nullptr || SteadyClock::now() < state_->not_before) return state_->live;
  state_->not_before = SteadyClock::now() + kPause;
  auto line = make_line();
  const Handle nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (!line || !nowhere.is_open()) return nullptr;
  auto process = internal::spawn_child(program_, line->second.get(), nowhere.get(), STDERR_FILENO);
  if (!process) return nullptr;
  state_->live = std::make_shared<Live>(*std::move(process), std::move(line->first));
  return state_->live;
}

void ForkServer::forget(const std::shared_ptr<Live>& broken) {
  const std::lock_guard lock(state_->mutex);
  // It may only be slow: what it was asked for must not happen later.
  broken->process->signal_group(SIGKILL);
  if (state_->live == broken) state_->live.reset();
}

Result<Finished> ForkServer::run(const Command& command, const Cancel& cancel) {
  WEIR_TRY(cancel.check());
  const auto through = live();
  if (through == nullptr) return run_process(command, cancel);
  WEIR_TRY(internal::check_command(command));
  WEIR_ASSIGN(internal::Streams streams, internal::make_streams(command));
  auto line = make_line();
  if (!line) return std::unexpected(line.error());
  const internal::MarkedCommand marked(command);
  const internal::ForkRequest request{.words = {command.argv.begin() + 1, command.argv.end()},
                                      .environment = marked.command.environment,
                                      .folder = command.working_directory};
  const auto forked = internal::send_request(through->control.get(), request,
                                             {streams.input.get(), streams.output.writer.get(),
                                              streams.error.writer.get(), line->second.get()});
  line->second.close();
  internal::Forked child;
  if (!forked || !internal::receive_forked(line->first.get(), child)) {
    forget(through);
    return run_process(command, cancel);
  }
  {
    const std::lock_guard lock(state_->mutex);
    state_->not_before = SteadyClock::time_point::min();  // it works: another may follow at once
  }
  const internal::OwnedChild of(
      new ForkedChild(child.pid, std::move(child.watch), std::move(line->first)));
  return internal::accompany(marked, cancel, *of, streams);
}

}  // namespace weir
