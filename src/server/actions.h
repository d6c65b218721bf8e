#pragma once

/// What changes something, handed in by whoever starts the server: it knows no scheduler and no
/// runner. What is left empty answers `unsupported`.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "base/json.h"
#include "base/result.h"
#include "catalog/catalog.h"

namespace weir::server {

/// A new run.
struct RunRequest {
  std::string flow_id;
  std::string run_key;           ///< Empty: one is made up. A known one gives the run that has it.
  Json params = Json::object();  ///< Over the defaults of the flow.
  int64_t logical_time_us = 0;   ///< 0: now
  std::string author;            ///< `ann`, or `ann, token nightly`
};

struct RetryRequest {
  std::string run_id;
  std::string from_task;        ///< Empty: what did not succeed.
  std::string config = "same";  ///< `same`, `latest`, or the hash of a version.
  std::string author;
};

/// Schedules and files start a paused flow no more; runs that go on, go on.
struct PauseRequest {
  std::string flow_id;
  bool is_paused = true;  ///< False: it goes on.
  std::string reason;
  std::string author;
};

/// Events that say that files came, as a sender writes them (arrivals/event.h).
struct ArrivalsRequest {
  std::string flow_id;  ///< They are about files of this one; empty: of any.
  Json body;
};

/// A change of the configuration, as config::to_json(Plan) writes it.
struct ConfigurationPlan {
  Json plan;
  std::string hash;  ///< Of the plan: apply makes this one, or none.
  bool is_empty = true;
};

/// How the scheduler is, for readiness and `/metrics`.
struct SchedulerState {
  bool is_ready = true;
  std::string reason;             ///< Why it is not.
  int64_t scheduler_lag_us = -1;  ///< How late what is due is started; -1: there is none.
  std::map<std::string, int64_t> queue_length;  ///< By the name of the queue.
  int64_t decisions = 0;                        ///< How often it was found out which runs are due.
  int64_t deciding_us = 0;                      ///< How long that took, all together.
};

/// What attempts of tasks took that ended under this server since it was started.
struct TaskUsage {
  struct Took {
    int64_t attempts = 0;
    int64_t cpu_ms = 0;
  };
  static constexpr int64_t kMegabyte = 1'000'000;
  static constexpr std::array<int64_t, 10> kBounds = {
      50 * kMegabyte,   100 * kMegabyte,  250 * kMegabyte,  500 * kMegabyte,    1000 * kMegabyte,
      2000 * kMegabyte, 4000 * kMegabyte, 8000 * kMegabyte, 16'000 * kMegabyte, 32'000 * kMegabyte};
  /// How many attempts had no more memory than a bound.
  struct Peaks {
    std::array<int64_t, kBounds.size()> buckets{};
    int64_t count = 0;
    int64_t sum_bytes = 0;
  };
  std::map<std::pair<std::string, std::string>, Took> by_flow;  ///< And template.
  std::map<std::string, Peaks> by_template;
};

/// Called from any thread, several at once. They return once the wish is taken, not once it is
/// done: a run goes on by itself. Who asked may ask, that was judged before; the codes say what
/// answer it gives (problem.h).
struct Actions {
  std::function<Result<catalog::FlowRun>(const RunRequest&)> start_run = {};
  std::function<Result<catalog::FlowRun>(const RetryRequest&)> retry_run = {};
  std::function<Result<catalog::FlowRun>(const std::string& run_id, const std::string& author)>
      cancel_run = {};
  /// How many are new. They are stored once it returns: the sender may forget them.
  std::function<Result<int64_t>(const ArrivalsRequest&)> take_arrivals = {};
  /// By the token of an open hold.
  std::function<Status(const std::string& token, const std::string& author)> approve = {};
  std::function<Status(const std::string& token, const std::string& author)> reject = {};
  std::function<Status(const PauseRequest&)> pause = {};
  std::function<Result<ConfigurationPlan>(bool prune)> plan = {};
  /// kConflict where what there is to change is another plan by now.
  std::function<Status(bool prune, const std::string& hash, const std::string& author)> apply = {};
  std::function<TaskUsage()> task_usage = {};  ///< Empty: no task ends here.
  std::function<SchedulerState()> state =
      {};  ///< Quick, and asks nobody; empty: ready, without a scheduler.
};

}  // namespace weir::server
