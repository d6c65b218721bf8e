#pragma once

/// Rows of a small table, written and read back: what the tests of write_rows() share.

#include "table/write_rows.h"

#include <gtest/gtest.h>

#include "table/hudi/test_table.h"

namespace weir::table {

using Text = std::optional<std::string>;

/// One row: id, city (the partition), ts (the order), name.
struct Row {
  int64_t id = 0;
  Text city;
  int64_t ts = 0;
  Text name;
  bool operator==(const Row&) const = default;
  auto operator<=>(const Row&) const = default;
};

inline model::Schema schema() {
  return {{"id", model::parse_type("bigint").value(), true},
          {"city", model::parse_type("varchar").value(), true},
          {"ts", model::parse_type("bigint").value(), true},
          {"name", model::parse_type("varchar").value(), true}};
}

inline std::string literal(const Text& text) { return text ? model::quote_text(*text) : "NULL"; }

inline std::string relation_of(const std::vector<Row>& rows) {
  std::string values;
  for (const Row& row : rows)
    values += fmt::format("{}({}, {}, {}, {})", values.empty() ? "" : ", ", row.id,
                          literal(row.city), row.ts, literal(row.name));
  const std::string from = rows.empty() ? "(SELECT NULL, NULL, NULL, NULL WHERE false)"
                                        : fmt::format("(VALUES {})", values);
  return fmt::format(
      "(SELECT id::BIGINT AS id, city::VARCHAR AS city, ts::BIGINT AS ts, "
      "name::VARCHAR AS name FROM {} v(id, city, ts, name))",
      from);
}

class Rows : public ::testing::Test {
 protected:
  void make(const std::string& ordering_field = "ts", bool is_partitioned = true) {
    TableOptions options;
    options.name = "rows";
    options.record_key = {"id"};
    if (is_partitioned) options.partition_by = {"city"};
    options.ordering_field = ordering_field;
    options.schema = schema();
    auto made = create_table(test_.context, options);
    ASSERT_TRUE(made) << to_line(made.error());
    table_ = *std::move(made);
  }

  Result<RowsWritten> write(RowOperation operation, const std::vector<Row>& rows,
                            KeyScope scope = KeyScope::kTable) {
    RowWrite wanted;
    wanted.operation = operation;
    wanted.scope = scope;
    wanted.rows = relation_of(rows);
    wanted.schema = schema();
    wanted.target_file_bytes = target_file_bytes_;
    wanted.control = control_;
    wanted.token = fmt::format("write {}", ++writes_);
    const auto session = sql::open_session({}, cancel_).value();
    return write_rows(*session, *table_, wanted, cancel_);
  }

  RowsWritten must_write(RowOperation operation, const std::vector<Row>& rows,
                         KeyScope scope = KeyScope::kTable) {
    auto written = write(operation, rows, scope);
    EXPECT_TRUE(written) << to_line(written.error());
    EXPECT_EQ(written ? written->rows : -1, static_cast<int64_t>(stored().size()));
    return written ? *std::move(written) : RowsWritten{};
  }

  /// Every row of the newest version, sorted; what Hudi's columns say of it is checked on the way.
  std::vector<Row> stored(const std::string& at = "") {
    std::vector<Row> rows;
    const auto snapshot = table_->snapshot(at);
    EXPECT_TRUE(snapshot) << to_line(snapshot.error());
    if (!snapshot) return rows;
    for (const auto& slice : snapshot->slices) {
      const auto reader = table_->open(slice).value();
      EXPECT_EQ(reader->info().rows, slice.rows) << slice.name;
      for (int64_t group = 0; group < reader->info().row_groups; ++group)
        take(*reader->read_row_group(group, {}).value(), slice, rows);
    }
    std::ranges::sort(rows);
    return rows;
  }

  std::unique_ptr<storage::Storage> store_ = storage::make_memory_storage();
  TestContext test_{*store_};
  std::unique_ptr<HudiTable> table_;
  Cancel cancel_;
  int64_t target_file_bytes_ = int64_t{120} << 20;
  std::vector<std::string> control_;  ///< Columns whose sums are taken.

 private:
  static void take(const arrow::RecordBatch& batch, const FileSlice& slice,
                   std::vector<Row>& rows) {
    const auto text = [&](const char* name, int64_t i) -> Text {
      const auto& column = static_cast<const arrow::StringArray&>(*batch.GetColumnByName(name));
      if (column.IsNull(i)) return std::nullopt;
      return column.GetString(i);
    };
    const auto number = [&](const char* name, int64_t i) {
      return static_cast<const arrow::Int64Array&>(*batch.GetColumnByName(name)).Value(i);
    };
    for (int64_t i = 0; i < batch.num_rows(); ++i) {
      rows.push_back({number("id", i), text("city", i), number("ts", i), text("name", i)});
      EXPECT_EQ(text("_hoodie_record_key", i), std::to_string(rows.back().id));
      EXPECT_EQ(text("_hoodie_partition_path", i), slice.partition);
      if (slice.partition.empty()) continue;
      const Text& city = rows.back().city;
      EXPECT_EQ(slice.partition,
                "city=" + (city && !city->empty() ? (*city == "a/b" ? "a%2Fb" : *city)
                                                  : "__HIVE_DEFAULT_PARTITION__"));
    }
  }

  int64_t writes_ = 0;
};

}  // namespace weir::table
