#pragma once

/// For tests of history: a folder of raw snapshots, a Hudi table beside it, and its versions as
/// text.

#include <stdlib.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "model/canonical.h"
#include "sql/session.h"
#include "storage/storage.h"
#include "table/history.h"
#include "table/hudi/test_table.h"
#include "table/relations.h"
#include "table/services.h"

namespace weir::table {

using Cell = std::optional<std::string>;

inline constexpr int64_t kDay = 86'400'000'000;
inline constexpr int64_t kMonday = 1'767'571'200'000'000;  ///< 2026-01-05
inline constexpr int64_t kTuesday = kMonday + kDay;
inline constexpr int64_t kWednesday = kTuesday + kDay;
inline constexpr int64_t kThursday = kWednesday + kDay;

/// A picture of all keys: columns with DuckDB types, rows as text.
struct Picture {
  std::vector<std::pair<std::string, std::string>> columns;
  std::vector<std::vector<Cell>> rows;
};

/// One stored version: data columns as text, instants as microseconds, and `_hoodie_commit_time`.
using StoredVersion = std::map<std::string, Cell>;

/// Ids that never come twice in one test.
class SerialRandom final : public Random {
 public:
  std::array<uint8_t, 16> bytes16() override {
    std::array<uint8_t, 16> bytes{};
    ++next_;
    for (size_t i = 0; i < 8; ++i)
      bytes[i] = static_cast<uint8_t>(next_ * 0x9e37'79b9'7f4a'7c15 >> (8 * i));
    return bytes;
  }

 private:
  uint64_t next_ = 0;
};

class TestFolder {
 public:
  TestFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "weir-history-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    path = pattern;
  }
  ~TestFolder() { std::filesystem::remove_all(path); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  std::string path;
};

class TestLake {
 public:
  explicit TestLake(std::unique_ptr<storage::Storage> store = storage::make_memory_storage())
      : store_(std::move(store)) {
    options.key = {"k"};
    options.deletes = Deletes::kByAbsence;
    options.max_deleted_percent = 100;
    options.rejected_store = rejected.get();
    auto opened = sql::open_session({}, cancel);
    EXPECT_TRUE(opened) << (opened ? "" : to_line(opened.error()));
    session_ = *std::move(opened);
  }

  storage::Storage& store() { return *store_; }
  const std::string& folder() const { return folder_.path; }
  sql::Session& session() { return *session_; }

  /// Puts the picture into a raw object with load columns.
  HistorySource raw(int64_t as_of_us, const Picture& picture) {
    std::vector<std::string> rows;
    int64_t row_number = 0;
    for (const auto& row : picture.rows) {
      std::vector<std::string> cells;
      for (size_t i = 0; i < row.size(); ++i)
        cells.push_back(fmt::format("CAST({} AS {})", row[i] ? model::quote_text(*row[i]) : "NULL",
                                    picture.columns[i].second));
      rows.push_back(fmt::format("SELECT {}, {}", fmt::join(cells, ", "), ++row_number));
    }
    std::vector<std::string> names;
    std::vector<std::string> typed;
    HistorySource source;
    for (const auto& [name, type] : picture.columns) {
      names.push_back(model::quote_name(name));
      typed.push_back(fmt::format("NULL::{}", type));
      source.schema.push_back({name, *model::parse_type(type), true});
    }
    rows.push_back(fmt::format("SELECT {}, 0 WHERE false", fmt::join(typed, ", ")));
    const std::string query = fmt::format(
        "SELECT {}, 'file-{}.csv' AS _source_file, n::BIGINT AS _source_row, 'raw run' AS _run_id, "
        "TIMESTAMPTZ '2026-11-23T00:00:00Z' AS _loaded_at FROM ({}) t({}, n)",
        fmt::join(names, ", "), files_, fmt::join(rows, " UNION ALL "), fmt::join(names, ", "));
    source.files = {copy(query)};
    source.rows = static_cast<int64_t>(picture.rows.size());
    source.as_of_us = as_of_us;
    source.input_identities = {sha256_hex(query)};
    return source;
  }

  /// A Parquet file of this query.
  std::string copy(const std::string& query) {
    const std::string path = fmt::format("{}/{}.parquet", folder_.path, files_++);
    const auto copied = session_->run(
        fmt::format("COPY ({}) TO {} (FORMAT parquet)", query, model::quote_text(path)));
    EXPECT_TRUE(copied) << to_line(copied.error());
    return path;
  }

  static model::Operation operation(const HistorySource& source) {
    model::Operation operation;
    operation.kind = model::OperationKind::kMergeHistory;
    operation.target.dataset = {"stage", "people"};
    std::string identity = fmt::format("{} ", source.as_of_us);
    for (const auto& input : source.input_identities) identity += input;
    operation.token = sha256_hex(identity);
    operation.as_of_us = source.as_of_us;
    operation.origin.run_id = "run";
    operation.origin.logical_time_us = source.as_of_us + 1'000;
    operation.limits.threads = 1;
    return operation;
  }

  Result<model::Outcome> merge_into(storage::Storage& store, const HistorySource& source) {
    TestContext context(store);
    context.context.random = &random_;
    context.clock.now += ++merges_ * kDay;
    TableOptions table;
    table.name = "people";
    table.record_key = {"_version_id"};
    table.ordering_field = "_loaded_at";
    return merge_snapshot(context.context, table, options, source, operation(source), cancel);
  }
  Result<model::Outcome> merge(const HistorySource& source) { return merge_into(*store_, source); }
  Result<model::Outcome> merge(int64_t as_of_us, const Picture& picture) {
    return merge(raw(as_of_us, picture));
  }

  /// What people do to a table between two merges: joins its small files, removes old versions.
  Status tidy() {
    TestContext context(*store_);
    context.context.random = &random_;
    context.clock.now += merges_ * kDay + kDay / 2;
    WEIR_ASSIGN(auto table, open_table(context.context));
    WEIR_ASSIGN(const auto compacted, compact(context.context, *table, {}, cancel));
    groups_joined_ += compacted.groups_before;
    WEIR_ASSIGN([[maybe_unused]] const auto cleaned,
                clean(context.context, *table, {.retain_commits = 1}));
    return {};
  }
  int64_t groups_joined() const { return groups_joined_; }

  std::unique_ptr<HudiTable> table() {
    reader_ = std::make_unique<TestContext>(*store_);
    auto opened = open_table(reader_->context);
    EXPECT_TRUE(opened) << (opened ? "" : to_line(opened.error()));
    return *std::move(opened);
  }

  std::vector<FileSlice> slices() {
    const auto snapshot = table()->snapshot();
    EXPECT_TRUE(snapshot) << (snapshot ? "" : to_line(snapshot.error()));
    return snapshot->slices;
  }

  std::string digest() {
    const auto opened = table();
    const auto found = table_digest(*opened, *opened->snapshot(), cancel);
    EXPECT_TRUE(found) << (found ? "" : to_line(found.error()));
    return found.value_or("");
  }

  /// All versions, sorted by the first business column and time.
  std::vector<StoredVersion> versions(const std::string& key = "k") {
    const auto opened = table();
    const auto snapshot = opened->snapshot();
    EXPECT_TRUE(snapshot) << (snapshot ? "" : to_line(snapshot.error()));
    std::vector<std::string> paths;
    for (const FileSlice& slice : snapshot->slices)
      paths.push_back(*session_->objects().path_of(*store_, slice.name));
    model::Schema schema = snapshot->schema;
    schema.push_back({"_hoodie_commit_time", {}, true});
    std::vector<std::string> columns;
    for (const model::Column& column : schema) {
      const std::string name = model::quote_name(column.name);
      columns.push_back(column.type.kind == model::TypeKind::kTimestamp
                            ? fmt::format("epoch_us({0})::VARCHAR AS {0}", name)
                            : fmt::format("CAST({0} AS VARCHAR) AS {0}", name));
    }
    const auto read = session_->query(fmt::format("SELECT {} FROM {} x ORDER BY x.{}, x.valid_from",
                                                  fmt::join(columns, ", "), relation(paths, schema),
                                                  model::quote_name(key)));
    EXPECT_TRUE(read) << (read ? "" : to_line(read.error()));
    std::vector<StoredVersion> out;
    for (const sql::Row& row : read->rows) {
      StoredVersion version;
      for (size_t i = 0; i < row.size(); ++i) version[read->names[i]] = row[i];
      out.push_back(std::move(version));
    }
    return out;
  }

  Cancel cancel;
  HistoryOptions options;
  std::unique_ptr<storage::Storage> rejected = storage::make_memory_storage();

 private:
  TestFolder folder_;
  SerialRandom random_;
  std::unique_ptr<storage::Storage> store_;
  std::unique_ptr<sql::Session> session_;
  std::unique_ptr<TestContext> reader_;
  int64_t files_ = 0;
  int64_t merges_ = 0;
  int64_t groups_joined_ = 0;
};

}  // namespace weir::table
