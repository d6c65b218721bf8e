#include "table/hudi/file_slices.h"

#include <algorithm>
#include <ranges>
#include <set>

#include "table/hudi/avro_schema.h"

// Which file of a group counts follows Hudi: the newest whose commit is completed. Three things may
// hide one: its commit is pending, it is after the instant asked for, or a replacecommit ended the
// group. Only commits that wrote a live file are read (for roles and row counts), so a snapshot's
// cost follows the number of live files, not the length of the timeline.

namespace weir::table {
namespace {

constexpr std::string_view kDataSuffix = ".parquet";

bool is_at_or_before(std::string_view time, std::string_view at) {
  return at.empty() || time.substr(0, at.size()) <= at;
}

std::vector<Instant> commits_until(const Timeline& timeline, std::string_view at) {
  std::vector<Instant> commits;
  for (const auto& commit : timeline.commits()) {
    if (is_at_or_before(commit.time, at)) commits.push_back(commit);
  }
  return commits;
}

/// Takes the groups out that a replacecommit ended. From the newest back, and only those that are
/// newer than a file still standing: a group is ended once, by a commit after its files.
Status drop_replaced(const std::vector<Instant>& commits, CommitLog& log,
                     std::map<GroupKey, DataFile>& live) {
  for (const auto& commit : commits | std::views::reverse) {
    if (commit.action != "replacecommit") continue;
    const bool may_matter = std::ranges::any_of(
        live, [&](const auto& entry) { return entry.second.instant < commit.time; });
    if (!may_matter) continue;
    WEIR_ASSIGN(const auto metadata, log.read(commit));
    for (const auto& [partition, ids] : metadata->replaced) {
      for (const auto& id : ids) live.erase({partition, id});
    }
  }
  return {};
}

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

/// kNotFound where a file that was live then is gone: cleaned, so the version cannot be read whole.
Status check_complete(const std::vector<Instant>& commits, CommitLog& log,
                      const std::map<GroupKey, DataFile>& live, std::string_view at) {
  WEIR_ASSIGN(const auto gone, gone_of(commits, log, live));
  if (gone.empty()) return {};
  return fail_with_hint(
      ErrorCode::kNotFound,
      fmt::format("the table as of {} cannot be read whole: {} is gone", at, gone.front()),
      "its files were cleaned; ask for a later instant");
}

Result<FileSlice> slice_of(const DataFile& file, const Timeline& timeline, CommitLog& log) {
  FileSlice slice{file.file_group_id, file.partition, file.name, file.instant, -1,
                  file.size_bytes,    Role::kMixed};
  const auto& commits = timeline.commits();
  const auto commit = std::ranges::lower_bound(commits, file.instant, {}, &Instant::time);
  if (commit == commits.end() || commit->time != file.instant) {
    // Its commit is archived: the file itself still knows.
    WEIR_ASSIGN(const parquet::FileInfo info, parquet::read_info(log.store(), file.name));
    slice.rows = info.rows;
    const auto role = info.footer.find(kRoleKey);
    if (role != info.footer.end()) slice.role = role_from_text(role->second);
    return slice;
  }
  WEIR_ASSIGN(const auto metadata, log.read(*commit));
  slice.role = role_in(metadata->extra, file.file_group_id);
  slice.sha256 = hash_in(metadata->extra, file.file_group_id);
  for (const auto& stat : metadata->stats) {
    if (stat.path != file.name) continue;
    slice.rows = stat.rows;
    // What was written, not what lies there: whoever reads it compares.
    if (stat.size_bytes > 0) slice.size_bytes = stat.size_bytes;
  }
  return slice;
}

bool has_weirs_extra(const CommitMetadata& metadata) {
  if (metadata.extra.contains(kServiceKey)) return false;
  const auto first = metadata.extra.lower_bound("weir.");
  return first != metadata.extra.end() && first->first.starts_with("weir.");
}

}  // namespace

std::optional<DataFile> parse_data_file(const storage::Entry& entry) {
  std::string_view rest = entry.name;
  if (rest.starts_with(kTimelineFolder) || !rest.ends_with(kDataSuffix)) return std::nullopt;
  DataFile file;
  file.name = entry.name;
  file.size_bytes = entry.size_bytes;
  const size_t slash = rest.rfind('/');
  if (slash != std::string_view::npos) {
    file.partition = rest.substr(0, slash);
    rest.remove_prefix(slash + 1);
  }
  rest.remove_suffix(kDataSuffix.size());
  const size_t last = rest.rfind('_');
  if (last == std::string_view::npos || last == 0) return std::nullopt;
  const size_t first = rest.rfind('_', last - 1);
  if (first == std::string_view::npos || first == 0) return std::nullopt;
  file.file_group_id = rest.substr(0, first);
  file.instant = rest.substr(last + 1);
  const bool has_instant = file.instant.size() >= 14 &&
                           file.instant.find_first_not_of("0123456789") == std::string::npos;
  return has_instant ? std::optional(std::move(file)) : std::nullopt;
}

std::string data_file_name(std::string_view partition, std::string_view file_group_id,
                           std::string_view write_token, std::string_view instant) {
  return fmt::format("{}{}{}_{}_{}{}", partition, partition.empty() ? "" : "/", file_group_id,
                     write_token, instant, kDataSuffix);
}

Result<std::vector<DataFile>> list_data_files(storage::Storage& store) {
  // Everything below `.hoodie/` is left out of the listing: `0` is the byte after `/`.
  static constexpr std::string_view kAfterTimeline = ".hoodie0";
  std::vector<DataFile> files;
  std::string after;
  while (true) {
    WEIR_ASSIGN(const storage::Page page, store.list("", after));
    for (const auto& entry : page.entries) {
      if (auto file = parse_data_file(entry)) files.push_back(*std::move(file));
    }
    if (page.is_last || page.entries.empty()) return files;
    after = page.entries.back().name;
    if (after.starts_with(kTimelineFolder)) after = kAfterTimeline;
  }
}

Result<std::shared_ptr<const CommitMetadata>> CommitLog::read(const Instant& completed) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = read_.find(completed.file);
    if (found != read_.end()) return found->second;
  }
  WEIR_ASSIGN(const std::string text, store_.read(completed.file, storage::Range::all()));
  WEIR_ASSIGN(CommitMetadata parsed, parse_commit_metadata(text, completed.file));
  auto metadata = std::make_shared<const CommitMetadata>(std::move(parsed));
  const std::lock_guard lock(mutex_);
  return read_.insert_or_assign(completed.file, std::move(metadata)).first->second;
}

Result<std::map<GroupKey, DataFile>> live_files(const Timeline& timeline, CommitLog& log,
                                                const std::vector<DataFile>& files,
                                                std::string_view at) {
  std::map<GroupKey, DataFile> live;
  for (const auto& file : files) {
    if (!is_at_or_before(file.instant, at) || !timeline.shows_files_of(file.instant)) continue;
    auto [found, is_new] = live.try_emplace({file.partition, file.file_group_id}, file);
    if (!is_new && found->second.instant < file.instant) found->second = file;
  }
  WEIR_TRY(drop_replaced(commits_until(timeline, at), log, live));
  return live;
}

Result<model::Schema> schema_at(const TableProperties& properties, CommitLog& log,
                                const std::vector<Instant>& commits) {
  for (const auto& commit : commits | std::views::reverse) {
    WEIR_ASSIGN(const auto metadata, log.read(commit));
    const auto schema = metadata->extra.find(kSchemaKey);
    if (schema != metadata->extra.end() && !schema->second.empty())
      return while_doing(schema_from_avro(schema->second),
                         fmt::format("reading the schema of commit {}", commit.time));
  }
  const std::string created = property_or(properties, "hoodie.table.create.schema", "");
  return created.empty() ? Result<model::Schema>(model::Schema{}) : schema_from_avro(created);
}

Result<std::vector<std::string>> missing_files(CommitLog& log) {
  WEIR_ASSIGN(const Timeline timeline, Timeline::load(log.store()));
  WEIR_ASSIGN(const std::vector<DataFile> files, list_data_files(log.store()));
  WEIR_ASSIGN(const auto live, live_files(timeline, log, files, ""));
  return gone_of(timeline.commits(), log, live);
}

Result<Snapshot> take_snapshot(const TableProperties& properties, CommitLog& log,
                               std::string_view at) {
  WEIR_ASSIGN(const Timeline timeline, Timeline::load(log.store()));
  const std::vector<Instant> commits = commits_until(timeline, at);
  Snapshot snapshot;
  WEIR_ASSIGN(snapshot.schema, schema_at(properties, log, commits));
  if (commits.empty()) {
    if (at.empty()) return snapshot;
    return fail_with_hint(
        ErrorCode::kNotFound, fmt::format("the table has no commit at or before {}", at),
        timeline.commits().empty() ? "nothing was committed yet"
                                   : "the oldest one is " + timeline.commits().front().time);
  }
  snapshot.instant = commits.back().time;
  WEIR_ASSIGN(const std::vector<DataFile> files, list_data_files(log.store()));
  WEIR_ASSIGN(const auto live, live_files(timeline, log, files, at));
  if (commits.size() < timeline.commits().size()) WEIR_TRY(check_complete(commits, log, live, at));
  for (const auto& [group, file] : live) {
    WEIR_ASSIGN(FileSlice slice, slice_of(file, timeline, log));
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

}  // namespace weir::table
