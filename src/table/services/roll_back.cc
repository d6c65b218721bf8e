#include <set>

#include "table/hudi/archive.h"
#include "table/hudi/commit_metadata.h"
#include "table/hudi/decision.h"
#include "table/hudi/file_slices.h"
#include "table/hudi/recovery.h"
#include "table/services.h"

namespace weir::table {
namespace {

std::unexpected<Error> cleaned(const Instant& newest, std::string_view what) {
  return fail_with_hint(
      ErrorCode::kNotFound,
      fmt::format("commit {} cannot be taken back: {}, which it replaced, is gone", newest.time,
                  what),
      "its files were cleaned; write the rows that should be there instead");
}

/// The version before can be read whole again: the files and groups that the commit replaced are
/// there.
Status check_previous(storage::Storage& store, const Instant& newest,
                      const CommitMetadata& metadata) {
  for (const auto& stat : metadata.stats) {
    if (stat.previous_file.empty()) continue;
    const std::string name =
        stat.partition.empty() ? stat.previous_file : stat.partition + "/" + stat.previous_file;
    const auto there = store.stat(name);
    if (there) continue;
    if (there.error().code != ErrorCode::kNotFound) return std::unexpected(there.error());
    return cleaned(newest, name);
  }
  if (metadata.replaced.empty()) return {};
  std::set<std::pair<std::string, std::string>> there;
  WEIR_ASSIGN(const auto files, list_data_files(store));
  for (const auto& file : files) {
    if (file.instant < newest.time) there.emplace(file.partition, file.file_group_id);
  }
  for (const auto& [partition, ids] : metadata.replaced) {
    for (const auto& id : ids) {
      if (!there.contains({partition, id}))
        return cleaned(newest, fmt::format("file group {} of partition '{}'", id, partition));
    }
  }
  return {};
}

/// What is older than the newest commit must not begin the timeline anew, and what is archived has
/// to be true for ever.
Status check_not_archived(storage::Storage& store, const std::vector<Instant>& commits) {
  Archive archive;
  WEIR_TRY(archive.refresh(store));
  const std::string last = archive.last_time();
  if (last.empty() || (commits.size() > 1 && commits.back().time > last)) return {};
  return fail_with_hint(
      ErrorCode::kNotFound,
      fmt::format("commit {} cannot be taken back: the commits before it are archived, up to {}",
                  commits.back().time, last),
      "write the rows that should be there instead");
}

}  // namespace

// The commit becomes one that never completed: markers for its files, then its completed file goes,
// which is what readers see, then it is undone like any leftover. Cut off after that, whoever
// writes next undoes it, Spark too.
Result<std::string> roll_back(const TableContext& context, HudiTable& table,
                              const std::string& instant) {
  WEIR_TRY(table.check_writable());
  if (context.guard != nullptr) WEIR_TRY(context.guard->still_mine());
  storage::Storage& store = *context.store;
  WEIR_ASSIGN(const Timeline timeline, Timeline::load(store));
  const auto& commits = timeline.commits();
  if (commits.empty() || commits.back().time != instant)
    return fail_with_hint(
        ErrorCode::kConflict,
        fmt::format("{} is not the newest commit of the table{}", instant,
                    commits.empty() ? std::string(", which has none")
                                    : fmt::format(": that is {}", commits.back().time)),
        "only the newest can be taken back, one after the other");
  if (!timeline.pending_commits().empty())
    return fail(ErrorCode::kConflict,
                "commit {} is under way: nothing can be taken back before it ends",
                timeline.pending_commits().front().time);
  WEIR_TRY(check_not_archived(store, commits));
  const Instant& newest = commits.back();
  CommitLog log(store);
  WEIR_ASSIGN(const auto metadata, log.read(newest));
  WEIR_TRY(check_previous(store, newest, *metadata));
  // By what the commits before it say, too: of a version that is read in part nothing would be
  // said.
  if (commits.size() > 1) {
    const auto before = table.snapshot(commits[commits.size() - 2].time);
    if (!before) return std::unexpected(before.error());
  }
  for (const auto& stat : metadata->stats)
    WEIR_TRY(storage::put(store, marker_file(newest.time, stat.path, stat.previous_file.empty()),
                          "", storage::Put::kReplace));
  // Spark may have archived or never written it; without it nobody would know of the leftover.
  const std::string inflight = instant_file(newest.time, newest.action, Instant::State::kInflight);
  const auto put = storage::put(store, inflight, "", storage::Put::kIfAbsent);
  if (!put && put.error().code != ErrorCode::kAlreadyExists) return std::unexpected(put.error());
  // Else the next writer would find that its own had decided to complete it.
  WEIR_TRY(set_undone(store, newest.time));
  if (context.guard != nullptr) WEIR_TRY(context.guard->still_mine());
  WEIR_TRY(store.remove(newest.file));
  Instant pending = newest;
  pending.state = Instant::State::kInflight;
  WEIR_TRY(undo_instant(store, pending));
  return commits.size() > 1 ? commits[commits.size() - 2].time : std::string();
}

}  // namespace weir::table
