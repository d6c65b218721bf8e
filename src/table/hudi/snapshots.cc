#include "table/hudi/snapshots.h"

#include <algorithm>
#include <ranges>
#include <set>

#include "table/hudi/partition_values.h"
#include "table/hudi/table_schema.h"
#include "table/hudi/timeline_history.h"

namespace weir::table {
namespace {

/// Files that were live after these commits, by what the commits say, and that are not there.
Result<std::vector<std::string>> gone_of(const std::vector<Instant>& commits, CommitLog& log,
                                         const std::map<GroupKey, DataFile>& live) {
  std::set<GroupKey> seen;
  std::vector<std::string> gone;
  for (const auto& commit : commits | std::views::reverse) {
    WEIR_ASSIGN(const auto metadata, log.read(commit));
    for (const auto& [partition, ids] : metadata->replaced) {
      for (const auto& id : ids) seen.emplace(partition, id);
    }
    for (const auto& stat : metadata->stats) {
      const GroupKey group{stat.partition, stat.file_group_id};
      if (!seen.insert(group).second || stat.path.empty()) continue;
      const auto found = live.find(group);
      if (found == live.end() || found->second.name != stat.path) gone.push_back(stat.path);
    }
  }
  std::ranges::sort(gone);
  return gone;
}

/// The table as its store has it, for one question.
struct Listed {
  Timeline timeline;
  std::vector<DataFile> files;
};

/// A file of the moment that is gone, by what the commits after it say of what was there before
/// them; empty where all are there. Commits that wrote them may be archived; these are not.
Result<std::string> gone_before_later_commits(const Listed& table, CommitLog& log,
                                              const std::map<GroupKey, DataFile>& live,
                                              const Moment& moment) {
  std::set<GroupKey> touched;
  for (const auto& commit : table.timeline.commits()) {
    if (moment.sees(commit)) continue;
    WEIR_ASSIGN(const auto metadata, log.read(commit));
    for (const auto& [partition, ids] : metadata->replaced) {
      for (const auto& id : ids) {
        if (touched.emplace(partition, id).second && !live.contains({partition, id}))
          return fmt::format("file group {} of partition '{}'", id, partition);
      }
    }
    for (const auto& stat : metadata->stats) {
      const GroupKey group{stat.partition, stat.file_group_id};
      if (!touched.insert(group).second || stat.previous_commit.empty()) continue;
      const Instant* previous = table.timeline.find_commit(stat.previous_commit);
      if (previous != nullptr && !moment.sees(*previous)) continue;
      const auto found = live.find(group);
      if (found != live.end() && found->second.instant == stat.previous_commit) continue;
      return fmt::format("{}{}{}", stat.partition, stat.partition.empty() ? "" : "/",
                         stat.previous_file.empty() ? stat.file_group_id : stat.previous_file);
    }
  }
  return std::string();
}

/// Empty, or what is gone of the table at that moment.
Result<std::string> what_is_gone(const Listed& table, CommitLog& log, const Moment& moment,
                                 const std::map<GroupKey, DataFile>& live) {
  const std::vector<Instant> seen = commits_seen(table.timeline, moment);
  // The newest version is never cleaned; what is lost of it is for missing_files() to tell.
  if (seen.size() == table.timeline.commits().size()) return std::string();
  WEIR_ASSIGN(const auto gone, gone_of(seen, log, live));
  if (!gone.empty()) return gone.front();
  return gone_before_later_commits(table, log, live, moment);
}

/// The hint of a refusal: the first version that is there whole.
Result<std::string> earliest_hint(const Listed& table, CommitLog& log, Moment::By by) {
  for (const auto& commit : table.timeline.commits()) {
    const Moment moment(by == Moment::By::kInstant ? commit.time : bound_of(commit), by);
    WEIR_ASSIGN(const auto live, live_files(table.timeline, log, table.files, moment));
    WEIR_ASSIGN(const std::string gone, what_is_gone(table, log, moment, live));
    if (gone.empty()) return "the earliest that can be read is " + moment.at;
  }
  return std::string("nothing was committed yet");
}

/// Whether the moment lies between a commit that a savepoint keeps and the timeline's beginning,
/// where commits are archived: what they replaced is forgotten.
Result<bool> is_in_archived_stretch(const Listed& table, CommitLog& log, const Moment& moment) {
  const Instant last = commits_seen(table.timeline, moment).back();
  if (!table.timeline.is_before_start(last.time)) return false;
  if (moment.at == last.time || moment.at == bound_of(last)) return false;
  WEIR_ASSIGN(const auto page, log.store().list(log.layout().history, ""));
  return !page.entries.empty();
}

/// The live files of a moment that can be told whole. kNotFound, naming the earliest that can.
Result<std::map<GroupKey, DataFile>> whole_files(const Listed& table, CommitLog& log,
                                                 const Moment& moment) {
  const std::vector<Instant> seen = commits_seen(table.timeline, moment);
  if (seen.empty()) {
    WEIR_ASSIGN(std::string hint, earliest_hint(table, log, moment.by));
    return fail_with_hint(
        ErrorCode::kNotFound,
        fmt::format("the table has no commit at or before {} on its timeline", moment.at),
        std::move(hint));
  }
  WEIR_ASSIGN(auto live, live_files(table.timeline, log, table.files, moment));
  WEIR_ASSIGN(std::string gone, what_is_gone(table, log, moment, live));
  if (gone.empty()) {
    WEIR_ASSIGN(const bool is_forgotten, is_in_archived_stretch(table, log, moment));
    if (is_forgotten) gone = "the record of what was committed up to then";
  }
  if (gone.empty()) return live;
  WEIR_ASSIGN(std::string hint, earliest_hint(table, log, moment.by));
  return fail_with_hint(
      ErrorCode::kNotFound,
      fmt::format("the table as of {} cannot be read whole: {} is gone", moment.at, gone),
      "its files were cleaned; " + hint);
}

constexpr int kListings = 5;

/// The timeline as it stood at one moment. A listing takes several requests, and who shortens the
/// timeline meanwhile takes the oldest commit away first: as long as that is there, none behind it
/// can have gone unseen.
Result<Timeline> load_steady(CommitLog& log) {
  for (int tries = 1;; ++tries) {
    WEIR_ASSIGN(Timeline timeline, log.timeline());
    const Instant* oldest = timeline.find_commit(timeline.start());
    if (oldest == nullptr) return timeline;
    const auto there = log.store().stat(oldest->file);
    if (there) return timeline;
    if (there.error().code != ErrorCode::kNotFound) return std::unexpected(there.error());
    if (tries == kListings)
      return fail(ErrorCode::kUnavailable,
                  "the timeline at {} is being shortened: {} is gone again", log.store().uri(),
                  oldest->file);
  }
}

Result<Listed> list_table(CommitLog& log) {
  // The timeline first: what is committed after it may show files of which the listing has part.
  WEIR_ASSIGN(Timeline timeline, load_steady(log));
  for (const auto& instant : timeline.instants()) {
    if (instant.action == "restore" && instant.state != Instant::State::kCompleted)
      return fail_with_hint(
          ErrorCode::kUnavailable,
          fmt::format("the table is half restored to an earlier version: {}", instant.file),
          "let the writer that began it finish the restore");
  }
  WEIR_ASSIGN(std::vector<DataFile> files, list_data_files(log.store()));
  return Listed{std::move(timeline), std::move(files)};
}

/// Whether there is no commit but the empty one that begins a table of weir's; two who made it at
/// once may have put two.
Result<bool> has_nothing_yet(CommitLog& log, const std::vector<Instant>& commits) {
  for (const auto& commit : commits) {
    WEIR_ASSIGN(const auto metadata, log.read(commit));
    if (!begins_table(*metadata)) return false;
  }
  return true;
}

/// The greatest bound up to which every commit is among those seen.
std::string bound_after(const Timeline& timeline, const Moment& moment) {
  std::vector<const Instant*> by_bound;
  for (const auto& commit : timeline.commits()) by_bound.push_back(&commit);
  std::ranges::sort(by_bound, {}, [](const Instant* commit) { return bound_of(*commit); });
  std::string bound;
  for (const Instant* commit : by_bound) {
    if (!moment.sees(*commit)) break;
    bound = bound_of(*commit);
  }
  return bound;
}

/// Whether a bound is behind `from`, which as a prefix takes its whole time in.
bool is_after(std::string_view bound, std::string_view from) {
  return from.empty() || bound.substr(0, from.size()) > from;
}

/// Commits of (from, to] that are archived, on the timeline that tells completion times.
Result<std::set<std::string, std::less<>>> archived_between(CommitLog& log, const Listed& table,
                                                            std::string_view from,
                                                            std::string_view to) {
  std::set<std::string, std::less<>> times;
  WEIR_ASSIGN(const auto completions, archived_completions(log.store(), log.layout()));
  for (const auto& [time, completion] : completions) {
    if (is_after(completion, from) && is_at_or_before(completion, to)) times.insert(time);
  }
  // A file that outlived even the history: its completion is no earlier than its instant.
  for (const auto& file : table.files) {
    if (table.timeline.is_archived(file.instant) && !completions.contains(file.instant) &&
        is_after(file.instant, from))
      times.insert(file.instant);
  }
  return times;
}

}  // namespace

Result<std::vector<std::string>> missing_files(CommitLog& log) {
  WEIR_ASSIGN(const Listed table, list_table(log));
  WEIR_ASSIGN(const auto live, live_files(table.timeline, log, table.files, ""));
  WEIR_ASSIGN(std::vector<Instant> commits, log.archived(table.timeline));
  commits.insert(commits.end(), table.timeline.commits().begin(), table.timeline.commits().end());
  return gone_of(commits, log, live);
}

Result<Snapshot> take_snapshot(const TableProperties& properties, CommitLog& log,
                               std::string_view at) {
  WEIR_ASSIGN(const Listed table, list_table(log));
  const Moment moment(at);
  Snapshot snapshot;
  snapshot.path_columns = path_columns(properties);
  const std::vector<Instant> commits = commits_seen(table.timeline, moment);
  std::map<GroupKey, DataFile> live;
  if (!commits.empty() || !at.empty()) {
    WEIR_ASSIGN(live, whole_files(table, log, moment));
    WEIR_ASSIGN(const bool is_new, has_nothing_yet(log, commits));
    if (!is_new) snapshot.instant = commits.back().time;
    snapshot.bound = bound_after(table.timeline, moment);
  }
  WEIR_ASSIGN(snapshot.schema, schema_of(properties, log, commits, live));
  for (const auto& [group, file] : live) {
    WEIR_ASSIGN(FileSlice slice, slice_of(file, table.timeline, log));
    snapshot.slices.push_back(std::move(slice));
  }
  std::ranges::sort(snapshot.slices, {}, &FileSlice::name);
  for (const auto& commit : commits | std::views::reverse) {
    WEIR_ASSIGN(const auto metadata, log.read(commit));
    if (!has_weirs_extra(*metadata)) continue;
    snapshot.extra = metadata->extra;
    break;
  }
  return snapshot;
}

Result<Changes> take_changes(const TableProperties& properties, CommitLog& log,
                             std::string_view from, std::string_view to) {
  WEIR_ASSIGN(const Listed table, list_table(log));
  const Moment moment(to, Moment::By::kBound);
  Changes changes;
  changes.from = from;
  changes.to = from;
  changes.path_columns = path_columns(properties);
  const std::vector<Instant> commits = commits_seen(table.timeline, moment);
  if (commits.empty() && to.empty()) return changes;
  WEIR_ASSIGN(const auto live, whole_files(table, log, moment));
  WEIR_ASSIGN(changes.schema, schema_of(properties, log, commits, live));
  const bool is_by_completion = log.layout().version == 2 && !from.empty();
  if (is_by_completion) {
    WEIR_ASSIGN(changes.instants, archived_between(log, table, from, to));
  }
  for (const auto& commit : commits) {
    changes.to = std::max(changes.to, bound_of(commit));
    if (!is_after(bound_of(commit), from)) continue;
    WEIR_ASSIGN(const auto metadata, log.read(commit));
    changes.commits.push_back(info_of(commit, *metadata));
    if (is_by_completion) changes.instants.insert(commit.time);
  }
  for (const auto& [group, file] : live) {
    const bool may_hold_some =
        is_by_completion ? changes.instants.contains(file.instant) : is_after(file.instant, from);
    if (!may_hold_some) continue;
    WEIR_ASSIGN(FileSlice slice, slice_of(file, table.timeline, log));
    changes.slices.push_back(std::move(slice));
  }
  std::ranges::sort(changes.slices, {}, &FileSlice::name);
  return changes;
}

}  // namespace weir::table
