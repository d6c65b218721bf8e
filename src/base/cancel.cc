#include "base/cancel.h"

namespace weir {

void Cancel::cancel(std::string reason) {
  const std::lock_guard lock(mutex_);
  if (is_cancelled_) return;
  reason_ = std::move(reason);
  is_cancelled_ = true;
  for (const auto& [handle, listener] : listeners_) listener();
}

bool Cancel::is_cancelled() const {
  return is_cancelled_ || (clock_ != nullptr && clock_->monotonic_us() >= deadline_us_);
}

Status Cancel::check() const {
  if (is_cancelled_) {
    const std::lock_guard lock(mutex_);
    return fail(ErrorCode::kCancelled, "{}", reason_);
  }
  if (clock_ != nullptr && clock_->monotonic_us() >= deadline_us_)
    return fail(ErrorCode::kCancelled, "the deadline has passed");
  return {};
}

int Cancel::add_listener(std::function<void()> listener) {
  const std::lock_guard lock(mutex_);
  if (is_cancelled_) {
    listener();
    return -1;
  }
  listeners_[next_] = std::move(listener);
  return next_++;
}

void Cancel::remove_listener(int handle) {
  const std::lock_guard lock(mutex_);
  listeners_.erase(handle);
}

}  // namespace weir
