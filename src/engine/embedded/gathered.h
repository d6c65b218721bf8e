#pragma once

/// What several threads make at once, taken by one, as it comes.

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/check.h"
#include "base/result.h"

namespace weir::engine::embedded {

/// next() is for one thread.
template <typename Item>
class Gathered {
 public:
  /// Hands on one item, waiting for room; false where nobody wants more.
  using Put = std::function<bool(Item)>;
  using Produce = std::function<Status(const Put& put)>;

  /// `stop` is what the producers' waits look at: it is cancelled where one fails, or where this
  /// ends before they do.
  Gathered(size_t most_waiting, size_t producers, Cancel& stop, Produce produce)
      : most_waiting_(most_waiting),
        stop_(stop),
        produce_(std::move(produce)),
        running_(producers) {
    for (size_t i = 0; i < producers; ++i) threads_.emplace_back([this] { run(); });
  }
  Gathered(const Gathered&) = delete;
  Gathered& operator=(const Gathered&) = delete;

  ~Gathered() {
    bool are_through = false;
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
      are_through = running_ == 0;
    }
    changed_.notify_all();
    if (!are_through) stop_.cancel("nobody waits for it");
    threads_.clear();
  }

  /// The next item; nothing once all producers are through; the first error of one.
  Result<std::optional<Item>> next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return error_ || !waiting_.empty() || running_ == 0; });
    if (error_) return std::unexpected(*error_);
    if (waiting_.empty()) return std::nullopt;
    std::optional<Item> item = std::move(waiting_.front());
    waiting_.pop_front();
    changed_.notify_all();
    return item;
  }

 private:
  bool put(Item item) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_over_ || error_ || waiting_.size() < most_waiting_; });
    if (is_over_ || error_) return false;
    waiting_.push_back(std::move(item));
    changed_.notify_all();
    return true;
  }

  void run() {
    Status status = produce_([this](Item item) { return put(std::move(item)); });
    const bool has_failed = !status;
    {
      const std::lock_guard lock(mutex_);
      if (has_failed && !error_ && !is_over_) error_ = std::move(status).error();
      --running_;
    }
    changed_.notify_all();
    if (has_failed) stop_.cancel("another part of the same read failed");
  }

  const size_t most_waiting_;
  Cancel& stop_;
  const Produce produce_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> waiting_ WEIR_GUARDED_BY(mutex_);
  std::optional<Error> error_ WEIR_GUARDED_BY(mutex_);
  size_t running_ WEIR_GUARDED_BY(mutex_);
  bool is_over_ WEIR_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;  // last: they use the others
};

}  // namespace weir::engine::embedded
