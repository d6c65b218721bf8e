#pragma once

/// The flat timeline of table version 6: files `<time>.<action>[.requested|.inflight]` directly in
/// `.hoodie/`. Which instants there are, and what the next may be called.

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "storage/storage.h"
#include "table/hudi.h"

namespace weir::table {

inline constexpr std::string_view kTimelineFolder = ".hoodie/";
inline constexpr std::string_view kMarkerFolder = ".hoodie/.temp/";

/// commit or replacecommit.
std::string_view action_name(Action action);

/// Object name of an instant in one state. Hudi's one exception: a commit's inflight file is
/// `T.inflight`, of all others `T.<action>.inflight`.
std::string instant_file(std::string_view time, std::string_view action, Instant::State state);

/// The instant that an object below `.hoodie/` stands for, or nothing.
std::optional<Instant> parse_instant_file(std::string_view object_name);

/// All instants, each once with the farthest state it reached, by time and action.
/// Safe to share between threads once loaded.
class Timeline {
 public:
  static Result<Timeline> load(storage::Storage& store);

  const std::vector<Instant>& instants() const { return instants_; }
  /// Completed commits and replacecommits, oldest first: what makes data visible.
  const std::vector<Instant>& commits() const { return commits_; }
  /// Commits and replacecommits that never completed, or not yet.
  std::vector<Instant> pending_commits() const;
  bool is_completed(std::string_view time) const { return completed_.contains(time); }
  /// Whether a data file of that instant counts: its commit is completed, or is older than the
  /// oldest one that is kept (archived) and not pending.
  bool shows_files_of(std::string_view time) const;
  /// The greatest time of any instant; empty without one.
  std::string last_time() const;

 private:
  std::vector<Instant> instants_;
  std::vector<Instant> commits_;
  std::set<std::string, std::less<>> completed_;
  std::set<std::string, std::less<>> pending_;
};

/// max(now, last + 1 ms) as an instant time.
Result<std::string> next_instant_time(Clock& clock, std::string_view last);

}  // namespace weir::table
