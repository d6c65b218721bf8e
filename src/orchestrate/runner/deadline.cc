#include "orchestrate/runner/deadline.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/instant.h"

namespace weir::orchestrate {
namespace {

std::string timeout_text(int64_t timeout_ms) {
  return fmt::format("the task's timeout of {} has passed", format_duration_ms(timeout_ms));
}

constexpr auto kPoll = std::chrono::milliseconds(100);

/// Wakes the listeners of a Cancel when its deadline passes: a running query does not ask.
class DeadlineWatch {
 public:
  DeadlineWatch(Clock& clock, Cancel& limit, int64_t timeout_ms) {
    if (timeout_ms <= 0) return;
    const int64_t until_us = clock.monotonic_us() + timeout_ms * 1000;
    thread_ = std::jthread([&clock, &limit, timeout_ms, until_us](const std::stop_token& stop) {
      std::mutex mutex;
      std::condition_variable_any wake;
      std::unique_lock lock(mutex);
      while (!stop.stop_requested() && clock.monotonic_us() < until_us)
        static_cast<void>(wake.wait_for(lock, stop, kPoll, [] { return false; }));
      if (!stop.stop_requested()) limit.cancel(timeout_text(timeout_ms));
    });
  }

 private:
  std::jthread thread_;
};

}  // namespace

Result<catalog::TaskState> run_within_timeout(const Attempt& attempt, catalog::TaskRun& row,
                                              Cancel& cancel) {
  Clock& clock = *attempt.services->clock;
  const int64_t timeout_ms = attempt.settings.timeout_ms;
  // A deadline of its own below the run's wish to stop.
  const int64_t now_us = clock.monotonic_us();
  const int64_t no_deadline_us = now_us + int64_t{365} * 86'400'000'000;
  Cancel limit(clock, timeout_ms > 0 ? now_us + timeout_ms * 1000 : no_deadline_us);
  const int handle = cancel.add_listener([&] { limit.cancel("the run was cancelled"); });
  Result<catalog::TaskState> end = catalog::TaskState::kFailed;
  {
    const DeadlineWatch watch(clock, limit, timeout_ms);
    end = run_attempt(attempt, row, limit);
  }
  cancel.remove_listener(handle);
  const bool is_over = !end && end.error().code == ErrorCode::kCancelled && !cancel.is_cancelled();
  if (!is_over) return end;
  Error error = std::move(end).error();
  error.code = ErrorCode::kUnavailable;
  if (!error.message.contains("timeout"))
    error.message = timeout_text(timeout_ms) + ": " + error.message;
  if (error.hint.empty())
    error.hint =
        "`timeout` of the task, its flow or the project says how long one attempt may take";
  return std::unexpected(std::move(error));
}

}  // namespace weir::orchestrate
