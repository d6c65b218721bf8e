#pragma once

/// For tests: a table as another writer would have left it, file by file, on either timeline.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include "table/hudi/avro_schema.h"
#include "table/hudi/commit_metadata.h"
#include "table/hudi/test_avro.h"
#include "table/hudi/test_table.h"

namespace weir::table {

/// One row: id, name, and when it was last changed.
struct ForeignRow {
  int64_t id;
  std::string name;
  std::string changed_at;
};

class ForeignTable {
 public:
  explicit ForeignTable(int version, const std::map<std::string, std::string>& properties = {})
      : version_(version), store_(storage::make_memory_storage()), test_(*store_) {
    std::map<std::string, std::string> all = {
        {"hoodie.table.name", "people"},
        {"hoodie.table.type", "COPY_ON_WRITE"},
        {"hoodie.table.version", std::to_string(version)},
        {"hoodie.timeline.layout.version", version == 6 ? "1" : "2"},
        {"hoodie.table.recordkey.fields", "id"}};
    for (auto& [key, value] : properties) all[key] = value;
    std::string text;
    for (const auto& [key, value] : all) text += key + "=" + value + "\n";
    put(".hoodie/hoodie.properties", text);
  }

  storage::Storage& store() { return *store_; }
  std::string folder() const { return version_ == 6 ? ".hoodie/" : ".hoodie/timeline/"; }

  void put(const std::string& name, const std::string& bytes) {
    EXPECT_TRUE(storage::put(*store_, name, bytes, storage::Put::kReplace)) << name;
  }

  std::unique_ptr<HudiTable> open() {
    auto opened = open_table(test_.context);
    EXPECT_TRUE(opened) << to_line(opened.error());
    return opened ? *std::move(opened) : nullptr;
  }

  static std::string file_of(const std::string& group, const std::string& time,
                             const std::string& partition = "") {
    return partition + (partition.empty() ? "" : "/") + group + "_0-0-0_" + time + ".parquet";
  }

  struct File {
    std::string group;
    std::string time;
    std::string partition = {};
  };

  /// A data file of any columns, Hudi's five before them.
  void add_file(const File& file, const std::vector<std::string>& changed_at,
                const arrow::FieldVector& fields, const std::string& rows_json) {
    const auto data =
        arrow::RecordBatch::FromStructArray(
            arrow::json::ArrayFromJSONString(arrow::struct_(fields), rows_json).ValueOrDie())
            .ValueOrDie();
    arrow::FieldVector all;
    arrow::ArrayVector columns;
    for (const auto name : kMetaColumns) {
      all.push_back(arrow::field(std::string(name), arrow::utf8()));
      arrow::StringBuilder values;
      for (const auto& at : changed_at) EXPECT_TRUE(values.Append(at).ok());
      columns.push_back(*values.Finish());
    }
    for (int i = 0; i < data->num_columns(); ++i) {
      all.push_back(fields[static_cast<size_t>(i)]);
      columns.push_back(data->column(i));
    }
    const auto schema = arrow::schema(all);
    const std::string name = file_of(file.group, file.time, file.partition);
    auto writer = parquet::create_file(*store_, name, schema, {}).value();
    EXPECT_TRUE(writer->write(*arrow::RecordBatch::Make(schema, data->num_rows(), columns)));
    EXPECT_TRUE(writer->commit({}, storage::Put::kReplace));
  }

  void add_people(const std::string& group, const std::string& time,
                  const std::vector<ForeignRow>& rows, const std::string& partition = "") {
    std::string json;
    std::vector<std::string> changed_at;
    for (const auto& row : rows) {
      json += fmt::format(R"({}{{"id": {}, "name": "{}"}})", json.empty() ? "" : ", ", row.id,
                          row.name);
      changed_at.push_back(row.changed_at);
    }
    add_file({group, time, partition}, changed_at,
             {arrow::field("id", arrow::int64()), arrow::field("name", arrow::utf8())},
             "[" + json + "]");
  }

  static WriteStat stat(const std::string& group, const std::string& time,
                        const std::string& previous = "", const std::string& partition = "") {
    WriteStat stat;
    stat.file_group_id = group;
    stat.path = file_of(group, time, partition);
    stat.partition = partition;
    stat.previous_commit = previous;
    if (!previous.empty()) stat.previous_file = file_of(group, previous);
    stat.rows = -1;
    return stat;
  }

  struct Commit {
    std::string time;
    std::string completion;  ///< Of version 8 and 9.
    std::vector<WriteStat> stats;
    std::map<std::string, std::vector<std::string>> replaced = {};
    model::Schema schema = people_schema();
    std::map<std::string, std::string> extra = {};
  };

  void commit(const Commit& commit) {
    CommitMetadata metadata;
    metadata.stats = commit.stats;
    metadata.replaced = commit.replaced;
    metadata.extra = commit.extra;
    metadata.operation_type = commit.replaced.empty() ? "UPSERT" : "INSERT_OVERWRITE";
    if (!commit.schema.empty())
      metadata.extra[kSchemaKey] =
          avro_schema_text("people", commit.schema, MetaColumns::kLeftOut).value();
    const std::string action = commit.replaced.empty() ? "commit" : "replacecommit";
    put(folder() + commit.time + "." + action + ".requested", "");
    const std::string done = version_ == 6 ? commit.time : commit.time + "_" + commit.completion;
    put(folder() + done + "." + action,
        version_ == 6 ? to_text(metadata, Action::kReplaceCommit) : avro_commit(metadata));
  }

 private:
  int version_;
  std::unique_ptr<storage::Storage> store_;
  TestContext test_;
};

/// Rows as text, one a line, in the order of the lines: `id name`.
inline std::vector<std::string> lines_of(Result<std::unique_ptr<RowReader>> opened) {
  std::vector<std::string> lines;
  EXPECT_TRUE(opened) << to_line(opened.error());
  if (!opened) return lines;
  while (true) {
    const auto batch = (*opened)->next();
    EXPECT_TRUE(batch) << to_line(batch.error());
    if (!batch || !*batch) break;
    EXPECT_TRUE((*batch)->ValidateFull().ok());
    EXPECT_TRUE((*batch)->schema()->Equals((*opened)->schema()));
    for (int64_t row = 0; row < (*batch)->num_rows(); ++row) {
      std::string line;
      for (const auto& column : (*batch)->columns())
        line += (line.empty() ? "" : " ") + column->GetScalar(row).ValueOrDie()->ToString();
      lines.push_back(std::move(line));
    }
  }
  std::ranges::sort(lines);
  return lines;
}

inline std::vector<std::string> snapshot_lines(HudiTable& table, const std::string& at = "") {
  const auto snapshot = table.snapshot(at);
  EXPECT_TRUE(snapshot) << to_line(snapshot.error());
  return snapshot ? lines_of(table.read(*snapshot, {})) : std::vector<std::string>();
}

inline std::vector<std::string> change_lines(HudiTable& table, const std::string& from,
                                             const std::string& to = "") {
  const auto changes = table.changes(from, to);
  EXPECT_TRUE(changes) << to_line(changes.error());
  return changes ? lines_of(table.read(*changes, {})) : std::vector<std::string>();
}

}  // namespace weir::table
