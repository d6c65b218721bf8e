// Random writes against a map that does what their definition says: after each, the table holds the
// map's rows, each once, in the partition that its value names.

#include "table/write_rows.h"

#include <cstdlib>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "table/hudi/properties.h"
#include "table/hudi/test_table.h"
#include "table/services.h"

namespace weir::table {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
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

model::Schema schema() {
  return {{"id", model::parse_type("bigint").value(), true},
          {"city", model::parse_type("varchar").value(), true},
          {"ts", model::parse_type("bigint").value(), true},
          {"name", model::parse_type("varchar").value(), true}};
}

std::string literal(const Text& text) { return text ? model::quote_text(*text) : "NULL"; }

std::string relation_of(const std::vector<Row>& rows) {
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

// ---- what each operation does --------------------------------------------------------------

TEST_F(Rows, UpsertReplacesWhatIsThereAndAddsTheRest) {
  make();
  must_write(RowOperation::kInsert, {{1, "Oslo", 1, "ann"}, {2, "Oslo", 1, "bob"}});
  const auto written =
      must_write(RowOperation::kUpsert, {{2, "Oslo", 2, "bo"}, {3, "Bergen", 1, "cem"}});
  EXPECT_EQ(written.inserted, 1);
  EXPECT_EQ(written.updated, 1);
  EXPECT_EQ(stored(), (std::vector<Row>{
                          {1, "Oslo", 1, "ann"}, {2, "Oslo", 2, "bo"}, {3, "Bergen", 1, "cem"}}));
}

TEST_F(Rows, UpsertMovesARowWhosePartitionIsAnother) {
  make();
  must_write(RowOperation::kInsert, {{1, "Oslo", 1, "ann"}, {2, "Oslo", 1, "bob"}});
  const auto written = must_write(RowOperation::kUpsert, {{1, "Bergen", 2, "ann"}});
  EXPECT_EQ(written.updated, 1);
  EXPECT_EQ(written.inserted, 0);
  EXPECT_EQ(written.deleted, 0);
  EXPECT_EQ(stored(), (std::vector<Row>{{1, "Bergen", 2, "ann"}, {2, "Oslo", 1, "bob"}}));
}

TEST_F(Rows, WithinPartitionsTheSameKeyIsAnotherRow) {
  make();
  must_write(RowOperation::kInsert, {{1, "Oslo", 1, "ann"}}, KeyScope::kPartition);
  must_write(RowOperation::kUpsert, {{1, "Bergen", 2, "ann"}}, KeyScope::kPartition);
  EXPECT_EQ(stored().size(), 2);
}

TEST_F(Rows, InsertRefusesAKeyThatIsThere) {
  make();
  must_write(RowOperation::kInsert, {{1, "Oslo", 1, "ann"}});
  const auto refused = write(RowOperation::kInsert, {{7, "Oslo", 1, "x"}, {1, "Oslo", 1, "y"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(refused.error().message, HasSubstr("'1'"));
  EXPECT_EQ(stored(), (std::vector<Row>{{1, "Oslo", 1, "ann"}}));
}

TEST_F(Rows, DeleteLeavesAnEmptyGroupBehind) {
  make();
  must_write(RowOperation::kInsert, {{1, "Oslo", 1, "ann"}});
  const auto written = must_write(RowOperation::kDelete, {{1, "Oslo", 0, ""}, {9, "Oslo", 0, ""}});
  EXPECT_EQ(written.deleted, 1);
  EXPECT_EQ(written.passed_over, 1);
  EXPECT_EQ(stored(), (std::vector<Row>{}));
  must_write(RowOperation::kUpsert, {{1, "Oslo", 0, "ann"}});
  EXPECT_EQ(stored().size(), 1) << "a deleted key may come again, older too";
}

TEST_F(Rows, OverwriteOfPartitionsLeavesTheOthers) {
  make();
  must_write(RowOperation::kInsert, {{1, "Oslo", 1, "ann"}, {2, "Bergen", 1, "bob"}});
  must_write(RowOperation::kOverwritePartitions, {{3, "Oslo", 1, "cem"}});
  EXPECT_EQ(stored(), (std::vector<Row>{{2, "Bergen", 1, "bob"}, {3, "Oslo", 1, "cem"}}));
  must_write(RowOperation::kOverwriteTable, {{4, "Oslo", 1, "dag"}});
  EXPECT_EQ(stored(), (std::vector<Row>{{4, "Oslo", 1, "dag"}}));
}

TEST_F(Rows, OlderRowsThanTheTablesArePassedOver) {
  make();
  must_write(RowOperation::kInsert, {{1, "Oslo", 5, "ann"}});
  const auto written = must_write(RowOperation::kUpsert, {{1, "Bergen", 4, "old"}});
  EXPECT_EQ(written.stale, 1);
  EXPECT_EQ(stored(), (std::vector<Row>{{1, "Oslo", 5, "ann"}}));
  must_write(RowOperation::kUpsert, {{1, "Oslo", 5, "same age"}});
  EXPECT_EQ(stored(), (std::vector<Row>{{1, "Oslo", 5, "same age"}}));
}

TEST_F(Rows, OfRowsWithOneKeyTheNewestIsTaken) {
  make();
  const auto written = must_write(
      RowOperation::kUpsert, {{1, "Oslo", 1, "a"}, {1, "Bergen", 3, "c"}, {1, "Oslo", 2, "b"}});
  EXPECT_EQ(written.deduplicated, 2);
  EXPECT_EQ(stored(), (std::vector<Row>{{1, "Bergen", 3, "c"}}));
}

TEST_F(Rows, WithoutAnOrderRowsWithOneKeyMustBeEqual) {
  make("");
  must_write(RowOperation::kUpsert, {{1, "Oslo", 1, "a"}, {1, "Oslo", 1, "a"}});
  EXPECT_EQ(stored().size(), 1);
  const auto refused = write(RowOperation::kUpsert, {{1, "Oslo", 1, "a"}, {1, "Oslo", 1, "b"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidData);
  EXPECT_THAT(refused.error().message, HasSubstr("'1'"));
}

TEST_F(Rows, ColumnsMayBeAddedAndWidened) {
  make();
  must_write(RowOperation::kInsert, {{1, "Oslo", 1, "ann"}});
  RowWrite wider;
  wider.rows = "(SELECT 2::BIGINT AS id, 'Oslo' AS city, 2::BIGINT AS ts, 'x' AS mail)";
  wider.schema = schema();
  wider.schema[3].name = "mail";
  wider.token = "wider";
  const auto session = sql::open_session({}, cancel_).value();
  const auto written = write_rows(*session, *table_, wider, cancel_);
  ASSERT_TRUE(written) << to_line(written.error());
  const auto snapshot = table_->snapshot().value();
  ASSERT_EQ(snapshot.schema.size(), 5);
  EXPECT_EQ(snapshot.schema[4].name, "mail");
  EXPECT_EQ(stored(), (std::vector<Row>{{1, "Oslo", 1, "ann"}, {2, "Oslo", 2, std::nullopt}}));
  wider.token = "city";
  wider.schema[1].type = model::parse_type("bigint").value();
  wider.rows = "(SELECT 2::BIGINT AS id, 7::BIGINT AS city, 2::BIGINT AS ts, 'x' AS mail)";
  const auto refused = write_rows(*session, *table_, wider, cancel_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kSchemaDrift);
  EXPECT_THAT(refused.error().message, HasSubstr("'city'"));
}

TEST_F(Rows, FewNewRowsDoNotCopyALargerGroup) {
  make("ts", false);
  const auto session = sql::open_session({}, cancel_).value();
  const auto add = [&](int64_t from, int64_t to) {
    RowWrite some;
    some.rows = fmt::format(
        "(SELECT i AS id, 'Oslo' AS city, 1::BIGINT AS ts, md5(i::VARCHAR) AS name FROM range({}, "
        "{}) t(i))",
        from, to);
    some.schema = schema();
    some.token = fmt::format("up to {}", to);
    const auto written = write_rows(*session, *table_, some, cancel_);
    EXPECT_TRUE(written) << to_line(written.error());
    std::vector<int64_t> rows;
    const auto snapshot = table_->snapshot().value();
    for (const auto& slice : snapshot.slices) rows.push_back(slice.rows);
    std::ranges::sort(rows);
    return rows;
  };
  EXPECT_THAT(add(0, 160'000), ElementsAre(160'000));
  ASSERT_GT(table_->snapshot()->slices[0].size_bytes, int64_t{2} << 20);
  EXPECT_THAT(add(160'000, 160'100), ElementsAre(100, 160'000)) << "not for a hundred";
  EXPECT_THAT(add(160'100, 160'300), ElementsAre(300, 160'000)) << "a small one, for any";
  EXPECT_THAT(add(160'300, 180'000), ElementsAre(20'000, 160'000)) << "the smallest";
  EXPECT_THAT(add(180'000, 180'001), ElementsAre(20'001, 160'000));
}

TEST_F(Rows, FlaggedRowsDeleteTheirKeys) {
  make();
  must_write(RowOperation::kInsert,
             {{1, "Oslo", 5, "a"}, {2, "Oslo", 5, "b"}, {3, "Oslo", 5, "c"}});
  RowWrite write;
  write.schema = schema();
  write.schema.push_back({"gone", model::parse_type("boolean").value(), true});
  write.delete_flag = "gone";
  write.token = "flagged";
  write.rows =
      "(SELECT id::BIGINT AS id, city, ts::BIGINT AS ts, name, gone FROM (VALUES (1, 'Oslo', 6, "
      "'x', "
      "true), (2, 'Oslo', 4, 'late', true), (3, 'Bergen', 6, 'moved', false), (4, 'Oslo', 6, 'd', "
      "NULL), (9, 'Oslo', 6, 'none', true)) v(id, city, ts, name, gone))";
  int64_t rows_told = -1;
  write.extra = [&](const RowsWritten& written) {
    rows_told = written.rows;
    return std::map<std::string, std::string>{{"weir.as_of", "told"}};
  };
  const auto session = sql::open_session({}, cancel_).value();
  const auto written = write_rows(*session, *table_, write, cancel_);
  ASSERT_TRUE(written) << to_line(written.error());
  EXPECT_EQ(stored(), (std::vector<Row>{
                          {2, "Oslo", 5, "b"}, {3, "Bergen", 6, "moved"}, {4, "Oslo", 6, "d"}}));
  EXPECT_EQ(written->flagged, 1);
  EXPECT_EQ(written->stale, 1) << "what comes late deletes nothing";
  EXPECT_EQ(written->passed_over, 1);
  EXPECT_EQ(written->inserted, 1);
  EXPECT_EQ(written->updated, 1);
  EXPECT_EQ(written->in, written->deduplicated + written->stale + written->inserted +
                             written->updated + written->flagged + written->passed_over);
  EXPECT_EQ(rows_told, 3);
  EXPECT_EQ(table_->snapshot().value().extra.at("weir.as_of"), "told");
  EXPECT_EQ(table_->snapshot().value().schema.size(), 4) << "the flag is not stored";
}

TEST_F(Rows, NothingIsVisibleWhereTheCallerRefuses) {
  make();
  must_write(RowOperation::kInsert, {{1, "Oslo", 1, "a"}});
  RowWrite write;
  write.schema = schema();
  write.token = "refused";
  write.rows = relation_of({{1, "Oslo", 2, "b"}, {2, "Bergen", 2, "c"}});
  write.extra = [](const RowsWritten&) -> Result<std::map<std::string, std::string>> {
    return fail(ErrorCode::kCheckFailed, "as the test says");
  };
  const auto session = sql::open_session({}, cancel_).value();
  EXPECT_FALSE(write_rows(*session, *table_, write, cancel_));
  EXPECT_EQ(stored(), (std::vector<Row>{{1, "Oslo", 1, "a"}}));
}

TEST_F(Rows, NullsInKeyOrOrderAreRefused) {
  make();
  RowWrite write;
  write.schema = schema();
  write.token = "null";
  const auto session = sql::open_session({}, cancel_).value();
  for (const auto& [row, column] :
       {std::pair{"NULL::BIGINT AS id, 'Oslo' AS city, 1::BIGINT AS ts", "'id'"},
        std::pair{"1::BIGINT AS id, 'Oslo' AS city, NULL::BIGINT AS ts", "'ts'"}}) {
    write.rows = fmt::format("(SELECT {}, 'x' AS name)", row);
    const auto refused = write_rows(*session, *table_, write, cancel_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidData);
    EXPECT_THAT(refused.error().message, HasSubstr(column));
  }
}

TEST_F(Rows, ColumnsMayBeCalledAsWhatWeirCallsItsOwn) {
  make();
  must_write(RowOperation::kInsert, {{1, "Oslo", 1, "ann"}});
  RowWrite write;
  write.schema = schema();
  std::string more;
  for (const char* name : {"n", "no", "part", "group_no", "group_row", "moves", "goes", "h", "nth",
                           "p0", "i", "e", "a", "is_newer"}) {
    write.schema.push_back({name, model::parse_type("bigint").value(), true});
    more += fmt::format(", 5::BIGINT AS {}", name);
  }
  write.rows = fmt::format(
      "(SELECT id::BIGINT AS id, city, ts::BIGINT AS ts, name{} FROM (VALUES (1, 'Bergen', 2, "
      "'x'), "
      "(2, 'Oslo', 2, 'y'), (2, 'Oslo', 3, 'z')) v(id, city, ts, name))",
      more);
  write.token = "names";
  const auto session = sql::open_session({}, cancel_).value();
  const auto written = write_rows(*session, *table_, write, cancel_);
  ASSERT_TRUE(written) << to_line(written.error());
  EXPECT_EQ(stored(), (std::vector<Row>{{1, "Bergen", 2, "x"}, {2, "Oslo", 3, "z"}}));
}

TEST_F(Rows, BucketTablesAreNotWritten) {
  make();
  auto properties =
      parse_properties(store_->read(kPropertiesFile, storage::Range::all()).value()).value();
  properties["hoodie.index.type"] = "BUCKET";
  properties["hoodie.bucket.index.num.buckets"] = "4";
  ASSERT_TRUE(storage::put(*store_, kPropertiesFile, format_properties(properties),
                           storage::Put::kReplace));
  const auto refused = write(RowOperation::kUpsert, {{1, "Oslo", 1, "a"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(refused.error().message, HasSubstr("hoodie.index.type"));
}

// ---- any sequence --------------------------------------------------------------------------

/// What the definition of each operation makes of a map of rows.
class Model {
 public:
  explicit Model(KeyScope scope) : scope_(scope) {}

  void upsert(const std::vector<Row>& rows) {
    std::map<std::string, Row> newest;
    for (const Row& row : rows) {
      const auto [found, is_new] = newest.try_emplace(key_of(row), row);
      if (!is_new && found->second.ts < row.ts) found->second = row;
    }
    for (const auto& [key, row] : newest) {
      const auto there = rows_.find(key);
      if (there == rows_.end() || there->second.ts <= row.ts) rows_[key] = row;
    }
  }
  void remove(const std::vector<Row>& rows) {
    for (const Row& row : rows) rows_.erase(key_of(row));
  }
  void overwrite(const std::vector<Row>& rows, bool whole_table) {
    std::set<std::string> cities;
    for (const Row& row : rows) cities.insert(row.city.value_or(""));
    std::erase_if(rows_, [&](const auto& each) {
      return whole_table || cities.contains(each.second.city.value_or(""));
    });
    for (const Row& row : rows) rows_[key_of(row)] = row;
  }
  std::vector<Row> rows() const {
    std::vector<Row> out;
    for (const auto& [key, row] : rows_) out.push_back(row);
    std::ranges::sort(out);
    return out;
  }
  bool has(const Row& row) const { return rows_.contains(key_of(row)); }

 private:
  std::string key_of(const Row& row) const {
    return scope_ == KeyScope::kTable ? std::to_string(row.id)
                                      : fmt::format("{}|{}", row.city.value_or(""), row.id);
  }

  KeyScope scope_;
  std::map<std::string, Row> rows_;
};

class RandomRows : public Rows, public ::testing::WithParamInterface<KeyScope> {
 protected:
  int below(int limit) { return static_cast<int>(engine_() % static_cast<uint64_t>(limit)); }
  /// Few keys and partitions, so that everything happens soon; each key once.
  std::vector<Row> some_rows(int most) {
    static const std::vector<Text> kCities = {std::nullopt, "Oslo", "a/b", "Tromsø"};
    std::map<int64_t, Row> rows;
    const int count = 1 + below(most);
    for (int i = 0; i < count; ++i) {
      const int64_t id = below(25);
      rows[id] = {id, kCities[static_cast<size_t>(below(4))], below(6),
                  fmt::format("v{}", ++values_)};
    }
    std::vector<Row> out;
    for (const auto& [id, row] : rows) out.push_back(row);
    std::ranges::shuffle(out, engine_);
    return out;
  }
  std::mt19937_64 engine_;

 private:
  int values_ = 0;
};

TEST_P(RandomRows, AgreeWithAMap) {
  const char* asked = std::getenv("WEIR_SEED");
  const uint64_t seed = asked != nullptr ? std::stoull(asked) : 20'261'126;
  SCOPED_TRACE(fmt::format("WEIR_SEED={}", seed));
  engine_.seed(seed);
  make();
  Model model(GetParam());
  std::map<std::string, std::vector<Row>> versions;
  const int steps = std::getenv("WEIR_LONG") != nullptr ? 600 : 60;
  for (int step = 0; step < steps; ++step) {
    SCOPED_TRACE(fmt::format("step {}", step));
    test_.clock.now += 1'000'000;
    target_file_bytes_ = below(3) == 0 ? 6'000 : int64_t{120} << 20;
    std::vector<Row> rows = some_rows(12);
    const int kind = below(10);
    std::string instant;
    if (kind < 6) {
      instant = must_write(RowOperation::kUpsert, rows, GetParam()).commit.time;
      model.upsert(rows);
    } else if (kind == 6) {
      instant = must_write(RowOperation::kDelete, rows, GetParam()).commit.time;
      model.remove(rows);
    } else if (kind == 7) {
      std::erase_if(rows, [&](const Row& row) { return model.has(row); });
      instant = must_write(RowOperation::kInsert, rows, GetParam()).commit.time;
      model.upsert(rows);
    } else if (kind == 8) {
      const auto compacted = compact(test_.context, *table_, {}, cancel_);
      ASSERT_TRUE(compacted) << to_line(compacted.error());
      instant = compacted->instant;
    } else {
      const bool whole_table = below(3) == 0;
      // Overwriting looks no key up: with one scope for all, only a whole table stays free of
      // twins.
      if (!whole_table && GetParam() == KeyScope::kTable) continue;
      instant = must_write(whole_table ? RowOperation::kOverwriteTable
                                       : RowOperation::kOverwritePartitions,
                           rows, GetParam())
                    .commit.time;
      model.overwrite(rows, whole_table);
    }
    ASSERT_EQ(stored(), model.rows());
    if (!instant.empty()) versions[instant] = model.rows();
    if (HasFailure()) return;
  }
  for (const auto& [instant, rows] : versions) EXPECT_EQ(stored(instant), rows) << instant;
}

INSTANTIATE_TEST_SUITE_P(Scope, RandomRows,
                         ::testing::Values(KeyScope::kTable, KeyScope::kPartition));

}  // namespace
}  // namespace weir::table
