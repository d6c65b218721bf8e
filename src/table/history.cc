#include "table/history.h"

#include <algorithm>
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "base/instant.h"
#include "model/published.h"
#include "table/history/control.h"
#include "table/history/layout.h"
#include "table/history/quarantine.h"
#include "table/history/read_back.h"
#include "table/history/rewrite.h"

namespace weir::table {
namespace {

using model::Counts;
using model::Held;
using model::Operation;
using model::Outcome;

// What of the configuration decides how history is made: it must not change under a table.
constexpr const char* kHistoryKey = "weir.history";

// Of a task's memory: what DuckDB does not count (its own code and buffers outside its pool,
// Arrow's row group for each writer), and the least that its joins can work in.
constexpr int64_t kBesideEngineBytes = int64_t{270} << 20;
constexpr int64_t kLeastEngineBytes = int64_t{160} << 20;

int64_t engine_memory(const model::Limits& limits) {
  int64_t memory = limits.memory_bytes;
  if (memory == 0) memory = ::sysconf(_SC_PHYS_PAGES) / 4 * 3 * ::sysconf(_SC_PAGESIZE);
  return std::max(memory - kBesideEngineBytes, kLeastEngineBytes);
}

/// Where the engine spills; a session without a folder fails where its memory ends.
Result<std::string> spill_folder(const model::Limits& limits) {
  if (!limits.temp_folder.empty()) return limits.temp_folder;
  std::error_code error;
  const auto folder = std::filesystem::temp_directory_path(error);
  if (error)
    return fail(ErrorCode::kUnavailable, "no folder for temporary files: {}", error.message());
  return folder.string();
}

std::string value_of(const std::map<std::string, std::string>& extra, const std::string& key) {
  const auto found = extra.find(key);
  return found == extra.end() ? std::string() : found->second;
}

Json history_settings(const HistoryOptions& options) {
  return {{"key", options.key}, {"untracked", options.untracked}};
}

/// The outcome as the commit itself tells it: the same for whoever made it and whoever finds it.
Result<Outcome> outcome_of(const CommitInfo& done, const Operation& operation) {
  WEIR_ASSIGN(const auto published, model::published_commit(operation.target.dataset, done.time,
                                                            done.bytes_written, done.extra));
  Outcome outcome = model::outcome_of(published);
  outcome.was_already_done = true;
  return outcome;
}

/// One merge, step by step: check, decide, act.
class Merge {
 public:
  Merge(const TableContext& context, const TableOptions& table, const HistoryOptions& options,
        const HistorySource& source, const Operation& operation, const Cancel& cancel)
      : context_(context),
        table_options_(table),
        options_(options),
        source_(source),
        operation_(operation),
        cancel_(cancel),
        origin_{source.as_of_us, operation.origin.run_id, operation.origin.logical_time_us} {}

  Result<Outcome> run() {
    WEIR_TRY(open());
    if (table_ != nullptr) {
      WEIR_ASSIGN(std::optional<CommitInfo> done, table_->find_token(operation_.token));
      if (!done) {
        // Its roll-back may complete what an attempt before this one had decided.
        WEIR_ASSIGN(turn_, table_->prepare(Action::kCommit));
        WEIR_ASSIGN(done, table_->find_token(operation_.token));
      }
      if (done) return outcome_of(*done, operation_);
      WEIR_TRY(take_snapshot());
    }
    if (auto held = stale()) return hold(*std::move(held));
    WEIR_TRY(check_settings());
    WEIR_ASSIGN(layout_, history::plan_layout(snapshot_.schema, options_, source_.schema));
    WEIR_TRY(prepare());
    WEIR_ASSIGN(counts_, history::find_changes(*session_, *diff_));
    if (counts_.rows != source_.rows)
      return fail(ErrorCode::kCheckFailed,
                  "the snapshot's files hold {} rows, their footers say {}", counts_.rows,
                  source_.rows);
    if (auto held = guard()) return hold(*std::move(held));
    return commit();
  }

 private:
  Status open() {
    auto opened = open_table(context_);
    if (!opened && opened.error().code == ErrorCode::kNotFound) return {};
    if (!opened) return std::unexpected(opened.error());
    table_ = *std::move(opened);
    return {};
  }

  Status take_snapshot() {
    WEIR_ASSIGN(snapshot_, table_->snapshot());
    // A table without a commit has the columns of its creation, by an attempt that went no further.
    if (snapshot_.instant.empty()) snapshot_.schema.clear();
    return {};
  }

  /// An older picture cannot be put below a newer one: it would close what is newer.
  std::optional<Held> stale() const {
    const auto newest = parse_instant(value_of(snapshot_.extra, "weir.as_of"));
    if (!newest || source_.as_of_us > *newest) return std::nullopt;
    const std::string ours = format_instant(source_.as_of_us);
    return Held{"stale_snapshot",
                fmt::format("the snapshot of {} is not newer than the table, which is at {}", ours,
                            format_instant(*newest)),
                {{"as_of", ours}, {"newest", format_instant(*newest)}}};
  }

  Status check_settings() const {
    const std::string before = value_of(snapshot_.extra, kHistoryKey);
    const std::string now = dump_json(history_settings(options_));
    if (before.empty() || before == now) return {};
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("the table's history was made with {}, now it says {}", before, now),
        "key and untracked columns of a history cannot change: rebuild the table under another "
        "name");
  }

  /// Opens the engine and says what phase one reads.
  Status prepare() {
    sql::SessionOptions session;
    session.memory_bytes = engine_memory(operation_.limits);
    session.threads = operation_.limits.threads;
    WEIR_ASSIGN(session.temp_folder, spill_folder(operation_.limits));
    session.preserves_order = false;
    session.objects = source_.objects;
    WEIR_ASSIGN(session_, sql::open_session(session, cancel_));
    diff_.emplace(history::DiffInput{layout_, options_, source_.files, source_.rejected_files, {}});
    for (const FileSlice& slice : snapshot_.slices) {
      if (slice.role == Role::kHistory) {
        history_groups_.push_back(slice);
        continue;
      }
      WEIR_ASSIGN(std::string path, session_->objects().path_of(*context_.store, slice.name));
      diff_->group_files.push_back(std::move(path));
      open_groups_.push_back(slice);
      if (slice.rows >= 0) continue;
      WEIR_ASSIGN(const auto reader, table_->open(slice));
      open_groups_.back().rows = reader->info().rows;
    }
    std::ranges::stable_sort(history_groups_, {}, &FileSlice::instant);
    return {};
  }

  std::optional<Held> guard() const {
    if (options_.is_approved) return std::nullopt;
    const auto percent_of_open = [&](int64_t keys) {
      return counts_.open == 0
                 ? 0.0
                 : 100.0 * static_cast<double>(keys) / static_cast<double>(counts_.open);
    };
    const double vanished = percent_of_open(counts_.vanished);
    Json facts = {
        {"open_keys", counts_.open}, {"vanished", counts_.vanished}, {"percent", vanished}};
    if (options_.deletes == Deletes::kByAbsence) {
      // Where no key is open an empty picture loses none: a table that has no rows yet.
      if (counts_.rows == 0 && counts_.open > 0)
        return Held{"empty_snapshot", "the snapshot is empty, and an absent key counts as deleted",
                    std::move(facts)};
      if (vanished > options_.max_deleted_percent)
        return Held{
            "too_many_deletes",
            fmt::format("{} of {} open keys ({:.1f} %) are not in the snapshot; more than "
                        "{:g} % waits for a person",
                        counts_.vanished, counts_.open, vanished, options_.max_deleted_percent),
            std::move(facts)};
    }
    const double changed = percent_of_open(counts_.changed);
    if (options_.max_changed_percent && changed > *options_.max_changed_percent)
      return Held{
          "too_many_changes",
          fmt::format("{} of {} open keys ({:.1f} %) changed; more than {:g} % waits for a "
                      "person",
                      counts_.changed, counts_.open, changed, *options_.max_changed_percent),
          {{"open_keys", counts_.open}, {"changed", counts_.changed}, {"percent", changed}}};
    return std::nullopt;
  }

  Outcome hold(Held held) const {
    Outcome outcome;
    outcome.held = std::move(held);
    return outcome;
  }

  /// Rejected rows first, the commit last: it names them.
  Result<Outcome> commit() {
    if (context_.guard != nullptr) WEIR_TRY(context_.guard->still_mine());
    WEIR_ASSIGN(const Quarantined rejected,
                history::quarantine(*session_, options_.rejected_store, *diff_, counts_, origin_,
                                    operation_));
    if (table_ == nullptr) {
      TableOptions options = table_options_;
      options.schema = layout_.data;
      WEIR_ASSIGN(table_, create_table(context_, options));
      WEIR_ASSIGN(turn_, table_->prepare(Action::kCommit));
    }
    BeginOptions begin;
    begin.schema = layout_.data;
    begin.token = operation_.token;
    begin.write_token = fmt::format("{}-0-{}", operation_.guard.epoch, operation_.origin.attempt);
    begin.target_file_bytes = options_.target_file_bytes;
    WEIR_ASSIGN(const std::unique_ptr<Commit> commit, turn_->begin(begin));
    WEIR_ASSIGN(
        const history::Rewritten written,
        history::rewrite(*session_, *table_, *commit,
                         {*diff_, counts_, origin_, open_groups_, history_groups_}, cancel_));
    WEIR_ASSIGN(const Counts counts,
                while_doing(history::read_back(
                                *session_, *table_,
                                {options_.columns, counts_, written, snapshot_.slices,
                                 commit->instant(), source_.as_of_us, source_.rows, rejected.rows}),
                            "reading back what was written"));
    WEIR_ASSIGN(sums_, history::control_sums(*session_, table_->store(),
                                             {*diff_, counts_, source_, written, snapshot_.slices,
                                              commit->instant()}));
    WEIR_TRY(cancel_.check());
    WEIR_ASSIGN(const CommitInfo done, commit->complete(extra(counts, rejected)));
    WEIR_ASSIGN(Outcome outcome, outcome_of(done, operation_));
    outcome.was_already_done = false;
    return outcome;
  }

  std::map<std::string, std::string> extra(const Counts& counts,
                                           const Quarantined& rejected) const {
    Json warnings = Json::array();
    for (const std::string& name : layout_.missing)
      warnings.push_back(fmt::format(
          "column '{}' is missing in the snapshot: its values are carried forward", name));
    Json rejects = Json::array();
    for (const model::RejectSummary& reason : rejected.reasons)
      rejects.push_back(
          {{"reason", reason.reason}, {"column", reason.column}, {"rows", reason.rows}});
    Json details = {{"open_before", counts_.open},
                    {"retained", counts_.retained},
                    {"added_columns", layout_.added},
                    {"warnings", warnings},
                    {"rejects", rejects}};
    if (const Json sums = model::to_json(sums_); !sums.empty()) details["sums"] = sums;
    std::map<std::string, std::string> out = {
        {"weir.token", operation_.token},
        {"weir.op", std::string(model::to_text(operation_.kind))},
        {"weir.identities", dump_json(source_.input_identities)},
        {"weir.counts", dump_json(model::to_json(counts))},
        {"weir.as_of", format_instant(source_.as_of_us)},
        {"weir.schema", dump_json(model::to_json(layout_.data))},
        {"weir.run", operation_.origin.run_id},
        {"weir.inputs", dump_json(model::lineage_of(operation_.inputs))},
        {"weir.details", dump_json(details)},
        {kHistoryKey, dump_json(history_settings(options_))}};
    if (!rejected.name.empty())
      out["weir.rejected"] = dump_json({{"name", rejected.name},
                                        {"rows", rejected.rows},
                                        {"size_bytes", rejected.size_bytes},
                                        {"sha256", rejected.sha256}});
    return out;
  }

  const TableContext& context_;
  const TableOptions& table_options_;
  const HistoryOptions& options_;
  const HistorySource& source_;
  const Operation& operation_;
  const Cancel& cancel_;
  history::VersionOrigin origin_;
  std::unique_ptr<HudiTable> table_;  ///< Null: there is none yet.
  std::unique_ptr<Turn> turn_;        ///< From where the snapshot was taken on.
  Snapshot snapshot_;
  history::Layout layout_;
  std::optional<history::DiffInput> diff_;
  std::vector<FileSlice> open_groups_;
  std::vector<FileSlice> history_groups_;
  std::unique_ptr<sql::Session> session_;
  history::DiffCounts counts_;
  model::HopSums sums_;
};

}  // namespace

Result<std::optional<Outcome>> find_merge(const TableContext& context, const Operation& operation) {
  const auto table = open_table(context);
  if (!table && table.error().code == ErrorCode::kNotFound) return std::nullopt;
  if (!table) return std::unexpected(table.error());
  WEIR_ASSIGN(const std::optional<CommitInfo> done, (*table)->find_token(operation.token));
  if (!done) return std::nullopt;
  return outcome_of(*done, operation);
}

Result<Outcome> merge_snapshot(const TableContext& context, const TableOptions& table,
                               const HistoryOptions& options, const HistorySource& source,
                               const Operation& operation, const Cancel& cancel) {
  return while_doing(Merge(context, table, options, source, operation, cancel).run(),
                     fmt::format("merging the snapshot of {}", format_instant(source.as_of_us)));
}

}  // namespace weir::table
