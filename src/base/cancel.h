#pragma once

/// A wish to stop, handed down the call chain. Whoever does long work asks `check()` between steps.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace weir {

/// Safe to use from many threads at once.
class Cancel {
 public:
  /// Runs for ever unless cancel() is called.
  Cancel() = default;
  /// Cancels itself once the monotonic clock passes `deadline_us`.
  Cancel(Clock& clock, int64_t deadline_us) : clock_(&clock), deadline_us_(deadline_us) {}
  Cancel(const Cancel&) = delete;
  Cancel& operator=(const Cancel&) = delete;

  /// The first reason stays. Runs the listeners, once.
  void cancel(std::string reason);
  bool is_cancelled() const;
  /// kCancelled with the reason, once cancelled or past the deadline.
  Status check() const;

  /// Calls `listener` on cancel() (at once where it happened already), for waits that cannot ask:
  /// a child process, a query of the engine. Returns a handle for remove_listener.
  int add_listener(std::function<void()> listener);
  /// After it returns the listener neither runs nor will run.
  void remove_listener(int handle);

 private:
  Clock* clock_ = nullptr;
  int64_t deadline_us_ = 0;
  std::atomic<bool> is_cancelled_ = false;
  mutable std::mutex mutex_;
  std::string reason_;
  int next_ = 0;
  std::map<int, std::function<void()>> listeners_;
};

}  // namespace weir
