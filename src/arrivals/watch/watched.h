#pragma once

/// One trigger under watch: looks at its stores, groups what waits, decides runs.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "arrivals/pace.h"
#include "arrivals/watch.h"
#include "arrivals/watch/groups.h"
#include "arrivals/watch/known_files.h"

namespace weir::arrivals {

/// How much content one poll may still read.
struct Budget {
  int64_t runs_left = 0;
  int64_t bytes_left = 0;
};

/// Not for use from several threads at once.
class Watched {
 public:
  Watched(Trigger trigger, WatchGround ground);

  const Trigger& trigger() const { return *trigger_; }

  /// Looks, writes and decides; what it finds is added to `polled`.
  Status poll(int64_t now_us, const Cancel& cancel, Budget& budget, Polled& polled,
              bool wants_waiting);
  /// Looks alone.
  Status look(int64_t now_us, const Cancel& cancel, Polled& polled);
  /// It could not look: later.
  void put_off(int64_t now_us);

  /// Whether the file is one of its own, or says something about one.
  Result<bool> wake(const std::string& file);
  void wake_all() { must_list_ = true; }

  bool is_time(int64_t now_us) const;
  int64_t next_at_us() const;

 private:
  struct Hashed {
    std::string version;
    std::string sha256;
  };

  // look.cc
  Status see_all(int64_t now_us, const Cancel& cancel);
  Status list_place(const std::string& uri, const std::string& prefix, int64_t now_us);
  Status take_entry(const std::string& uri, const storage::Entry& entry, int64_t now_us);
  Status see_some(const std::set<std::string>& names, int64_t now_us);
  Status see_one(const std::string& name, int64_t now_us);
  Result<bool> is_there(const Source& source, const std::string& name);
  Result<Manifest> read(const KnownFile& file);
  Result<std::vector<Group>> groups(int64_t now_us, bool must_be_seen);
  Result<std::set<std::string>> ready_unseen(int64_t now_us);

  // decide.cc
  Status decide(std::vector<Group>& groups, int64_t now_us, const Cancel& cancel, Budget& budget);
  Result<bool> read_contents(Group& group, int64_t now_us, const Cancel& cancel, Budget& budget);
  Result<bool> read_content(KnownFile& file, int64_t now_us, Budget& budget);
  Pace pace() const;
  Result<bool> take_turn(Group& group, int64_t now_us);
  Result<bool> last_run_waits();
  bool is_as_listed(Group& group);
  bool drop_known(Group& group);
  void claim(Group& group, int64_t now_us);
  std::string content_of(const KnownFile& file) const;
  std::string run_key_of(const Group& group) const;
  Status remember_hashes();

  // watched.cc
  Status look_and_decide(int64_t now_us, const Cancel& cancel, Budget& budget,
                         std::vector<Group>& groups);
  Status note_started();
  Result<bool> note_if_started(const std::string& run_key);
  Status hand_out(Budget& budget, Polled& polled);
  Result<DueRun> due_run(const std::string& run_key, const std::set<std::string>& names);
  void tell_late(const std::vector<Group>& groups, int64_t now_us, Polled& polled);
  /// What was due by now and has not come.
  std::optional<LateFact> missing(const std::vector<Group>& groups, int64_t now_us) const;
  bool has_come(const schedule::Interval& interval) const;
  void tell_waiting(const std::vector<Group>& groups, Polled& polled) const;
  void plan_next(const std::vector<Group>& groups, int64_t now_us);

  // Known files refer to it; it stays where it is when this moves.
  std::unique_ptr<Trigger> trigger_;
  WatchGround ground_;
  std::unique_ptr<KnownFiles> known_;
  std::vector<Fault> odd_names_;

  bool must_list_ = true;
  int64_t put_off_until_us_ = 0;  ///< It could not look; 0: it could.
  bool must_group_ = false;       ///< Something came that is no file of its own: a marker.
  std::set<std::string> woken_;
  int64_t next_list_at_us_ = 0;
  int64_t next_group_at_us_ = 0;  ///< 0: nothing waits for a time.
  bool has_more_due_ = false;
  std::set<std::string> handed_out_;  ///< Keys of runs, by the poll before.
  std::set<std::string> told_;        ///< LateFact::fact_key

  // Of one poll.
  bool has_listed_ = false;
  std::unordered_set<std::string> others_;  ///< Listed, and none of its own: `layer/name`.
  std::map<std::string, bool> stats_;

  std::map<std::string, Hashed> hashed_;  ///< By name, of what waits.
  std::map<std::string, std::vector<catalog::HashedFile>> to_remember_;        ///< By URI.
  std::map<std::pair<std::string, std::string>, Result<Manifest>> manifests_;  ///< Name, version.
};

}  // namespace weir::arrivals
