#include "table/hudi/commit_metadata.h"

#include "base/json.h"
#include "table/hudi/avro_file.h"

namespace weir::table {
namespace {

Json to_json(const WriteStat& stat) {
  return {{"fileId", stat.file_group_id},
          {"path", stat.path},
          // Hudi writes the text "null" for a group that is new.
          {"prevCommit", stat.previous_commit.empty() ? "null" : stat.previous_commit},
          {"prevBaseFile", stat.previous_file.empty() ? Json(nullptr) : Json(stat.previous_file)},
          {"partitionPath", stat.partition},
          {"numWrites", stat.rows},
          {"numInserts", stat.inserts},
          {"numUpdateWrites", stat.updates},
          {"numDeletes", stat.deletes},
          {"totalWriteBytes", stat.size_bytes},
          {"fileSizeInBytes", stat.size_bytes},
          {"totalWriteErrors", 0}};
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

int64_t number_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

WriteStat stat_from(const Json& json, const std::string& partition) {
  WriteStat stat;
  stat.file_group_id = text_of(json, "fileId");
  stat.path = text_of(json, "path");
  stat.partition = partition;
  stat.previous_commit = text_of(json, "prevCommit");
  if (stat.previous_commit == "null") stat.previous_commit.clear();
  stat.previous_file = text_of(json, "prevBaseFile");
  stat.rows = number_of(json, "numWrites");
  stat.inserts = number_of(json, "numInserts");
  stat.updates = number_of(json, "numUpdateWrites");
  stat.deletes = number_of(json, "numDeletes");
  stat.size_bytes = number_of(json, "fileSizeInBytes");
  return stat;
}

/// The member of that name where it is an object; an empty one else (Hudi writes null for nothing).
const Json& object_of(const Json& json, const char* key, const Json& empty) {
  const auto found = json.find(key);
  return found != json.end() && found->is_object() ? *found : empty;
}

/// Layout 1 keeps JSON, layout 2 one Avro record with the same names.
Result<Json> json_of(std::string_view text, std::string_view file) {
  if (is_avro_file(text)) {
    WEIR_ASSIGN(std::vector<Json> records, read_avro_file(text, file));
    if (records.size() != 1 || !records[0].is_object())
      return fail(ErrorCode::kCorrupt, "{} is no commit: it has {} Avro records, not one", file,
                  records.size());
    return std::move(records[0]);
  }
  auto parsed = parse_json(text);
  if (!parsed)
    return fail(ErrorCode::kCorrupt, "{} is no commit: {}", file, parsed.error().message);
  if (!parsed->is_object())
    return fail(ErrorCode::kCorrupt, "{} is no commit: no JSON object", file);
  return parsed;
}

}  // namespace

bool has_weirs_extra(const CommitMetadata& metadata) {
  if (metadata.extra.contains(kServiceKey)) return false;
  const auto first = metadata.extra.lower_bound("weir.");
  return first != metadata.extra.end() && first->first.starts_with("weir.");
}

bool begins_table(const CommitMetadata& metadata) {
  const auto service = metadata.extra.find(kServiceKey);
  return service != metadata.extra.end() && service->second == kCreateService;
}

std::string_view to_text(Role role) {
  switch (role) {
    case Role::kCurrent: return "current";
    case Role::kHistory: return "history";
    case Role::kMixed: return "mixed";
  }
  return "mixed";
}

Role role_from_text(std::string_view text) {
  if (text == "current") return Role::kCurrent;
  if (text == "history") return Role::kHistory;
  return Role::kMixed;
}

Role role_in(const std::map<std::string, std::string>& extra, const std::string& file_group_id) {
  const auto found = extra.find(kRolesKey);
  if (found == extra.end()) return Role::kMixed;
  const auto roles = parse_json(found->second);
  if (!roles || !roles->is_object()) return Role::kMixed;
  return role_from_text(text_of(*roles, file_group_id.c_str()));
}

std::string hash_in(const std::map<std::string, std::string>& extra,
                    const std::string& file_group_id) {
  const auto found = extra.find(kHashesKey);
  if (found == extra.end()) return {};
  const auto hashes = parse_json(found->second);
  if (!hashes || !hashes->is_object()) return {};
  return text_of(*hashes, file_group_id.c_str());
}

std::vector<KeyRange> key_ranges_in(const std::map<std::string, std::string>& extra,
                                    const std::string& file_group_id) {
  const auto found = extra.find(kKeyRangesKey);
  if (found == extra.end()) return {};
  const auto groups = parse_json(found->second);
  if (!groups || !groups->is_object()) return {};
  const auto group = groups->find(file_group_id);
  if (group == groups->end() || !group->is_object()) return {};
  std::vector<KeyRange> ranges;
  for (const auto& [column, ends] : group->items()) {
    if (ends.is_array() && ends.size() == 2 && ends[0].is_string() && ends[1].is_string())
      ranges.push_back({column, ends[0].get<std::string>(), ends[1].get<std::string>()});
  }
  return ranges;
}

Json to_json(const std::vector<KeyRange>& ranges) {
  Json json = Json::object();
  for (const auto& range : ranges) json[range.column] = {range.least, range.greatest};
  return json;
}

std::string to_text(const CommitMetadata& metadata, Action action) {
  Json stats = Json::object();
  for (const auto& stat : metadata.stats) stats[stat.partition].push_back(to_json(stat));
  Json json = {{"partitionToWriteStats", std::move(stats)},
               {"compacted", false},
               {"extraMetadata", metadata.extra},
               {"operationType", metadata.operation_type}};
  if (action == Action::kReplaceCommit) json["partitionToReplaceFileIds"] = metadata.replaced;
  return dump_json_pretty(json) + "\n";
}

Result<CommitMetadata> parse_commit_metadata(std::string_view text, std::string_view file) {
  CommitMetadata metadata;
  if (text.empty()) return metadata;
  WEIR_ASSIGN(const Json json, json_of(text, file));
  const Json empty = Json::object();
  for (const auto& [partition, stats] : object_of(json, "partitionToWriteStats", empty).items()) {
    for (const auto& stat : stats) {
      if (!stat.is_object())
        return fail(ErrorCode::kCorrupt, "{} has a write statistic that is no object", file);
      metadata.stats.push_back(stat_from(stat, partition));
    }
  }
  for (const auto& [key, value] : object_of(json, "extraMetadata", empty).items()) {
    if (value.is_string()) metadata.extra[key] = value.get<std::string>();
  }
  metadata.operation_type = text_of(json, "operationType");
  for (const auto& [partition, ids] : object_of(json, "partitionToReplaceFileIds", empty).items()) {
    for (const auto& id : ids) {
      if (id.is_string()) metadata.replaced[partition].push_back(id.get<std::string>());
    }
  }
  return metadata;
}

CommitInfo info_of(const Instant& instant, const CommitMetadata& metadata) {
  CommitInfo info;
  info.time = instant.time;
  info.action = instant.action;
  info.operation_type = metadata.operation_type;
  info.extra = metadata.extra;
  info.brings_no_data = metadata.extra.contains(kServiceKey);
  info.completion = instant.completion;
  for (const auto& stat : metadata.stats) {
    info.inserts += stat.inserts;
    info.updates += stat.updates;
    info.deletes += stat.deletes;
    info.bytes_written += stat.size_bytes;
  }
  return info;
}

}  // namespace weir::table
