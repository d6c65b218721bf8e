#include <algorithm>
#include <map>
#include <optional>
#include <ranges>

#include "base/instant.h"
#include "table/hudi/avro_container.h"
#include "table/hudi/commit_metadata.h"
#include "table/hudi/decision.h"
#include "table/hudi/file_slices.h"
#include "table/services.h"
#include "table/services/clean_plans.h"

// The order of a clean, T being its instant: the plan in `T.clean.requested` and
// `T.clean.inflight`, then the files go, then `T.clean` says so. What was cut off is planned anew:
// files that are gone already are no longer in the listing.

namespace weir::table {
namespace {

constexpr std::string_view kPolicy = "KEEP_LATEST_COMMITS";
constexpr std::string_view kAction = "clean";

// As in hudi-common's avro/HoodieCleanerPlan.avsc and HoodieCleanMetadata.avsc, without what they
// have defaults for.
constexpr std::string_view kPlanSchema = R"({"type": "record", "name": "HoodieCleanerPlan",
 "namespace": "org.apache.hudi.avro.model", "fields": [
 {"name": "earliestInstantToRetain", "type": ["null", {"type": "record",
  "name": "HoodieActionInstant", "fields": [{"name": "timestamp", "type": "string"},
  {"name": "action", "type": "string"}, {"name": "state", "type": "string"}]}], "default": null},
 {"name": "lastCompletedCommitTimestamp", "type": "string", "default": ""},
 {"name": "policy", "type": "string"},
 {"name": "filesToBeDeletedPerPartition", "type": ["null", {"type": "map", "values":
  {"type": "array", "items": "string"}}], "default": null},
 {"name": "version", "type": ["int", "null"], "default": 1},
 {"name": "filePathsToBeDeletedPerPartition", "type": ["null", {"type": "map", "values":
  {"type": "array", "items": {"type": "record", "name": "HoodieCleanFileInfo", "fields": [
  {"name": "filePath", "type": ["null", "string"], "default": null},
  {"name": "isBootstrapBaseFile", "type": ["null", "boolean"], "default": null}]}}}],
  "default": null}]})";
constexpr std::string_view kMetadataSchema = R"({"type": "record", "name": "HoodieCleanMetadata",
 "namespace": "org.apache.hudi.avro.model", "fields": [
 {"name": "startCleanTime", "type": "string"}, {"name": "timeTakenInMillis", "type": "long"},
 {"name": "totalFilesDeleted", "type": "int"}, {"name": "earliestCommitToRetain", "type": "string"},
 {"name": "lastCompletedCommitTimestamp", "type": "string", "default": ""},
 {"name": "partitionMetadata", "type": {"type": "map", "values": {"type": "record",
  "name": "HoodieCleanPartitionMetadata", "fields": [{"name": "partitionPath", "type": "string"},
  {"name": "policy", "type": "string"},
  {"name": "deletePathPatterns", "type": {"type": "array", "items": "string"}},
  {"name": "successDeleteFiles", "type": {"type": "array", "items": "string"}},
  {"name": "failedDeleteFiles", "type": {"type": "array", "items": "string"}},
  {"name": "isPartitionDeleted", "type": ["null", "boolean"], "default": null}]}}},
 {"name": "version", "type": ["int", "null"], "default": 1}]})";

std::string bare_name(const DataFile& file) {
  return file.name.substr(file.partition.empty() ? 0 : file.partition.size() + 1);
}

struct Plan {
  Instant earliest;  ///< The oldest commit that stays readable.
  std::string newest;
  std::vector<DataFile> files;
};

/// Versions of one group, and when it was replaced; empty: it was not.
struct GroupVersions {
  std::vector<DataFile> files;  ///< Oldest first.
  std::string replaced_at;
};

Result<std::map<std::pair<std::string, std::string>, GroupVersions>> versions_of(
    const Timeline& timeline, CommitLog& log) {
  std::map<std::pair<std::string, std::string>, GroupVersions> groups;
  WEIR_ASSIGN(const auto files, list_data_files(log.store()));
  for (const auto& file : files) {
    if (!timeline.shows_files_of(file.instant)) continue;  // a commit under way, or a leftover
    groups[{file.partition, file.file_group_id}].files.push_back(file);
  }
  for (const auto& commit : timeline.commits()) {
    WEIR_ASSIGN(const auto metadata, log.read(commit));
    for (const auto& [partition, ids] : metadata->replaced) {
      for (const auto& id : ids) {
        const auto group = groups.find({partition, id});
        if (group != groups.end()) group->second.replaced_at = commit.time;
      }
    }
  }
  for (auto& [key, group] : groups) std::ranges::sort(group.files, {}, &DataFile::instant);
  return groups;
}

/// The oldest of the newest `retain` commits, or nothing where none is older. The empty ones that
/// begin a table do not count: two who made it at once may have put two, and between commits.
Result<std::optional<Instant>> earliest_to_retain(const Timeline& timeline, CommitLog& log,
                                                  int64_t retain) {
  std::optional<Instant> earliest;
  for (const auto& commit : timeline.commits() | std::views::reverse) {
    WEIR_ASSIGN(const auto metadata, log.read(commit));
    if (begins_table(*metadata)) continue;
    if (retain-- == 0) return earliest;
    earliest = commit;
  }
  return std::nullopt;
}

Result<Plan> make_plan(const Timeline& timeline, CommitLog& log, int64_t retain) {
  Plan plan;
  WEIR_ASSIGN(const auto earliest, earliest_to_retain(timeline, log, retain));
  if (!earliest) return plan;
  plan.earliest = *earliest;
  plan.newest = timeline.commits().back().time;
  WEIR_ASSIGN(const auto groups, versions_of(timeline, log));
  for (const auto& [key, group] : groups) {
    if (!group.replaced_at.empty() && group.replaced_at <= plan.earliest.time) {
      plan.files.insert(plan.files.end(), group.files.begin(), group.files.end());
      continue;
    }
    // The newest version that is not younger than the oldest retained commit is still read by it.
    const auto younger =
        std::ranges::upper_bound(group.files, plan.earliest.time, {}, &DataFile::instant);
    if (younger == group.files.begin()) continue;
    plan.files.insert(plan.files.end(), group.files.begin(), younger - 1);
  }
  return plan;
}

std::string full_uri(storage::Storage& store, const std::string& name) {
  const std::string& root = store.uri();
  return fmt::format("{}{}/{}", root.starts_with('/') ? "file:" : "", root, name);
}

Json plan_json(storage::Storage& store, const Plan& plan) {
  Json paths = Json::object();
  for (const auto& file : plan.files)
    paths[file.partition].push_back(
        {{"filePath", full_uri(store, file.name)}, {"isBootstrapBaseFile", false}});
  return {{"earliestInstantToRetain",
           {{"timestamp", plan.earliest.time},
            {"action", plan.earliest.action},
            {"state", "COMPLETED"}}},
          {"lastCompletedCommitTimestamp", plan.newest},
          {"policy", kPolicy},
          {"filesToBeDeletedPerPartition", Json::object()},
          {"version", 2},
          {"filePathsToBeDeletedPerPartition", std::move(paths)}};
}

Json metadata_json(const Plan& plan, const std::string& instant, int64_t took_ms) {
  Json partitions = Json::object();
  for (const auto& file : plan.files) {
    Json& of = partitions[file.partition];
    if (of.is_null())
      of = {{"partitionPath", file.partition},
            {"policy", kPolicy},
            {"failedDeleteFiles", Json::array()},
            {"isPartitionDeleted", false}};
    of["deletePathPatterns"].push_back(bare_name(file));
    of["successDeleteFiles"].push_back(bare_name(file));
  }
  return {{"startCleanTime", instant},
          {"timeTakenInMillis", took_ms},
          {"totalFilesDeleted", plan.files.size()},
          {"earliestCommitToRetain", plan.earliest.time},
          {"lastCompletedCommitTimestamp", plan.newest},
          {"partitionMetadata", std::move(partitions)},
          {"version", 2}};
}

Status put_new(storage::Storage& store, const std::string& name, const std::string& bytes) {
  const auto put = storage::put(store, name, bytes, storage::Put::kIfAbsent);
  if (put) return {};
  return std::unexpected(put.error());
}

/// What was undone so long ago that nobody can still be asleep over it.
Status forget_old_decisions(storage::Storage& store, int64_t now_us) {
  WEIR_ASSIGN(const auto decided, decided_instants(store));
  const std::string oldest = format_hudi_instant(now_us - kLongestSleepDays * kDayUs);
  for (const auto& time : decided) {
    if (time < oldest) WEIR_TRY(remove_decision(store, time));
  }
  return {};
}

}  // namespace

Status drop_clean_plans(storage::Storage& store, const Timeline& timeline) {
  for (const auto& instant : timeline.instants()) {
    if (instant.action != kAction || instant.state == Instant::State::kCompleted) continue;
    for (const auto state : {Instant::State::kInflight, Instant::State::kRequested})
      WEIR_TRY(store.remove(instant_file(instant.time, kAction, state)));
  }
  return {};
}

Result<Cleaned> clean(const TableContext& context, HudiTable& table, const CleanOptions& options) {
  if (options.retain_commits < 1)
    return fail(ErrorCode::kInvalidConfig, "a clean that retains {} commits; at least 1 must stay",
                options.retain_commits);
  WEIR_TRY(table.check_writable());
  if (context.guard != nullptr) WEIR_TRY(context.guard->still_mine());
  storage::Storage& store = *context.store;
  WEIR_ASSIGN(const Timeline timeline, Timeline::load(store));
  for (const auto& instant : timeline.instants()) {
    if (instant.action == "savepoint")
      return fail_with_hint(
          ErrorCode::kUnsupported,
          fmt::format("the table has a savepoint ({}), whose files must stay", instant.time),
          "clean it with the engine that made the savepoint, or delete that");
  }
  if (property_or(table.properties(), kOwnerProperty, "") == kOwnerName)
    WEIR_TRY(drop_clean_plans(store, timeline));
  WEIR_TRY(forget_old_decisions(store, context.clock->now_us()));
  CommitLog log(store);
  WEIR_ASSIGN(const Plan plan, make_plan(timeline, log, options.retain_commits));
  Cleaned cleaned;
  cleaned.earliest_retained = plan.earliest.time;
  if (plan.files.empty()) return cleaned;
  const int64_t began_us = context.clock->monotonic_us();
  WEIR_ASSIGN(cleaned.instant, next_instant_time(*context.clock, timeline.last_time()));
  WEIR_ASSIGN(const std::string bytes, avro_container(kPlanSchema, plan_json(store, plan)));
  using State = Instant::State;
  for (const auto state : {State::kRequested, State::kInflight})
    WEIR_TRY(put_new(store, instant_file(cleaned.instant, kAction, state), bytes));
  if (context.guard != nullptr) WEIR_TRY(context.guard->still_mine());
  std::vector<std::string> names;
  for (const auto& file : plan.files) {
    names.push_back(file.name);
    cleaned.bytes += file.size_bytes;
  }
  WEIR_TRY(store.remove_all(names));
  cleaned.files = std::ssize(names);
  const int64_t took_ms = (context.clock->monotonic_us() - began_us) / 1000;
  WEIR_ASSIGN(const std::string done,
              avro_container(kMetadataSchema, metadata_json(plan, cleaned.instant, took_ms)));
  WEIR_TRY(put_new(store, instant_file(cleaned.instant, kAction, State::kCompleted), done));
  return cleaned;
}

}  // namespace weir::table
