#pragma once

/// Judges a history of committed rows by what the documentation promises. It shares no code with
/// what it judges: its table of transitions, its run_if and its leases are its own.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "journal.h"
#include "scenario.h"

namespace weir::simulate {

/// Who committed.
struct Who {
  std::string role;       ///< `server`, `attempt` or `person`.
  std::string server_id;  ///< Of a server.
  std::string name;       ///< Of the process.
  int64_t epoch = 0;      ///< Of the run, as the driver knew it that launched an attempt.
};

class Auditor {
 public:
  Auditor(const Plan& plan, int64_t begun_us) : plan_(plan), begun_us_(begun_us) {}

  /// One transaction. `last_fault_us`: when something last went wrong.
  void take(const std::vector<Change>& changes, const Who& who, int64_t now_us,
            int64_t last_fault_us);
  /// A person is about to retry a run from a task (empty: what did not succeed).
  void expect_retry(const std::string& person, const std::string& from_task) {
    retries_[person] = from_task;
  }
  /// A process is gone, and the others of its host see that.
  void note_gone(const std::string& holder) { gone_.insert(holder); }
  void note_death(const std::string& name) { dead_.insert(name); }
  void note_launch(const std::string& run_id, const std::string& task_id, int64_t now_us);
  /// All is over: every run has ended well.
  void finish();
  void complain(const std::string& what);

  const std::optional<std::string>& complaint() const { return complaint_; }
  int64_t active_runs() const { return active_; }
  int64_t last_progress_us() const { return last_progress_us_; }
  bool has_run(const std::string& flow_id, const std::string& key) const {
    return keys_.contains(flow_id + "/" + key);
  }
  /// Runs in the order in which they were made.
  struct Seen {
    std::string run_id;
    std::string flow_id;
    std::string state;
    bool is_driven = false;
  };
  std::vector<Seen> runs() const;
  std::string describe_open() const;
  int64_t effects() const { return effects_; }
  int64_t begins() const { return begins_; }

 private:
  using Rows = std::map<std::string, Image>;
  struct Moved {
    const Image* before;
    const Image* after;
  };

  void judge_run(const Image& before, const Image& after);
  void judge_run_move(const Image& before, const Image& after);
  void judge_driver(const Image& before, const Image& after);
  void judge_admission(const Image& run);
  void judge_turned_away(const Image& run);
  void judge_end(const Image& run);
  void judge_retry(const Image& before, const Image& after);
  void judge_task(const Image& before, const Image& after);
  void judge_task_move(const Image& before, const Image& after);
  void judge_begin(const Image& before, const Image& after);
  void judge_attempt_end(const Image& after);
  void judge_lost(const Image& before);
  void judge_lease(const Image& before, const Image& after);
  void judge_effect(const Image& effect);

  bool is_alive(const Image& lease) const;
  const Image* lease_of(const std::string& name) const;
  /// Not alive now, nor some time ago: its holder may have slept in between.
  bool was_alive_all_along(const std::string& lease_name) const;
  std::vector<const Image*> tasks_of(const std::string& run_id) const;
  const PlannedTask* planned(const Image& task) const;
  /// open, met or unmet
  std::string needs_of(const Image& task) const;
  void put(Rows& rows, const std::string& key, const Image& after);

  const Plan& plan_;
  const int64_t begun_us_;
  Rows runs_;
  Rows tasks_;  ///< By run and task.
  Rows leases_;
  std::map<std::string, int64_t> dead_at_us_;  ///< Lease → when it came back after its end.
  std::map<std::string, int64_t> cancelled_at_us_;
  std::map<std::string, std::string> retries_;  ///< Person → from which task.
  std::set<std::string> retried_;               ///< In this transaction.
  std::set<std::string> left_queue_;            ///< Runs that ended there, in this transaction.
  std::set<std::string> keys_;
  std::set<std::string> never_begun_;  ///< Runs that ended in the queue.
  std::set<std::string> gone_;
  std::set<std::string> dead_;
  std::map<std::string, std::pair<int64_t, int64_t>> launches_;
  std::optional<std::string> complaint_;
  Who who_;
  int64_t now_us_ = 0;
  int64_t last_fault_us_ = 0;
  int64_t active_ = 0;
  int64_t last_progress_us_ = 0;
  int64_t effects_ = 0;
  int64_t begins_ = 0;
};

/// The columns that it looks at.
std::map<std::string, std::vector<std::string>> audited_tables();

}  // namespace weir::simulate
