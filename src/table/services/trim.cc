#include <algorithm>
#include <map>
#include <ranges>
#include <set>
#include <span>

#include "base/instant.h"
#include "table/hudi/archive.h"
#include "table/hudi/commit_metadata.h"
#include "table/hudi/decision.h"
#include "table/hudi/file_slices.h"
#include "table/hudi/properties.h"
#include "table/services.h"

// Readers take what is older than the first commit on the timeline as committed, so it is only the
// beginning that may go, and nothing may be below the new one that would appear thereby. The order:
//   1. an archive of the instants that go (archive.h), read back
//   2. their requested and inflight files, in any order: an instant is completed without them
//   3. completed files of cleans and roll-backs, which show nothing
//   4. completed files of commits, the oldest first and one after the other: were one gone with an
//      older still there, its rows would be of no commit
// Between any two the table reads the same, for weir, Spark and hudi-rs. Cut off, the next trim
// finds the archive and goes on; meanwhile both say the same of an instant.

namespace weir::table {
namespace {

using State = Instant::State;

/// One archive; its index is in memory where a token is looked for.
constexpr size_t kMostInstants = 4096;

bool is_commit(std::string_view action) {
  return action == action_name(Action::kCommit) || action == action_name(Action::kReplaceCommit);
}

/// How many of the oldest commits may go.
class Reach {
 public:
  Reach(const Timeline& timeline, CommitLog& log) : timeline_(timeline), log_(log) {}

  Result<size_t> find(const TrimOptions& options, int64_t now_us) {
    const auto& commits = timeline_.commits();
    const size_t keep = static_cast<size_t>(options.keep_commits);
    if (commits.size() <= keep) return size_t{0};
    most_ = commits.size() - keep;
    const std::string young = format_hudi_instant(now_us - options.keep_days * kDayUs);
    const auto first_young = std::ranges::lower_bound(commits, young, {}, &Instant::time);
    most_ = std::min(most_, static_cast<size_t>(first_young - commits.begin()));
    if (most_ == 0) return most_;
    look_at_instants(young);
    WEIR_TRY(look_for_leftovers());
    WEIR_TRY(look_at_replaced());
    WEIR_TRY(look_for_extra());
    return most_;
  }

  const std::string& held_by() const { return held_by_; }

 private:
  void hold(size_t most, std::string_view what) {
    if (most >= most_) return;
    most_ = most;
    held_by_ = what;
  }

  /// Something that is of no commit, or not yet: the timeline must begin before it.
  void hold_before(std::string_view time, std::string_view what) {
    const auto& commits = timeline_.commits();
    const auto after = std::ranges::lower_bound(commits, time, {}, &Instant::time);
    hold(after == commits.begin() ? 0 : static_cast<size_t>(after - commits.begin()) - 1, what);
  }

  void look_at_instants(std::string_view young) {
    for (const auto& instant : timeline_.instants()) {
      if (instant.state != State::kCompleted)
        hold_before(instant.time, instant.file + " did not complete, or is under way");
      // Another engine's: whose commit it undid may still be asleep, and nothing else tells of it.
      const bool undoes = instant.action == "rollback" || instant.action == "restore";
      if (undoes && instant.time >= young) hold(0, instant.file + " is that young");
    }
  }

  Status look_for_leftovers() {
    WEIR_ASSIGN(const auto decided, decided_instants(log_.store()));
    for (const auto& time : decided)
      hold_before(time, fmt::format("{} was decided on, and its writer may be asleep", time));
    WEIR_ASSIGN(const auto markers, storage::list_all(log_.store(), kMarkerFolder));
    for (const auto& marker : markers) {
      const std::string_view rest = std::string_view(marker.name).substr(kMarkerFolder.size());
      const std::string_view time = rest.substr(0, rest.find_first_of("/."));
      if (!timeline_.is_completed(time)) hold_before(time, marker.name + " is left over");
    }
    WEIR_ASSIGN(files_, list_data_files(log_.store()));
    for (const auto& file : files_) {
      if (!timeline_.shows_files_of(file.instant))
        hold_before(file.instant, file.name + " is of no commit");
    }
    return {};
  }

  /// A group that was replaced and not cleaned would come back without the commit that says so.
  Status look_at_replaced() {
    std::set<GroupKey> there;
    for (const auto& file : files_) there.emplace(file.partition, file.file_group_id);
    for (size_t i = 0; i < most_; ++i) {
      const Instant& commit = timeline_.commits()[i];
      if (commit.action != action_name(Action::kReplaceCommit)) continue;
      WEIR_ASSIGN(const auto metadata, log_.read(commit));
      for (const auto& [partition, ids] : metadata->replaced) {
        for (const auto& id : ids) {
          if (there.contains({partition, id}))
            hold(i, fmt::format("{} replaced file group {}, which was not cleaned yet", commit.file,
                                id));
        }
      }
    }
    return {};
  }

  /// A snapshot tells weir's newest facts, and asks the timeline alone for them.
  Status look_for_extra() {
    const auto& commits = timeline_.commits();
    for (size_t i = commits.size(); i > most_; --i) {
      WEIR_ASSIGN(const auto metadata, log_.read(commits[i - 1]));
      if (has_weirs_extra(*metadata)) return {};
    }
    for (size_t i = most_; i > 0; --i) {
      WEIR_ASSIGN(const auto metadata, log_.read(commits[i - 1]));
      if (!has_weirs_extra(*metadata)) continue;
      hold(i - 1, commits[i - 1].file + " is the newest that brings data");
      return {};
    }
    return {};
  }

  const Timeline& timeline_;
  CommitLog& log_;
  std::vector<DataFile> files_;
  size_t most_ = 0;
  std::string held_by_;
};

/// The instants older than `start` with their objects, oldest first; but for the newest clean, by
/// which others tell which versions are whole.
Result<std::vector<InstantFiles>> files_before(storage::Storage& store, const Timeline& timeline,
                                               std::string_view start) {
  std::string newest_clean;
  for (const auto& instant : timeline.instants()) {
    if (instant.action == "clean" && instant.state == State::kCompleted)
      newest_clean = instant.time;
  }
  std::map<std::pair<std::string, std::string>, InstantFiles> found;
  WEIR_ASSIGN(const auto entries, storage::list_all(store, std::string(kTimelineFolder) + "2"));
  for (const auto& entry : entries) {
    const auto instant = parse_instant_file(entry.name);
    if (!instant || instant->time >= start) continue;
    if (instant->action == "clean" && instant->time == newest_clean) continue;
    InstantFiles& files = found[{instant->time, instant->action}];
    files.time = instant->time;
    files.action = instant->action;
    switch (instant->state) {
      case State::kRequested: files.requested = instant->file; break;
      case State::kInflight: files.inflight = instant->file; break;
      case State::kCompleted: files.completed = instant->file; break;
    }
  }
  std::vector<InstantFiles> all;
  for (auto& [key, files] : found) {
    if (files.completed.empty())
      return fail(ErrorCode::kConflict, "instant {} ({}) came to the beginning of the timeline",
                  files.time, files.action);
    all.push_back(std::move(files));
  }
  return all;
}

Status still_mine(const TableContext& context) {
  return context.guard != nullptr ? context.guard->still_mine() : Status{};
}

/// Steps 2 to 4.
Status remove_from_timeline(storage::Storage& store, std::span<const InstantFiles> instants) {
  std::vector<std::string> before;
  std::vector<std::string> services;
  for (const auto& instant : instants) {
    for (const auto& name : {instant.requested, instant.inflight}) {
      if (!name.empty()) before.push_back(name);
    }
    if (!is_commit(instant.action)) services.push_back(instant.completed);
  }
  WEIR_TRY(store.remove_all(before));
  WEIR_TRY(store.remove_all(services));
  for (const auto& instant : instants) {
    if (is_commit(instant.action)) WEIR_TRY(store.remove(instant.completed));
  }
  return {};
}

Status move_to_archive(const TableContext& context, std::span<const InstantFiles> instants,
                       const Cancel& cancel) {
  storage::Storage& store = *context.store;
  Archive archive;
  WEIR_TRY(archive.refresh(store));
  std::vector<InstantFiles> missing;
  for (const auto& instant : instants) {
    if (!archive.holds(instant.time, instant.action)) missing.push_back(instant);
  }
  WEIR_TRY(still_mine(context));
  if (!missing.empty()) WEIR_TRY(put_archive(store, missing, cancel));
  WEIR_TRY(still_mine(context));
  return remove_from_timeline(store, instants);
}

Status check_trimmable(HudiTable& table, const TrimOptions& options, const Timeline& timeline) {
  if (options.keep_commits < 2 || options.keep_days < 0)
    return fail(ErrorCode::kInvalidConfig,
                "a trim that keeps {} commits and {} days; at least 2 commits must stay",
                options.keep_commits, options.keep_days);
  WEIR_TRY(table.check_writable());
  const TableProperties& properties = table.properties();
  if (property_or(properties, kOwnerProperty, "") != kOwnerName)
    return fail_with_hint(
        ErrorCode::kUnsupported,
        fmt::format("the timeline at {} is not weir's to shorten: {} has no {}={}",
                    table.store().uri(), kPropertiesFile, kOwnerProperty, kOwnerName),
        "Spark archives the instants of its tables as it writes (hoodie.keep.max.commits)");
  if (!property_or(properties, "hoodie.table.metadata.partitions", "").empty())
    return fail_with_hint(ErrorCode::kUnsupported,
                          "the table has a metadata table, which goes by its timeline",
                          "`weir table repair` drops it");
  for (const auto& instant : timeline.instants()) {
    if (instant.action == "savepoint")
      return fail_with_hint(
          ErrorCode::kUnsupported,
          fmt::format("the table has a savepoint ({}), whose commit must stay", instant.time),
          "delete it with the engine that made it");
  }
  return {};
}

}  // namespace

Result<Trimmed> trim(const TableContext& context, HudiTable& table, const TrimOptions& options,
                     const Cancel& cancel) {
  WEIR_TRY(still_mine(context));
  storage::Storage& store = *context.store;
  WEIR_ASSIGN(const Timeline timeline, Timeline::load(store));
  WEIR_TRY(check_trimmable(table, options, timeline));
  CommitLog log(store);
  Reach reach(timeline, log);
  WEIR_ASSIGN(const size_t going, reach.find(options, context.clock->now_us()));
  Trimmed trimmed;
  trimmed.held_by = reach.held_by();
  if (!timeline.commits().empty()) trimmed.earliest = timeline.commits().front().time;
  if (going == 0 || static_cast<int64_t>(going) < options.least_commits) return trimmed;
  const std::string start = timeline.commits()[going].time;
  WEIR_ASSIGN(const auto instants, files_before(store, timeline, start));
  for (size_t i = 0; i < instants.size(); i += kMostInstants) {
    WEIR_TRY(cancel.check());
    const auto some = std::span(instants).subspan(i, std::min(kMostInstants, instants.size() - i));
    WEIR_TRY(while_doing(move_to_archive(context, some, cancel), "archiving old instants"));
  }
  trimmed.commits = static_cast<int64_t>(going);
  trimmed.instants = std::ssize(instants);
  trimmed.earliest = start;
  return trimmed;
}

}  // namespace weir::table
