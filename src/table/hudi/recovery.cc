#include "table/hudi/recovery.h"

#include <algorithm>
#include <set>

#include "table/hudi/commit_metadata.h"
#include "table/hudi/decision.h"
#include "table/hudi/file_slices.h"

namespace weir::table {
namespace {

constexpr std::string_view kMarkerInfix = ".marker.";
// Beside the folder of the markers, not in it: Hudi takes no marker of a folder where one file is
// none, rolls the instant back without removing its data files, and they appear once the timeline's
// beginning passes them (MarkerBasedRollbackUtils).
constexpr std::string_view kClaimSuffix = ".weir";

std::string marker_prefix(std::string_view time) {
  return fmt::format("{}{}/", kMarkerFolder, time);
}

/// The data file that a marker announces, if it is one of this instant: a marker is trusted only
/// with files of its own commit.
std::optional<DataFile> announced_file(std::string_view marker, std::string_view time) {
  std::string_view name = marker.substr(marker_prefix(time).size());
  const size_t infix = name.rfind(kMarkerInfix);
  if (infix == std::string_view::npos) return std::nullopt;
  storage::Entry entry;
  entry.name = name.substr(0, infix);
  auto file = parse_data_file(entry);
  if (!file || file->instant != time) return std::nullopt;
  return file;
}

Status remove_instant(storage::Storage& store, const Instant& pending) {
  WEIR_TRY(store.remove(instant_file(pending.time, pending.action, Instant::State::kInflight)));
  return store.remove(instant_file(pending.time, pending.action, Instant::State::kRequested));
}

Result<bool> is_weirs(storage::Storage& store, const Instant& pending, bool is_own_table) {
  if (pending.state == Instant::State::kRequested && is_own_table) return true;
  if (pending.state == Instant::State::kRequested) {
    const auto claim = store.stat(claim_file(pending.time));
    if (!claim && claim.error().code != ErrorCode::kNotFound) return std::unexpected(claim.error());
    return claim.has_value();
  }
  const auto text = store.read(pending.file, storage::Range::all());
  // Another is undoing it, and may die over what is left.
  if (!text && text.error().code == ErrorCode::kNotFound) return is_own_table;
  if (!text) return std::unexpected(text.error());
  const auto metadata = parse_commit_metadata(*text, pending.file);
  return metadata && metadata->extra.contains(kTokenKey);
}

Status put_completed(storage::Storage& store, const Instant& pending, const std::string& text) {
  const std::string file = instant_file(pending.time, pending.action, Instant::State::kCompleted);
  const auto put = storage::put(store, file, text, storage::Put::kIfAbsent);
  // By its own writer, who lives, or by an answer that was lost: it is the same file.
  if (!put && !store.stat(file)) return std::unexpected(put.error());
  return {};
}

enum class Ending { kUndone, kCompleted };

Result<Ending> end_pending(storage::Storage& store, const Instant& pending) {
  WEIR_ASSIGN(const Decision decision, decide(store, pending.time, std::nullopt));
  WEIR_ASSIGN(const Timeline now, Timeline::load(store));
  // It was completed since the first look, and its decision is gone with its markers.
  if (now.is_completed(pending.time)) return Ending::kCompleted;
  if (decision) {
    const auto is_it = [&](const Instant& instant) {
      return instant.time == pending.time && instant.state == Instant::State::kInflight;
    };
    const bool is_overtaken = !now.commits().empty() && now.commits().back().time > pending.time;
    if (std::ranges::any_of(now.instants(), is_it) && !is_overtaken) {
      WEIR_TRY(put_completed(store, pending, *decision));
      return Ending::kCompleted;
    }
    // Another engine has undone it, or went on without it: it would be below what does not know it.
    WEIR_TRY(set_undone(store, pending.time));
  }
  WEIR_TRY(undo_instant(store, pending));
  return Ending::kUndone;
}

/// Removes data files of no commit: a writer that lost its guard may finish a file after it was
/// rolled back. They are invisible until the timeline's beginning passes them, and then they
/// appear. An instant that was undone just now is no commit either: where another engine had undone
/// it before, its files have no markers.
Status remove_orphans(storage::Storage& store, const std::vector<DataFile>& listed,
                      const Timeline& timeline, const std::set<std::string>& undone) {
  std::set<std::string, std::less<>> known;
  for (const auto& instant : timeline.instants())
    if (!undone.contains(instant.time)) known.insert(instant.time);
  for (const auto& file : listed) {
    if (known.contains(file.instant) || timeline.shows_files_of(file.instant)) continue;
    WEIR_TRY(store.remove(file.name));
  }
  return {};
}

/// The instants that have markers.
Result<std::set<std::string>> marked_instants(storage::Storage& store) {
  WEIR_ASSIGN(const auto entries, storage::list_all(store, kMarkerFolder));
  std::set<std::string> times;
  for (const auto& entry : entries) {
    const std::string_view rest = std::string_view(entry.name).substr(kMarkerFolder.size());
    const size_t slash = rest.find('/');
    if (slash != std::string_view::npos) times.emplace(rest.substr(0, slash));
    if (rest.ends_with(kClaimSuffix) && slash == std::string_view::npos)
      times.emplace(rest.substr(0, rest.size() - kClaimSuffix.size()));
  }
  return times;
}

}  // namespace

std::string marker_file(std::string_view instant, std::string_view data_file, bool is_new_group) {
  return fmt::format("{}{}{}{}", marker_prefix(instant), data_file, kMarkerInfix,
                     is_new_group ? "CREATE" : "MERGE");
}

std::string claim_file(std::string_view instant) {
  return fmt::format("{}{}{}", kMarkerFolder, instant, kClaimSuffix);
}

Status remove_markers(storage::Storage& store, std::string_view time) {
  // The claim too: an instant is as long as every other, so the prefix is its alone.
  WEIR_ASSIGN(const auto markers,
              storage::list_all(store, fmt::format("{}{}", kMarkerFolder, time)));
  for (const auto& marker : markers) WEIR_TRY(store.remove(marker.name));
  return {};
}

Status undo_instant(storage::Storage& store, const Instant& pending) {
  WEIR_ASSIGN(const auto markers, storage::list_all(store, marker_prefix(pending.time)));
  for (const auto& marker : markers) {
    const auto file = announced_file(marker.name, pending.time);
    if (file) WEIR_TRY(store.remove(file->name));
  }
  WEIR_TRY(remove_markers(store, pending.time));
  return remove_instant(store, pending);
}

Status undo_attempt(storage::Storage& store, const Instant& pending, std::string_view write_token) {
  WEIR_ASSIGN(const auto markers, storage::list_all(store, marker_prefix(pending.time)));
  for (const auto& marker : markers) {
    const auto file = announced_file(marker.name, pending.time);
    if (!file || file->write_token != write_token) continue;
    WEIR_TRY(store.remove(file->name));
    WEIR_TRY(store.remove(marker.name));
  }
  WEIR_TRY(store.remove(claim_file(pending.time)));
  return remove_instant(store, pending);
}

Result<RolledBack> roll_back_all(storage::Storage& store, bool is_own_table,
                                 std::string_view before) {
  // Both are looked at before the timeline: of an instant that begins in between there is neither
  // a marker nor a file among them.
  WEIR_ASSIGN(const std::set<std::string> marked, marked_instants(store));
  std::vector<DataFile> files;
  if (is_own_table) {
    WEIR_ASSIGN(files, list_data_files(store));
  }
  WEIR_ASSIGN(const std::vector<std::string> decided, decided_instants(store));
  WEIR_ASSIGN(const Timeline timeline, Timeline::load(store));
  RolledBack result;
  result.has_commits = !timeline.commits().empty();
  std::set<std::string> pending_times;
  std::set<std::string> undone;
  for (const auto& pending : timeline.pending_commits()) {
    pending_times.insert(pending.time);
    if (pending.time >= before) continue;
    WEIR_ASSIGN(const bool is_ours, is_weirs(store, pending, is_own_table));
    if (!is_ours) continue;
    WEIR_ASSIGN(const Ending ending,
                while_doing(end_pending(store, pending),
                            fmt::format("ending the unfinished commit {}", pending.time)));
    if (ending == Ending::kUndone) {
      ++result.undone;
      undone.insert(pending.time);
      continue;
    }
    result.has_commits = true;
    WEIR_TRY(remove_markers(store, pending.time));
    WEIR_TRY(remove_decision(store, pending.time));
  }
  for (const auto& instant : timeline.instants()) {
    // Markers of other actions that are under way (a delta commit, a compaction) are not ours.
    if (instant.state != Instant::State::kCompleted) pending_times.insert(instant.time);
  }
  for (const auto& time : marked) {
    if (!pending_times.contains(time)) WEIR_TRY(remove_markers(store, time));
  }
  for (const auto& time : decided) {
    if (timeline.is_completed(time)) WEIR_TRY(remove_decision(store, time));
  }
  WEIR_TRY(remove_orphans(store, files, timeline, undone));
  return result;
}

}  // namespace weir::table
