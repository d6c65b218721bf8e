#include "base/usage_meter.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/process_tree.h"

namespace weir {
namespace {

constexpr auto kTick = std::chrono::milliseconds(50);

bool has_children() {
  siginfo_t info{};
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

std::vector<pid_t> children() {
  std::vector<pid_t> found;
  if (!has_children()) return found;
  for (const pid_t pid : internal::all_processes())
    if (const auto facts = internal::facts_of(pid); facts && facts->parent == getpid())
      found.push_back(pid);
  return found;
}

}  // namespace

void keep_descendants() { (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

void end_descendants(const std::vector<pid_t>& spared) {
  if (!has_children()) return;
  internal::ProcessTree::below_this_process(spared).kill();
  for (const pid_t pid : internal::all_processes()) {
    if (std::ranges::find(spared, pid) != spared.end()) continue;
    (void)waitpid(pid, nullptr, WNOHANG);  // of those that are no child of ours it knows nothing
  }
}

struct UsageMeter::State {
  std::mutex mutex;
  std::condition_variable_any pause;
  std::vector<pid_t> before;  ///< Children of whoever became this program.
  int64_t below_bytes = 0;
};

UsageMeter::UsageMeter() : state_(std::make_unique<State>()) {
  keep_descendants();
  state_->before = children();
  thread_ = std::jthread([this](const std::stop_token& stop) {
    std::unique_lock lock(state_->mutex);
    internal::ProcessTree tree(getpid(), "", state_->before);
    while (!state_->pause.wait_for(lock, stop, kTick, [&] { return stop.stop_requested(); })) {
      // Of this process alone the system knows the peak.
      if (has_children())
        state_->below_bytes = std::max(state_->below_bytes, tree.look().memory_bytes);
    }
  });
}

UsageMeter::~UsageMeter() = default;

Usage UsageMeter::finish() {
  thread_.request_stop();
  thread_.join();
  end_descendants(state_->before);
  Usage usage = usage_of_this_process();
  usage.peak_memory_bytes = std::max(usage.peak_memory_bytes, state_->below_bytes);
  return usage;
}

}  // namespace weir
