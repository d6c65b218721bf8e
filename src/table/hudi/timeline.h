#pragma once

/// The timeline of a table: files `<time>.<action>[.requested|.inflight]`, directly in `.hoodie/`
/// (layout 1) or in a folder of their own, where a completed file also tells when it was completed:
/// `<time>_<completion time>.<action>` (layout 2, table versions 8 and 9). Which instants there
/// are, and what the next may be called; weir itself writes layout 1 alone.

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "storage/storage.h"
#include "table/hudi.h"
#include "table/hudi/properties.h"

namespace weir::table {

inline constexpr std::string_view kTimelineFolder = ".hoodie/";
inline constexpr std::string_view kMarkerFolder = ".hoodie/.temp/";

/// Where a table keeps its timeline, and in which form.
struct TimelineLayout {
  int version = 1;
  std::string folder = std::string(kTimelineFolder);  ///< With the '/' at its end.
  std::string history = ".hoodie/archived/";          ///< Where archived instants go.
};
/// By the table's properties, which must be ones that weir reads.
TimelineLayout layout_of(const TableProperties& properties);

/// commit or replacecommit.
std::string_view action_name(Action action);

/// Object name of an instant in one state on layout 1. Hudi's one exception: a commit's inflight
/// file is `T.inflight`, of all others `T.<action>.inflight`.
std::string instant_file(std::string_view time, std::string_view action, Instant::State state);

/// The instant that an object in the timeline's folder stands for, or nothing.
std::optional<Instant> parse_instant_file(std::string_view object_name,
                                          const TimelineLayout& layout = {});

/// What incremental bounds are compared with: the completion time, or the instant's own on
/// layout 1.
inline const std::string& bound_of(const Instant& instant) {
  return instant.completion.empty() ? instant.time : instant.completion;
}

/// All instants, each once with the farthest state it reached, by time and action.
/// Safe to share between threads once loaded.
class Timeline {
 public:
  /// kCorrupt where an instant is completed twice, kUnsupported where an action is completed that
  /// weir does not know, or one of merge-on-read.
  static Result<Timeline> load(storage::Storage& store, const TimelineLayout& layout = {});

  const std::vector<Instant>& instants() const { return instants_; }
  /// Completed commits and replacecommits, oldest first: what makes data visible.
  const std::vector<Instant>& commits() const { return commits_; }
  /// Commits and replacecommits that never completed, or not yet.
  std::vector<Instant> pending_commits() const;
  /// The completed commit or replacecommit of that time, or null.
  const Instant* find_commit(std::string_view time) const;
  bool is_completed(std::string_view time) const { return find_commit(time) != nullptr; }
  /// Whether a data file of that instant counts: its commit is completed or archived.
  bool shows_files_of(std::string_view time) const {
    return is_completed(time) || is_archived(time);
  }
  /// Whether an instant is older than those that are kept, and not pending: it counts as committed.
  bool is_archived(std::string_view time) const;
  /// Before the first commit that no savepoint keeps: a savepoint's commit may stay when those
  /// after it are archived, so it does not begin the timeline.
  bool is_before_start(std::string_view time) const { return time < start_; }
  /// Of that commit; empty without one.
  const std::string& start() const { return start_; }
  /// The greatest time of any instant; empty without one.
  std::string last_time() const;

 private:
  std::vector<Instant> instants_;
  std::vector<Instant> commits_;
  std::set<std::string, std::less<>> pending_;
  std::string start_;  ///< Of the first commit that no savepoint keeps; empty without a commit.
};

/// max(now, last + 1 ms) as an instant time.
Result<std::string> next_instant_time(Clock& clock, std::string_view last);

}  // namespace weir::table
