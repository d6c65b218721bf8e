#include "base/process_tree.h"

#include <algorithm>
#include <csignal>
#include <thread>

#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/child_process.h"

// There is no list of a process's children that every kernel keeps, so all of /proc is searched: of
// numbers that were there before only the names are read. To end a tree it is stopped first, again
// and again until nothing new is found: a process that is killed before what it started was seen
// would leave no trace of whose that was.

namespace weir::internal {
namespace {

/// How many times as long as it took a search may not be repeated.
constexpr int kSearchRest = 50;
constexpr int kShareRest = 20;
constexpr auto kPatience = std::chrono::seconds(1);
constexpr auto kTick = std::chrono::milliseconds(1);
constexpr int kMostRounds = 100;

/// To the process that was meant, not to one that has its number by now.
void send_signal(const ProcessFacts& process, int number) {
  const Handle handle(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
  if (!handle.is_open()) return;
  const auto now = facts_of(process.pid);
  if (!now || now->started_ticks != process.started_ticks) return;
  (void)syscall(SYS_pidfd_send_signal, handle.get(), number, nullptr, 0);
}

bool acts_no_more(const ProcessFacts& facts) { return facts.has_ended(); }
bool stands_still(const ProcessFacts& facts) {
  // What waits in the kernel stops before it comes back from there.
  return facts.has_ended() || facts.state == 'T' || facts.state == 't' || facts.state == 'D';
}

}  // namespace

ProcessTree::ProcessTree(pid_t root, std::string mark, std::vector<pid_t> spared)
    : root_(root), mark_(std::move(mark)), spared_(std::move(spared)) {
  if (const auto facts = facts_of(root)) {
    root_started_ticks_ = facts->started_ticks;
    members_.push_back({.facts = *facts});
  }
}

ProcessTree::ProcessTree(std::vector<pid_t> spared)
    : root_(getpid()), is_root_in_(false), spared_(std::move(spared)) {
  if (const auto facts = facts_of(root_)) root_started_ticks_ = facts->started_ticks;
}

ProcessTree ProcessTree::below_this_process(std::vector<pid_t> spared) {
  return ProcessTree(std::move(spared));
}

void ProcessTree::read_again() {
  std::erase_if(members_, [](Member& member) {
    const auto now = facts_of(member.facts.pid);
    if (!now || now->started_ticks != member.facts.started_ticks) return true;
    member.facts = *now;
    return false;
  });
}

bool ProcessTree::belongs(const ProcessFacts& facts, bool is_root_there) const {
  if (facts.started_ticks < root_started_ticks_ || facts.pid == root_) return false;
  if (std::ranges::find(spared_, facts.pid) != spared_.end()) return false;
  if (!is_root_in_ && facts.parent == root_) return true;
  const auto is_parent = [&](const Member& member) { return member.facts.pid == facts.parent; };
  if (std::ranges::any_of(members_, is_parent)) return true;
  // Its number cannot mean another group while the root has it.
  if (is_root_in_ && is_root_there && facts.group == root_) return true;
  return !mark_.empty() && has_in_environment(facts.pid, mark_);
}

void ProcessTree::search(Search how) {
  const auto began_at = SteadyClock::now();
  read_again();
  const auto root = facts_of(root_);
  const bool is_root_there = root && root->started_ticks == root_started_ticks_;
  std::vector<pid_t> numbers = all_processes();
  std::vector<ProcessFacts> others;
  for (const pid_t pid : numbers) {
    if (how == Search::kNewNumbers && std::ranges::binary_search(known_, pid)) continue;
    const auto is_it = [pid](const Member& member) { return member.facts.pid == pid; };
    if (std::ranges::any_of(members_, is_it)) continue;
    if (const auto facts = facts_of(pid)) others.push_back(*facts);
  }
  known_ = std::move(numbers);
  for (bool has_grown = true; has_grown;) {
    has_grown = false;
    std::erase_if(others, [&](const ProcessFacts& facts) {
      if (!belongs(facts, is_root_there)) return false;
      members_.push_back({.facts = facts});
      has_grown = true;
      return true;
    });
  }
  const auto now = SteadyClock::now();
  search_at_ = now + (now - began_at) * kSearchRest;
}

const TreeUse& ProcessTree::look() {
  if (SteadyClock::now() >= search_at_)
    search(Search::kNewNumbers);
  else
    read_again();
  weigh();
  return use_;
}

void ProcessTree::weigh() {
  int64_t cpu_ms = 0;
  int64_t bytes = 0;
  use_.processes = 0;
  for (const Member& member : members_) {
    cpu_ms += member.facts.cpu_ms;
    if (member.facts.has_ended()) continue;
    ++use_.processes;
    bytes += member.facts.resident_bytes;
  }
  use_.cpu_ms = std::max(use_.cpu_ms, cpu_ms);
  // The sum is too high where they share memory, and to know better is dear: only for more than
  // there ever was.
  if (use_.processes > 1 && bytes > most_bytes_) {
    const auto began_at = SteadyClock::now();
    if (began_at < share_at_) return;
    bytes = shared_once();
    const auto now = SteadyClock::now();
    share_at_ = now + (now - began_at) * kShareRest;
  }
  use_.memory_bytes = bytes;
  most_bytes_ = std::max(most_bytes_, bytes);
}

int64_t ProcessTree::shared_once() const {
  int64_t bytes = 0;
  for (const Member& member : members_)
    if (!member.facts.has_ended())
      bytes += proportional_bytes(member.facts.pid).value_or(member.facts.resident_bytes);
  return bytes;
}

bool ProcessTree::wait_until(bool (*is_so)(const ProcessFacts& facts)) {
  const auto until = SteadyClock::now() + kPatience;
  while (true) {
    read_again();
    if (std::ranges::all_of(members_, [&](const Member& member) { return is_so(member.facts); }))
      return true;
    if (SteadyClock::now() >= until) return false;
    std::this_thread::sleep_for(kTick);
  }
}

void ProcessTree::stop_all() {
  for (int round = 0; round < kMostRounds; ++round) {
    search(Search::kAll);
    bool is_new = false;
    for (Member& member : members_) {
      if (member.is_stopped || member.facts.has_ended()) continue;
      send_signal(member.facts, SIGSTOP);
      member.is_stopped = true;
      is_new = true;
    }
    if (!is_new) return;
    wait_until(stands_still);
  }
}

void ProcessTree::kill() {
  for (int round = 0; round < kMostRounds; ++round) {
    stop_all();
    weigh();
    bool is_new = false;
    for (Member& member : members_) {
      if (member.is_killed || member.facts.has_ended()) continue;
      send_signal(member.facts, SIGKILL);
      member.is_killed = true;
      is_new = true;
    }
    if (!is_new) return;
    wait_until(acts_no_more);
  }
}

std::string new_mark() {
  return fmt::format("{}-{}-{}", getpid(), syscall(SYS_gettid),
                     std::chrono::steady_clock::now().time_since_epoch().count());
}

}  // namespace weir::internal
