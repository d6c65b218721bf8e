#pragma once

/// A producer that runs ahead of who takes from it, in a thread of its own.

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/result.h"

namespace weir::engine::embedded {

/// What `produce` gives, in order, up to `most_waiting` of it made before it is asked for. Allowed
/// in an engine: one producer, one who takes, joined here. After the end or an error `produce` is
/// not called again, and what it works on is free.
template <typename Item>
class Ahead {
 public:
  using Produce = std::function<Result<std::optional<Item>>()>;

  Ahead(size_t most_waiting, Produce produce)
      : most_waiting_(most_waiting),
        produce_(std::move(produce)),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}

  /// The next item; nothing at the end. Not to be called after the end or an error.
  Result<std::optional<Item>> next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !waiting_.empty(); });
    auto item = std::move(waiting_.front());
    waiting_.pop_front();
    changed_.notify_all();
    return item;
  }

 private:
  void run(const std::stop_token& stop) {
    while (true) {
      auto item = produce_();
      const bool is_last = !item || !*item;
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return waiting_.size() < most_waiting_; })) return;
      waiting_.push_back(std::move(item));
      changed_.notify_all();
      if (is_last) return;
    }
  }

  const size_t most_waiting_;
  const Produce produce_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Result<std::optional<Item>>> waiting_ WEIR_GUARDED_BY(mutex_);
  std::jthread thread_;  // last: it uses the others
};

}  // namespace weir::engine::embedded
