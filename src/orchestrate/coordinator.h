#pragma once

/// What a server does with runs: starts those that are due, takes up those that nobody drives, and
/// drives its own side by side. It never waits and has no thread; who owns it calls step(). Several
/// on one catalog share the work: a run is driven under an epoch that grows with each driver, and a
/// server whose lease ran out moves nothing more.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "orchestrate/executor.h"
#include "orchestrate/runner/run_driver.h"
#include "orchestrate/services.h"

namespace weir::orchestrate {

/// A run that something asks for.
struct RunWish {
  std::string flow_id;
  std::string run_key;  ///< Asked for twice under one key it is one run.
  std::string trigger;  ///< `scheduled`, `file`, `manual`, `backfill`, `rerun`
  Json params = Json::object();
  int64_t logical_time_us = 0;  ///< 0: now.
  int64_t interval_start_us = 0;
  int64_t interval_end_us = 0;
  std::string backfill_id = {};
  std::string rerun_of = {};
};

/// What starts runs: schedules, files that arrive. For use from one thread.
class RunSource {
 public:
  virtual ~RunSource() = default;
  /// Runs that are due by `now_us`. They are asked for again until started() was called for them.
  virtual Result<std::vector<RunWish>> due(int64_t now_us) = 0;
  /// The run is in the catalog, now or since before.
  virtual Status started(const RunWish& wish, const catalog::FlowRun& run) = 0;
  /// Wall clock: before then due() has nothing to say.
  virtual int64_t next_us() const = 0;
};

/// The configuration of runs. What it gives is kept by whoever asks.
struct Pinning {
  /// Of a new run.
  std::function<Result<std::shared_ptr<const Pinned>>(const RunWish& wish)> head;
  /// Of a run that has begun.
  std::function<Result<std::shared_ptr<const Pinned>>(const std::string& hash)> version;
  /// The newest that can be read, though no run may be able to pin it: its rules say who is told
  /// that a run cannot begin. Empty: nobody is.
  std::function<Result<std::shared_ptr<const model::Configuration>>()> rules = {};
};

/// Puts a run into the queue of the servers; the run of then where the key is known.
/// kInvalidConfig for an unknown or disabled flow, and for parameters that it does not take.
Result<catalog::Catalog::Started> enqueue_run(const Services& services, const Pinned& pinned,
                                              const RunWish& wish);

struct CoordinatorOptions {
  std::string server_id;     ///< Of this process alone.
  int64_t look_ms = 1000;    ///< How often it looks for runs that nobody drives.
  int64_t most_runs = 1000;  ///< That it drives at once.
};

class Coordinator {
 public:
  Coordinator(const Services& services, Pinning pinning, Executor& executor,
              std::vector<RunSource*> sources, CoordinatorOptions options);
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  /// Does what can be done now. Wall clock: when it has something to do again, unless a launch ends
  /// before. An error is the catalog's; what was not done then is done by a later call.
  Result<int64_t> step();
  /// How often sources were asked what is due since something was, and how long that took.
  struct Decisions {
    int64_t count = 0;
    int64_t took_us = 0;
  };
  Decisions decisions() const { return decisions_; }
  /// Looks for runs at the next step(), without waiting for its time: somebody queued one here.
  void look_soon() { next_look_us_ = 0; }
  /// What could not begin is tried at the next step(): something was mended.
  void retry_starts();
  /// From now on nothing is started or taken up, and no task begins.
  void drain() { is_draining_ = true; }
  /// Nothing that it launched is under way.
  bool is_idle() const { return executor_.count() == 0; }
  /// Gives its runs and its lease back, so that others go on at once. Call it when it is idle, or
  /// when what still runs are processes of their own.
  Status leave();

  int64_t count_runs() const { return std::ssize(runs_); }

 private:
  struct Driven {
    catalog::FlowRun run;
    std::shared_ptr<const Pinned> pinned;
    std::unique_ptr<RunDriver> driver;  ///< Nothing while it is queued.
    bool has_asked = false;             ///< See look_at_admission.
    bool has_told_late = false;
    int64_t next_us = 0;
  };

  /// What could not begin, by flow and trigger.
  struct Waiting {
    int64_t tries = 0;
    int64_t next_us = 0;
  };

  Status keep_lease();
  Status start_due();
  /// False: not to be tried now, or it could not begin.
  Result<bool> start(const RunWish& wish, RunSource& source);
  Status note_waiting(const RunWish& wish, const Error& error);
  int64_t next_of(const RunSource* source) const;
  Status look_around();
  Status take_up(const catalog::FlowRun& run);
  Status take_exits();
  Status step_runs();
  /// False: it is over, here or altogether.
  Result<bool> step_run(Driven& driven);
  Result<bool> step_queued(Driven& driven);
  /// What cannot be read any more ends, so that nobody tries it for ever.
  Status refuse_run(const catalog::FlowRun& run, const Error& error);

  const Services& services_;
  const Pinning pinning_;
  Executor& executor_;
  std::vector<TaskExit> exits_;  ///< That were not taken yet.
  const std::vector<RunSource*> sources_;
  const CoordinatorOptions options_;
  std::optional<catalog::Lease> lease_;
  int64_t renewed_at_us_ = 0;
  int64_t next_look_us_ = 0;
  std::map<const RunSource*, int64_t> ask_again_us_;  ///< Those with something that cannot start.
  std::map<std::pair<std::string, std::string>, Waiting> waiting_;
  std::map<std::string, Driven> runs_;
  bool is_draining_ = false;
  Decisions decisions_;
};

}  // namespace weir::orchestrate
