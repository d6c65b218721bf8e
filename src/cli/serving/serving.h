#pragma once

/// What `weir serve` does beside answering: starts what is due, drives runs, tells people.

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "base/cancel.h"
#include "base/fork_server.h"
#include "cli/serving/arrival_source.h"
#include "cli/serving/heads.h"
#include "cli/serving/usage_totals.h"
#include "cli/session.h"
#include "orchestrate/coordinator.h"
#include "orchestrate/schedule_source.h"
#include "server/actions.h"

namespace weir::cli {

struct ServingOptions {
  int64_t slots = 4;          ///< Tasks at once.
  bool uses_threads = false;  ///< Tasks in this process, not a process each.
  int64_t look_ms = 1000;
  int64_t lease_ms = 30'000;  ///< How long others wait for this server, and for a task of it.
  int64_t keep_runs_ms = 0;   ///< Runs that ended longer ago are forgotten; 0: none are.
};

/// Works from begin() to its end. Safe to use from many threads at once.
class Serving {
 public:
  Serving(Session& session, ServingOptions options);
  ~Serving();  ///< stop(0).
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;

  /// Call it once.
  void begin();
  /// Nothing begins any more; waits so long for what runs here, then gives its runs to other
  /// servers. Tasks that are processes of their own go on, and whoever drives their run next waits
  /// for them. False: some still run.
  bool stop(int64_t grace_ms);

  Result<catalog::FlowRun> start_run(const server::RunRequest& request);
  Result<catalog::FlowRun> retry_run(const server::RetryRequest& request);
  Result<catalog::FlowRun> cancel_run(const std::string& run_id);
  /// The events are stored, and files are looked for at once. kInvalidData where they are not
  /// understood or about files of others, and where no file starts the flow.
  Result<int64_t> take_arrivals(const server::ArrivalsRequest& request);
  server::SchedulerState state() const;
  server::TaskUsage task_usage() const { return usage_.now(); }

 private:
  void drive(const std::stop_token& stop);
  void refresh();
  /// Flows that are not to be started that way any more wait for nothing.
  Status forget_waiting_starts(const Heads::KeptHead& head, const std::set<std::string>& paused);
  void tell(const std::stop_token& stop);
  void forget_old_runs();
  std::vector<std::string> command_of(const orchestrate::TaskLaunch& launch) const;

  Session& session_;
  const ServingOptions options_;
  UsageTotals usage_;
  orchestrate::Services services_;
  Heads heads_;
  schedule::Zones zones_;
  ForkServer forks_;
  std::unique_ptr<orchestrate::Executor> executor_;
  orchestrate::ScheduleSource schedules_;
  ArrivalSource arrivals_;
  orchestrate::Coordinator coordinator_;
  std::atomic<bool> is_draining_ = false;
  std::atomic<bool> has_queued_ = false;  ///< Somebody queued a run here.
  std::atomic<int64_t> lag_us_ = 0;
  std::atomic<int64_t> decisions_ = 0;
  std::atomic<int64_t> deciding_us_ = 0;
  std::atomic<int64_t> runs_ = 0;
  std::atomic<int64_t> tasks_ = 0;
  std::atomic<int64_t> stepped_at_us_ = 0;
  Heads::KeptHead seen_;  ///< Whose schedules are in use.
  int64_t paused_seen_us_ = 0;
  int64_t forgets_next_us_ = 0;  ///< Of the teller alone.
  std::string told_;
  Cancel sending_;
  std::jthread driver_;
  std::jthread teller_;
};

}  // namespace weir::cli
