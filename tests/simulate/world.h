#pragma once

/// Virtual time in one thread: fibers that sleep until their turn, in processes that pause, lose
/// the network and die. It knows nothing of weir's tables.

#include <ucontext.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "dice.h"

namespace weir::simulate {

inline constexpr int64_t kSecondUs = 1'000'000;
inline constexpr int64_t kHourUs = 3600 * kSecondUs;
inline constexpr int64_t kNever = INT64_MAX / 4;

/// Thrown through what runs in a process that has died, and caught by its fiber only.
struct Killed {};

/// What a process is to the world. Several fibers may live in one, as threads do.
struct Process {
  std::string name;
  std::string server_id;  ///< Of the server that it is; empty for others.
  int64_t skew_us = 0;    ///< Of its clock.
  int64_t paused_until_us = 0;
  int64_t cut_until_us = 0;  ///< Until then it does not reach the database.
  bool is_dead = false;
};

class World;

/// Its sleep ends at a time, or when somebody wakes it.
struct Fiber {
  Process* process = nullptr;
  std::string role;   ///< `server`, `attempt` or `person`.
  int64_t epoch = 0;  ///< Of the run, as who launched an attempt knew it.
  std::function<void()> body;
  std::function<void(bool was_killed)> on_end;
  ucontext_t context = {};
  std::unique_ptr<char[]> stack;
  uint64_t ticket = 0;  ///< Of the event that may wake it; an older one is void.
  bool has_begun = false;
  bool has_ended = false;
  bool was_killed = false;
};

class World {
 public:
  explicit World(uint64_t seed, bool is_traced);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Dice dice;
  int64_t now_us;
  int64_t begun_us;
  /// Nobody crashes, pauses or loses a call any more.
  bool is_calm = false;
  int64_t last_fault_us = 0;
  int64_t event_count = 0;
  int64_t call_count = 0;
  int64_t fault_count = 0;

  Process& add_process(std::string name, int64_t skew_us = 0);
  Fiber& spawn(Process& process, std::string role, std::function<void()> body,
               std::function<void(bool was_killed)> on_end = {});
  void at(int64_t time_us, std::function<void()> what);
  /// Within a fiber. Throws Killed where its process died.
  void sleep_until(int64_t time_us);
  void sleep(int64_t duration_us) { sleep_until(now_us + duration_us); }
  void wake(Fiber& fiber, int64_t time_us);
  /// Its fibers end at once; within one of them, throws.
  void kill(Process& process);
  void pause(Process& process, int64_t duration_us);
  void note_fault() {
    ++fault_count;
    last_fault_us = now_us;
  }

  /// Ends all fibers, before what they stand on goes.
  void end();
  /// False where nothing is left to happen.
  bool step();
  /// Nothing outside of fibers.
  Fiber* running() const { return running_; }
  std::function<void(Process&)> on_kill;

  template <typename... Args>
  void trace(fmt::format_string<Args...> format, Args&&... args) {
    if (is_traced_) write(fmt::format(format, std::forward<Args>(args)...));
  }
  bool is_traced() const { return is_traced_; }
  void write(const std::string& line);

 private:
  struct Event {
    int64_t time_us = 0;
    uint64_t number = 0;
    Fiber* fiber = nullptr;
    uint64_t ticket = 0;
    std::function<void()> what;
    bool operator<(const Event& other) const {
      return time_us != other.time_us ? time_us > other.time_us : number > other.number;
    }
  };
  static void enter();
  void resume(Fiber& fiber);
  void push(int64_t time_us, Fiber* fiber, uint64_t ticket, std::function<void()> what);

  const bool is_traced_;
  std::deque<std::unique_ptr<Process>> processes_;
  std::deque<std::unique_ptr<Fiber>> fibers_;
  std::priority_queue<Event> events_;
  uint64_t numbered_ = 0;
  bool is_over_ = false;
  Fiber* running_ = nullptr;
  ucontext_t main_ = {};
};

/// A clock as a process sees it.
class ProcessClock final : public Clock {
 public:
  ProcessClock(const World& world, const Process* process) : world_(world), process_(process) {}
  int64_t now_us() override {
    return world_.now_us + (process_ == nullptr ? 0 : process_->skew_us);
  }
  int64_t monotonic_us() override { return world_.now_us - world_.begun_us + 1; }

 private:
  const World& world_;
  const Process* process_;
};

}  // namespace weir::simulate
