#pragma once

/// For tests: Avro's bytes, written by hand, so that a test can also write wrong ones.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "table/hudi/commit_metadata.h"

namespace weir::table {

inline std::string avro_number(int64_t value) {
  uint64_t left = static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63);
  std::string out;
  for (; left > 0x7F; left >>= 7) out += static_cast<char>(left | 0x80);
  return out + static_cast<char>(left);
}

inline std::string avro_text(std::string_view text) {
  return avro_number(static_cast<int64_t>(text.size())) + std::string(text);
}

inline constexpr std::string_view kTestSync = "sixteen bytes...";

/// A container of one block.
inline std::string avro_container(std::string_view schema, std::string_view data,
                                  int64_t records = 1, std::string_view codec = "") {
  std::string out("Obj\x01", 4);
  out += avro_number(codec.empty() ? 1 : 2) + avro_text("avro.schema") + avro_text(schema);
  if (!codec.empty()) out += avro_text("avro.codec") + avro_text(codec);
  out += avro_number(0) + std::string(kTestSync);
  return out + avro_number(records) + avro_text(data) + std::string(kTestSync);
}

/// What Hudi 1.x writes, without the fields that nobody here asks for.
inline constexpr std::string_view kCommitSchema =
    R"({"type":"record","name":"HoodieReplaceCommitMetadata","namespace":"org.apache.hudi.avro.model","fields":[)"
    R"({"name":"partitionToWriteStats","type":["null",{"type":"map","values":{"type":"array","items":)"
    R"({"type":"record","name":"HoodieWriteStat","fields":[)"
    R"({"name":"fileId","type":["null",{"type":"string","avro.java.string":"String"}],"default":null},)"
    R"({"name":"path","type":["null","string"]},{"name":"prevCommit","type":["null","string"]},)"
    R"({"name":"prevBaseFile","type":["null","string"]},{"name":"numWrites","type":["null","long"]},)"
    R"({"name":"numInserts","type":["null","long"]}]}}}]},)"
    R"({"name":"extraMetadata","type":["null",{"type":"map","values":"string"}]},)"
    R"({"name":"version","type":["int","null"],"default":1},{"name":"operationType","type":["null","string"]},)"
    R"({"name":"partitionToReplaceFileIds","type":["null",{"type":"map","values":{"type":"array","items":"string"}}]}]})";

inline std::string avro_commit(const CommitMetadata& metadata) {
  const auto some = [](const std::string& text) { return avro_number(1) + avro_text(text); };
  std::map<std::string, std::vector<WriteStat>> by_partition;
  for (const auto& stat : metadata.stats) by_partition[stat.partition].push_back(stat);
  const auto count = [](const auto& items) {
    return items.empty() ? std::string() : avro_number(static_cast<int64_t>(items.size()));
  };
  std::string data = avro_number(1) + count(by_partition);
  for (const auto& [partition, stats] : by_partition) {
    data += avro_text(partition) + count(stats);
    for (const auto& stat : stats) {
      data += some(stat.file_group_id) + some(stat.path) +
              some(stat.previous_commit.empty() ? "null" : stat.previous_commit) +
              (stat.previous_file.empty() ? avro_number(0) : some(stat.previous_file)) +
              avro_number(1) + avro_number(stat.rows) + avro_number(1) + avro_number(stat.inserts);
    }
    data += avro_number(0);
  }
  data += avro_number(0) + avro_number(1) + count(metadata.extra);
  for (const auto& [key, value] : metadata.extra) data += avro_text(key) + avro_text(value);
  data += avro_number(0) + avro_number(0) + avro_number(1) + some(metadata.operation_type);
  data += avro_number(1) + count(metadata.replaced);
  for (const auto& [partition, ids] : metadata.replaced) {
    data += avro_text(partition) + count(ids);
    for (const auto& id : ids) data += avro_text(id);
    data += avro_number(0);
  }
  return avro_container(kCommitSchema, data + avro_number(0));
}

}  // namespace weir::table
