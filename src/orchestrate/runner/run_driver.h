#pragma once

/// Drives one run, once it is admitted, to its end: what its machine says is stored, what is ready
/// goes to the executor. It never waits; who owns it calls step() when something has changed or
/// next_us() has come. Every change is conditional on the run's epoch, so that of two who believe
/// they drive a run one does.

#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "catalog/catalog.h"
#include "orchestrate/executor.h"
#include "orchestrate/machine/run_machine.h"
#include "orchestrate/services.h"

namespace weir::orchestrate {

class RunDriver {
 public:
  /// `run` is running; its rows are read. kInvalidConfig where its flow is not in `pinned`.
  static Result<std::unique_ptr<RunDriver>> open(const Services& services,
                                                 std::shared_ptr<const Pinned> pinned,
                                                 catalog::FlowRun run);

  enum class Now {
    kGoesOn,
    kEnded,  ///< It ended, and none of its launches is under way.
    kLost,   ///< Another drives it: nothing of it is ours any more.
  };
  struct Wish {
    std::string stopping;    ///< Not empty: nothing more begins, and what runs is asked to stop.
    bool may_launch = true;  ///< False: nothing more is begun from here.
  };
  Result<Now> step(Executor& executor, const Wish& wish);
  /// A launch of this run has ended. After an error call it again: nothing was taken.
  Status take(const TaskExit& exit);
  /// No launch of its own is under way: what it leaves is another's to go on with.
  bool is_idle() const { return launched_.empty(); }

  /// Wall clock; when step() has something to do by itself.
  int64_t next_us() const { return next_us_; }
  /// The executor had no room for a task that is ready: step() has something to do once it has.
  bool lacks_room() const { return lacks_room_; }
  const catalog::FlowRun& run() const { return run_; }

 private:
  RunDriver(const Services& services, std::shared_ptr<const Pinned> pinned, const model::Flow& flow,
            catalog::FlowRun run, std::vector<catalog::TaskRun> rows);
  Status settle(bool is_stopping);
  Status launch(Executor& executor);
  /// Rows that say running and are not ours: those whose process is gone end.
  Status look_after_strangers();
  /// Its process is gone: `exit` says more of it, where it was one of ours.
  Status end_lost(const catalog::TaskRun& row, const TaskExit& exit);
  Status refuse(const catalog::TaskRun& row, const Error& error);
  void tell_end(const catalog::TaskRun& row) const;
  Result<Now> end(bool is_stopping);
  /// What is stored, after a change was refused. kLost where the run is another's.
  Result<Now> read_again();

  const Services& services_;
  std::shared_ptr<const Pinned> pinned_;
  const model::Flow* flow_;
  catalog::FlowRun run_;
  RunMachine machine_;
  std::map<std::string, int64_t> launched_;       ///< Task → the attempt before.
  std::map<std::string, int64_t> not_before_us_;  ///< Tasks that did not begin.
  std::map<std::string, TaskExit> lost_;          ///< Tasks whose process is gone, as it ended.
  int64_t next_look_us_ = 0;
  int64_t next_us_ = 0;
  bool has_asked_to_stop_ = false;
  bool lacks_room_ = false;
};

}  // namespace weir::orchestrate
