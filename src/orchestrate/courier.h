#pragma once

/// Takes messages from the outbox to their channels: each at least once, tried again with growing
/// waits and given up after kMostTries. A channel that fails holds up no other, and no run. Events
/// of lineage go in their order, and are given up once they are seven days old.

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "base/cancel.h"
#include "base/check.h"
#include "base/result.h"
#include "orchestrate/services.h"

namespace weir::orchestrate {

inline constexpr int64_t kMostTries = 16;  ///< About seven hours.

/// Whether runs with this configuration have anything to tell.
bool tells(const model::Configuration& configuration);

struct SendReport {
  int64_t sent = 0;
  int64_t failed = 0;       ///< Tries, not messages.
  std::string first_error;  ///< to_line, without secrets.
};

/// Sends what is due, the channels side by side; one process at a time sends to a channel, the
/// others leave it to that one. A channel that failed is an entry of the report, no error.
Result<SendReport> send_due(const Services& services, const model::Configuration& configuration,
                            const Cancel& cancel);

/// Ends runs whose process is gone and looks for slow ones, so that those are told of too.
Status look_for_silent_runs(const Services& services, const model::Configuration& configuration);

/// The channel of that id; kNotFound with did-you-mean.
Result<model::Connection> find_channel(const model::Configuration& configuration,
                                       const std::string& id);

/// While a run goes on: sends, and tells of it once it is slow. Does nothing where the
/// configuration has nothing to tell.
class Courier {
 public:
  Courier(const Services& services, const model::Configuration& configuration, std::string run_id);
  /// Sends what is left, for services.courier_ms at most; the rest stays for the next one.
  ~Courier();
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

 private:
  void work();
  void pass(bool is_running);

  const Services& services_;
  const model::Configuration& configuration_;
  const std::string run_id_;
  Cancel cancel_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_stopping_ WEIR_GUARDED_BY(mutex_) = false;
  bool is_done_ WEIR_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace weir::orchestrate
