#include <set>

#include "table/hudi/file_slices.h"
#include "table/hudi/properties.h"
#include "table/services.h"
#include "table/services/clean_plans.h"

namespace weir::table {
namespace {

using Kind = Finding::Kind;

/// Collects findings of one look.
class Look {
 public:
  Look(const TableContext& context, HudiTable& table, const CheckOptions& options,
       const Cancel& cancel)
      : store_(*context.store), table_(table), options_(options), cancel_(cancel) {}

  Result<std::vector<Finding>> run() {
    WEIR_ASSIGN(timeline_, Timeline::load(store_));
    is_own_ = property_or(table_.properties(), kOwnerProperty, "") == kOwnerName;
    look_at_instants();
    WEIR_TRY(look_for_orphans());
    WEIR_ASSIGN(const auto missing, table_.missing_files());
    for (const auto& name : missing)
      add(Kind::kMissing, name, "a commit wrote it, and it is not there", false);
    WEIR_TRY(look_at_files());
    WEIR_TRY(look_for_metadata());
    return std::move(findings_);
  }

 private:
  void add(Kind kind, std::string object, std::string says, bool is_repaired) {
    findings_.push_back({kind, std::move(object), std::move(says), is_repaired});
  }

  void look_at_instants() {
    for (const auto& instant : timeline_.instants()) {
      if (instant.state == Instant::State::kCompleted) continue;
      const bool is_ours = instant.action != "rollback" && instant.action != "restore";
      add(Kind::kUnfinished, instant.file,
          fmt::format("{} {} did not complete, or is under way", instant.action, instant.time),
          is_own_ && is_ours);
    }
  }

  Status look_for_orphans() {
    std::set<std::string, std::less<>> known;
    std::set<std::string, std::less<>> pending;
    for (const auto& instant : timeline_.instants()) {
      known.insert(instant.time);
      if (instant.state != Instant::State::kCompleted) pending.insert(instant.time);
    }
    WEIR_ASSIGN(const auto files, list_data_files(store_));
    for (const auto& file : files) {
      if (known.contains(file.instant) || timeline_.shows_files_of(file.instant)) continue;
      add(Kind::kOrphan, file.name, fmt::format("there is no commit {}", file.instant), is_own_);
    }
    WEIR_ASSIGN(const auto markers, storage::list_all(store_, kMarkerFolder));
    for (const auto& marker : markers) {
      const std::string_view rest = std::string_view(marker.name).substr(kMarkerFolder.size());
      const std::string_view time = rest.substr(0, rest.find_first_of("/."));
      if (!pending.contains(time))
        add(Kind::kOrphan, marker.name, "a marker of a commit that has ended", true);
    }
    return {};
  }

  Status look_at_files() {
    WEIR_ASSIGN(const Snapshot snapshot, table_.snapshot());
    for (const FileSlice& slice : snapshot.slices) {
      WEIR_TRY(cancel_.check());
      const auto fault = fault_of(slice);
      if (!fault.empty()) add(Kind::kDamaged, slice.name, fault, false);
    }
    return {};
  }

  /// Empty where the file is what its commit wrote.
  std::string fault_of(const FileSlice& slice) {
    const auto there = store_.stat(slice.name);
    if (!there) return there.error().message;
    if (slice.size_bytes > 0 && there->size_bytes != slice.size_bytes)
      return fmt::format("it has {} bytes, its commit wrote {}", there->size_bytes,
                         slice.size_bytes);
    const auto reader = table_.open(slice);
    if (!reader) return reader.error().message;
    const int64_t rows = (*reader)->info().rows;
    if (slice.rows >= 0 && rows != slice.rows)
      return fmt::format("it has {} rows, its commit wrote {}", rows, slice.rows);
    if (!options_.reads_contents || slice.sha256.empty()) return {};
    const auto digest = storage::digest_of(store_, slice.name);
    if (!digest) return digest.error().message;
    if (digest->sha256 == slice.sha256) return {};
    return fmt::format("its SHA-256 is {}, its commit wrote {}", digest->sha256, slice.sha256);
  }

  Status look_for_metadata() {
    constexpr std::string_view kKey = "hoodie.table.metadata.partitions";
    const std::string trusted = property_or(table_.properties(), kKey, "");
    if (!trusted.empty())
      add(Kind::kStale, std::string(kPropertiesFile),
          fmt::format("{} is '{}'; weir writes no metadata table", kKey, trusted), true);
    return {};
  }

  storage::Storage& store_;
  HudiTable& table_;
  const CheckOptions& options_;
  const Cancel& cancel_;
  Timeline timeline_;
  bool is_own_ = false;
  std::vector<Finding> findings_;
};

}  // namespace

std::string_view to_text(Finding::Kind kind) {
  switch (kind) {
    case Kind::kUnfinished: return "unfinished";
    case Kind::kOrphan: return "orphan";
    case Kind::kMissing: return "missing";
    case Kind::kDamaged: return "damaged";
    case Kind::kStale: return "stale";
  }
  return "damaged";
}

Result<std::vector<Finding>> check(const TableContext& context, HudiTable& table,
                                   const CheckOptions& options, const Cancel& cancel) {
  return Look(context, table, options, cancel).run();
}

Result<std::vector<Finding>> repair(const TableContext& context, HudiTable& table,
                                    const Cancel& cancel) {
  WEIR_ASSIGN(auto before, check(context, table, {}, cancel));
  // Its end of unfinished commits is what is wanted, not the instant.
  WEIR_TRY(table.prepare(Action::kCommit));
  if (property_or(table.properties(), kOwnerProperty, "") == kOwnerName) {
    WEIR_ASSIGN(const Timeline timeline, Timeline::load(*context.store));
    WEIR_TRY(drop_clean_plans(*context.store, timeline));
  }
  WEIR_TRY(drop_metadata_table(context));
  WEIR_ASSIGN(const auto reopened, open_table(context));
  WEIR_ASSIGN(const auto after, check(context, *reopened, {}, cancel));
  for (Finding& finding : before) {
    const auto is_same = [&](const Finding& each) { return each.object == finding.object; };
    finding.is_repaired = std::ranges::none_of(after, is_same);
  }
  return before;
}

}  // namespace weir::table
