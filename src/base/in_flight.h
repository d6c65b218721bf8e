#pragma once

/// Work that runs in threads of its own, a few at once, while its results are taken in the order in
/// which it was started: for lines whose waits are longer than their work.

#include <algorithm>
#include <deque>
#include <functional>
#include <future>

#include "base/check.h"
#include "base/result.h"

namespace weir {

/// Not for use from several threads at once. Its end waits for what still runs.
template <typename Value>
class InFlight {
 public:
  explicit InFlight(size_t most) : most_(std::max<size_t>(most, 1)) {}

  size_t size() const { return running_.size(); }
  bool is_empty() const { return running_.empty(); }
  bool is_full() const { return running_.size() >= most_; }

  /// Not while it is full. What `work` refers to lives until its result was taken or dropped.
  void start(std::function<Result<Value>()> work) {
    WEIR_CHECK(!is_full());
    // Where the system has no thread to give, the work is done when its result is asked for.
    running_.push_back(std::async(std::launch::async | std::launch::deferred, std::move(work)));
  }
  /// The result of the oldest. Not while it is empty.
  Result<Value> next() {
    WEIR_CHECK(!is_empty());
    std::future<Result<Value>> oldest = std::move(running_.front());
    running_.pop_front();
    return oldest.get();
  }
  /// Waits for all, and throws their results away.
  void drop() { running_.clear(); }

 private:
  const size_t most_;
  std::deque<std::future<Result<Value>>> running_;
};

}  // namespace weir
