#include "table/hudi/file_slices.h"

#include <algorithm>
#include <ranges>

// Which file of a group counts follows Hudi: the newest whose commit is completed. Three things may
// hide one: its commit is pending, it is after the instant asked for, or a replacecommit ended the
// group. Only commits that wrote a live file are read (for roles and row counts), so a snapshot's
// cost follows the number of live files, not the length of the timeline.

namespace weir::table {
namespace {

constexpr std::string_view kDataSuffix = ".parquet";

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

bool is_plain_id(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
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
  if (first == std::string_view::npos) return std::nullopt;
  file.file_group_id = rest.substr(0, first);
  file.write_token = rest.substr(first + 1, last - first - 1);
  file.instant = rest.substr(last + 1);
  // Hidden files and copies beside the data are none of it.
  const bool is_data = is_plain_id(file.file_group_id) && is_plain_id(file.write_token) &&
                       file.instant.size() >= 14 && file.instant.size() <= 17 &&
                       file.instant.find_first_not_of("0123456789") == std::string::npos;
  return is_data ? std::optional(std::move(file)) : std::nullopt;
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

CommitLog::Metadata CommitLog::find_read(const std::string& file) {
  const std::lock_guard lock(mutex_);
  const auto found = read_.find(file);
  return found != read_.end() ? found->second : nullptr;
}

Result<CommitLog::Metadata> CommitLog::keep(const std::string& file, std::string_view text) {
  WEIR_ASSIGN(CommitMetadata parsed, parse_commit_metadata(text, file));
  auto metadata = std::make_shared<const CommitMetadata>(std::move(parsed));
  const std::lock_guard lock(mutex_);
  return read_.insert_or_assign(file, std::move(metadata)).first->second;
}

Result<CommitLog::Metadata> CommitLog::read(const Instant& completed) {
  if (auto known = find_read(completed.file)) return known;
  {
    const std::lock_guard lock(archive_mutex_);
    if (archive_.find_commit(completed.time)) return read_archived(archive_, completed);
  }
  const auto text = store_.read(completed.file, storage::Range::all());
  if (text) return keep(completed.file, *text);
  if (text.error().code != ErrorCode::kNotFound) return std::unexpected(text.error());
  // It may have left the timeline since that was loaded.
  const std::lock_guard lock(archive_mutex_);
  WEIR_TRY(refresh(archive_));
  if (archive_.find_commit(completed.time)) return read_archived(archive_, completed);
  return std::unexpected(text.error());
}

Result<CommitLog::Metadata> CommitLog::read_archived(const Archive& archive,
                                                     const Instant& completed) {
  WEIR_ASSIGN(const auto texts, archive.read_around(store_, completed.time));
  for (const auto& [file, text] : texts) {
    if (file != completed.file && !find_read(file)) (void)keep(file, text);
  }
  return keep(completed.file, texts.at(completed.file));
}

Status CommitLog::refresh(Archive& archive) {
  if (layout_.version != 1) return {};  // weir writes no other timeline
  return archive.refresh(store_);
}

Result<std::vector<Instant>> CommitLog::archived(const Timeline& timeline) {
  const std::lock_guard lock(archive_mutex_);
  WEIR_TRY(refresh(archive_));
  archive_before_ = timeline.start();
  std::vector<Instant> commits = archive_.commits();
  // Both have it where the trim was cut off.
  std::erase_if(commits, [&](const Instant& commit) { return timeline.is_completed(commit.time); });
  return commits;
}

Result<std::optional<Instant>> CommitLog::find_archived(const Timeline& timeline,
                                                        std::string_view time) {
  const std::lock_guard lock(archive_mutex_);
  if (archive_before_ != timeline.start()) {
    WEIR_TRY(refresh(archive_));
    archive_before_ = timeline.start();
  }
  return archive_.find_commit(time);
}

Result<std::optional<Instant>> CommitLog::find_archived_token(const std::string& token) {
  const std::lock_guard lock(archive_mutex_);
  WEIR_TRY(refresh(archive_));
  return archive_.find_token(token);
}

bool is_at_or_before(std::string_view time, std::string_view at) {
  return at.empty() || time.substr(0, at.size()) <= at;
}

bool Moment::sees(const Instant& commit) const {
  return is_at_or_before(by == By::kInstant ? commit.time : bound_of(commit), at);
}

std::vector<Instant> commits_seen(const Timeline& timeline, const Moment& moment) {
  std::vector<Instant> commits;
  for (const auto& commit : timeline.commits()) {
    if (moment.sees(commit)) commits.push_back(commit);
  }
  return commits;
}

Result<std::map<GroupKey, DataFile>> live_files(const Timeline& timeline, CommitLog& log,
                                                const std::vector<DataFile>& files,
                                                const Moment& moment) {
  const auto is_seen = [&](const DataFile& file) {
    const Instant* commit = timeline.find_commit(file.instant);
    if (commit != nullptr) return moment.sees(*commit);
    return timeline.is_archived(file.instant) && is_at_or_before(file.instant, moment.at);
  };
  std::map<GroupKey, DataFile> live;
  for (const auto& file : files) {
    if (!is_seen(file)) continue;
    auto [found, is_new] = live.try_emplace({file.partition, file.file_group_id}, file);
    if (!is_new && found->second.instant < file.instant) found->second = file;
  }
  WEIR_TRY(drop_replaced(commits_seen(timeline, moment), log, live));
  return live;
}

Result<FileSlice> slice_of(const DataFile& file, const Timeline& timeline, CommitLog& log) {
  FileSlice slice{file.file_group_id, file.partition, file.name, file.instant, -1,
                  file.size_bytes,    Role::kMixed};
  std::optional<Instant> commit;
  if (const Instant* found = timeline.find_commit(file.instant)) commit = *found;
  if (!commit) {
    WEIR_ASSIGN(commit, log.find_archived(timeline, file.instant));
  }
  if (!commit) {
    // Another engine has archived its commit: the file itself still knows.
    WEIR_ASSIGN(const parquet::FileInfo info, parquet::read_info(log.store(), file.name));
    slice.rows = info.rows;
    const auto role = info.footer.find(kRoleKey);
    if (role != info.footer.end()) slice.role = role_from_text(role->second);
    return slice;
  }
  WEIR_ASSIGN(const auto metadata, log.read(*commit));
  slice.role = role_in(metadata->extra, file.file_group_id);
  slice.sha256 = hash_in(metadata->extra, file.file_group_id);
  slice.key_ranges = key_ranges_in(metadata->extra, file.file_group_id);
  for (const auto& stat : metadata->stats) {
    if (stat.path != file.name) continue;
    slice.rows = stat.rows;
    // What was written, not what lies there: whoever reads it compares.
    if (stat.size_bytes > 0) slice.size_bytes = stat.size_bytes;
  }
  return slice;
}

}  // namespace weir::table
