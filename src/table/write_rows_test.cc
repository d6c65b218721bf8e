#include "table/write_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "table/control_measures.h"
#include "table/hudi/properties.h"
#include "table/relations.h"
#include "table/test_rows.h"

namespace weir::table {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

TEST_F(Rows, ManyFilesAreAskedInParts) {
  make();
  const auto cities = static_cast<int64_t>(9 * kFilesPerQuery + 5);
  const auto city = [&](int64_t id) { return fmt::format("c{:03}", id % cities); };
  std::vector<Row> rows;
  for (int64_t id = 0; id < 3 * cities; ++id) rows.push_back({id, city(id), 1, "old"});
  must_write(RowOperation::kInsert, rows);
  // Of each city the first row changes, but for one that moves and one that came too late.
  std::vector<Row> coming;
  for (int64_t id = 0; id < cities; ++id) coming.push_back({id, city(id), 2, "new"});
  coming[40].city = "c070";
  coming[41].ts = 0;
  coming.push_back({1000, "c000", 2, "new"});
  control_ = {"id"};
  const auto written = must_write(RowOperation::kUpsert, coming);
  for (const Row& row : coming) {
    if (row.ts == 0) continue;
    const auto old = std::ranges::find(rows, row.id, &Row::id);
    if (old == rows.end())
      rows.push_back(row);
    else
      *old = row;
  }
  std::ranges::sort(rows);
  EXPECT_EQ(stored(), rows);
  EXPECT_EQ(written.updated, cities - 1);
  EXPECT_EQ(written.stale, 1);
  EXPECT_EQ(written.inserted, 1);
  int64_t sum = 0;
  for (const Row& row : rows) sum += row.id;
  const auto& id = written.sums.columns.at("id");
  EXPECT_EQ(id.out.text(), std::to_string(sum));
  EXPECT_EQ(id.out.values(), 3 * cities + 1);
  EXPECT_EQ(id.inserted.text(), "1000");
  EXPECT_EQ(id.updated_in_place.text(), std::to_string(cities * (cities - 1) / 2 - 41));
  EXPECT_EQ(id.unchanged.text(), "41");
  const auto session = sql::open_session({}, cancel_).value();
  EXPECT_EQ(written.sums.keys_out,
            digest_of_key_sums(*session, "FROM " + key_sums({"id"}, relation_of(coming))).value());
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

}  // namespace
}  // namespace weir::table
