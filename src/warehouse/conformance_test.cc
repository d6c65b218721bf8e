// What every warehouse must do, over both of them. PostgreSQL is left out, with a line, where it is
// not installed.

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/control_sums.h"
#include "testing/postgres_server.h"
#include "warehouse/house_for_test.h"

namespace weir::warehouse {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using MakeHouse = std::unique_ptr<House> (*)(const std::string& folder);
struct Kind {
  const char* name;
  MakeHouse make;
};

class EveryWarehouse : public Loading, public ::testing::WithParamInterface<Kind> {
 protected:
  std::unique_ptr<House> make_house() override { return GetParam().make(folder_); }
};

INSTANTIATE_TEST_SUITE_P(, EveryWarehouse,
                         ::testing::Values(Kind{"Duckdb", make_duckdb_house},
                                           Kind{"Postgres", make_postgres_house}),
                         [](const auto& each) { return each.param.name; });

TEST_P(EveryWarehouse, ReplaceMakesTheTableAndItsReceipt) {
  const auto loaded = run_load(warehouse(), replace(kAnnAndBob, 2));
  ASSERT_TRUE(loaded) << to_line(loaded.error());
  EXPECT_FALSE(loaded->was_already_done);
  EXPECT_EQ(loaded->receipt.counts, (model::Counts{.in = 2, .inserted = 2, .out = 2}));
  EXPECT_THAT(see("SELECT * FROM airports ORDER BY id"), ElementsAre("1|Ulm", "2|Rom"));
  EXPECT_THAT(see("SELECT table_name, run_id, rows, CASE WHEN loaded_at = "
                  "'2022-05-12T00:00:00Z' THEN 'yes' END FROM _weir_load"),
              ElementsAre("airports|r-1|2|yes"));
}

TEST_P(EveryWarehouse, TokenThatIsThereLoadsNothing) {
  const auto once = replace(kAnnAndBob, 2);
  ASSERT_TRUE(run_load(warehouse(), once));
  ASSERT_TRUE(run_load(warehouse(), replace("SELECT 3 AS id, 'Bonn' AS city", 1)));
  const auto again = run_load(warehouse(), once);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->was_already_done);
  EXPECT_EQ(again->receipt.counts.inserted, 2);
  EXPECT_THAT(see("SELECT * FROM airports"), ElementsAre("3|Bonn"));
}

TEST_P(EveryWarehouse, TableThatSomebodyDroppedIsLoadedAgain) {
  const auto once = replace(kAnnAndBob, 2);
  ASSERT_TRUE(run_load(warehouse(), once));
  see("DROP TABLE airports");
  const auto again = run_load(warehouse(), once);
  ASSERT_TRUE(again) << to_line(again.error());
  EXPECT_FALSE(again->was_already_done);
  EXPECT_THAT(see("SELECT count(*) FROM airports"), ElementsAre("2"));
}

TEST_P(EveryWarehouse, ReplaceTakesAnotherSchema) {
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  auto other = replace("SELECT 'x' AS id", 1);
  other.columns = {{"id", *model::parse_type("varchar")}};
  ASSERT_TRUE(run_load(warehouse(), other));
  EXPECT_THAT(see("SELECT id FROM airports"), ElementsAre("x"));
}

TEST_P(EveryWarehouse, NamesWithQuotesAndASchemaArePlainNames) {
  auto odd = replace("SELECT 1 AS \"a \"\"b\", 'x' AS \"select\"", 1);
  odd.table = *parse_table_name("my schema.air\"ports; DROP TABLE x");
  odd.columns = {{"a \"b", *model::parse_type("bigint")},
                 {"select", *model::parse_type("varchar")}};
  const auto loaded = run_load(warehouse(), odd);
  ASSERT_TRUE(loaded) << to_line(loaded.error());
  EXPECT_THAT(see("SELECT * FROM \"my schema\".\"air\"\"ports; DROP TABLE x\""),
              ElementsAre("1|x"));
}

TEST_P(EveryWarehouse, RowsThatDoNotArriveAreNotPublished) {
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  const auto short_of_one = run_load(warehouse(), replace(kAnnAndBob, 3));
  ASSERT_FALSE(short_of_one);
  EXPECT_EQ(short_of_one.error().code, ErrorCode::kCheckFailed);
  EXPECT_THAT(short_of_one.error().message, HasSubstr("2 rows of 3"));
  EXPECT_THAT(see("SELECT count(*) FROM _weir_load"), ElementsAre("1"));
}

TEST_P(EveryWarehouse, NothingToLoadIsAnEmptyTableWithItsColumns) {
  auto none = replace(kAnnAndBob, 0);
  none.files.clear();
  ASSERT_TRUE(run_load(warehouse(), none));
  warehouse_.reset();
  EXPECT_THAT(house_->columns("airports"), ElementsAre("id bigint", "city varchar"));
}

TEST_P(EveryWarehouse, ValueThatDoesNotFitItsColumnIsNamed) {
  const auto loaded = run_load(warehouse(), replace("SELECT 'ten' AS id, 'Ulm' AS city", 1));
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidData);
  EXPECT_THAT(loaded.error().message, HasSubstr("ten"));
}

TEST_P(EveryWarehouse, AppendKeepsWhatIsThereAndAddsColumns) {
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  auto more = load(model::WriteMode::kAppend, "SELECT 3 AS id, 1.5::DOUBLE AS lat", 1);
  more.columns = {{"id", *model::parse_type("bigint")}, {"lat", *model::parse_type("double")}};
  const auto loaded = run_load(warehouse(), more);
  ASSERT_TRUE(loaded) << to_line(loaded.error());
  EXPECT_EQ(loaded->receipt.counts, (model::Counts{.in = 1, .inserted = 1, .out = 3}));
  EXPECT_THAT(see("SELECT * FROM airports ORDER BY id"),
              ElementsAre("1|Ulm|NULL", "2|Rom|NULL", "3|NULL|1.5"));
}

TEST_P(EveryWarehouse, AppendWidensAColumnAndRefusesAnotherType) {
  auto narrow = replace("SELECT 1::INTEGER AS id", 1);
  narrow.columns = {{"id", *model::parse_type("integer")}};
  ASSERT_TRUE(run_load(warehouse(), narrow));
  auto wide = load(model::WriteMode::kAppend, "SELECT 5000000000 AS id", 1);
  wide.columns = {{"id", *model::parse_type("bigint")}};
  const auto widened = run_load(warehouse(), wide);
  ASSERT_TRUE(widened) << to_line(widened.error());

  auto text = load(model::WriteMode::kAppend, "SELECT 'x' AS id", 1);
  text.columns = {{"id", *model::parse_type("varchar")}};
  const auto refused = run_load(warehouse(), text);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kSchemaDrift);
  EXPECT_THAT(see("SELECT * FROM airports ORDER BY id"), ElementsAre("1", "5000000000"));
}

TEST_P(EveryWarehouse, MergeInsertsUpdatesAndLeavesTheRest) {
  ASSERT_TRUE(run_load(warehouse(), merge(kAnnAndBob, 2)));
  const auto loaded = run_load(
      warehouse(), merge("FROM (VALUES (1, 'Ulm'), (2, NULL), (3, 'Bonn')) t(id, city)", 3));
  ASSERT_TRUE(loaded) << to_line(loaded.error());
  EXPECT_EQ(
      loaded->receipt.counts,
      (model::Counts{.in = 3, .inserted = 1, .updated_in_place = 1, .unchanged = 1, .out = 3}));
  EXPECT_THAT(see("SELECT * FROM airports ORDER BY id"), ElementsAre("1|Ulm", "2|NULL", "3|Bonn"));
}

TEST_P(EveryWarehouse, MergeRefusesDoubleAndNullKeys) {
  const auto twice =
      run_load(warehouse(), merge("FROM (VALUES (7, 'Ulm'), (7, 'Rom')) t(id, city)", 2));
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code, ErrorCode::kInvalidData);
  EXPECT_THAT(twice.error().message, HasSubstr("id=7"));
  const auto null = run_load(warehouse(), merge("SELECT NULL AS id, 'Ulm' AS city", 1));
  ASSERT_FALSE(null);
  EXPECT_EQ(null.error().code, ErrorCode::kInvalidData);
  EXPECT_THAT(null.error().message, HasSubstr("'id' is NULL"));
}

TEST_P(EveryWarehouse, MergeIntoATableWithADoubleKeyChangesNothing) {
  ASSERT_TRUE(run_load(warehouse(), replace("FROM (VALUES (1, 'a'), (1, 'b')) t(id, city)", 2)));
  const auto loaded = run_load(warehouse(), merge("SELECT 1 AS id, 'c' AS city", 1));
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kCheckFailed);
  EXPECT_THAT(see("SELECT * FROM airports ORDER BY city"), ElementsAre("1|a", "1|b"));
}

TEST_P(EveryWarehouse, StagedRowsOfADeadAttemptAreSweptByTheNext) {
  const auto dead = replace(kAnnAndBob, 2);
  ASSERT_TRUE(warehouse().stage(dead));
  warehouse_.reset();
  auto next = dead;
  next.attempt = 2;
  ASSERT_TRUE(run_load(warehouse(), next));
  warehouse_.reset();
  EXPECT_THAT(house_->tables(), ElementsAre("_weir_load", "airports"));
}

TEST_P(EveryWarehouse, LoadThatFailsLeavesNothingStaged) {
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  ASSERT_FALSE(run_load(warehouse(), replace(kAnnAndBob, 3)));
  ASSERT_FALSE(run_load(warehouse(), merge("SELECT NULL AS id, 'Ulm' AS city", 1)));
  warehouse_.reset();
  EXPECT_THAT(house_->tables(), ElementsAre("_weir_load", "airports"));
}

TEST_P(EveryWarehouse, ViewIsNotReplaced) {
  warehouse();
  see("CREATE VIEW airports AS SELECT 1 AS id");
  const auto loaded = run_load(warehouse(), replace(kAnnAndBob, 2));
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidConfig);
  EXPECT_THAT(loaded.error().message, HasSubstr("airports' is a view"));
}

TEST_P(EveryWarehouse, CountsThatDoNotCloseRollThePublicationBack) {
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  auto more = load(model::WriteMode::kAppend, "SELECT 3 AS id, 'Bonn' AS city", 1);
  const auto staged = warehouse().stage(more);
  ASSERT_TRUE(staged);
  more.rows = 2;  // somebody counted two in the files
  const auto published = warehouse().publish(more, *staged);
  ASSERT_FALSE(published);
  EXPECT_EQ(published.error().code, ErrorCode::kCheckFailed);
  EXPECT_THAT(see("SELECT count(*) FROM airports"), ElementsAre("2"));
  EXPECT_THAT(see("SELECT count(*) FROM _weir_load"), ElementsAre("1"));
}

TEST_P(EveryWarehouse, ReceiptAndTableAgreeAfterEveryMode) {
  auto first = append(kAnnAndBob, 2);
  ASSERT_TRUE(run_load(warehouse(), first));
  ASSERT_TRUE(run_load(warehouse(), append("SELECT 3 AS id, NULL AS city", 1)));
  ASSERT_TRUE(run_load(warehouse(), merge("SELECT 3 AS id, 'Bonn' AS city", 1)));
  const auto receipts = warehouse().receipts({"", "airports"});
  ASSERT_TRUE(receipts) << to_line(receipts.error());
  ASSERT_EQ(receipts->size(), 3U);
  EXPECT_EQ(receipts->back().number, 3);
  const auto now = warehouse().state({"", "airports"}, receipts->back().columns);
  ASSERT_TRUE(now) << to_line(now.error());
  EXPECT_EQ(now->value(), receipts->back().state);
  EXPECT_EQ(warehouse().count_rows({"", "airports"}).value(), 3);
  EXPECT_EQ(warehouse().count_rows({"", "nowhere"}).error().code, ErrorCode::kNotFound);
  const auto nowhere = warehouse().state({"", "nowhere"}, {"id"});
  ASSERT_TRUE(nowhere);
  EXPECT_FALSE(nowhere->has_value());
}

TEST_P(EveryWarehouse, TableThatSomebodyChangedIsNotAddedTo) {
  ASSERT_TRUE(run_load(warehouse(), append(kAnnAndBob, 2)));
  see("UPDATE airports SET city = 'Bonn' WHERE id = 1");
  const auto loaded = run_load(warehouse(), append("SELECT 3 AS id, 'Wien' AS city", 1));
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(loaded.error().message, HasSubstr("holds other values"));
}

TEST_P(EveryWarehouse, ControlSumsCloseOverWhatIsInTheTable) {
  const auto amount = *model::parse_type("decimal(38,10)");
  const auto with_sum = [&](Load one, const char* sum) {
    one.columns.push_back({"amount", amount});
    one.control["amount"] = *model::exact_sum_of(sum, one.rows);
    return one;
  };
  const auto query = [](const char* id, const char* value) {
    return fmt::format("SELECT {} AS id, 'Ulm' AS city, {}::DECIMAL(38,10) AS amount", id, value);
  };
  const char* kLong = "1234567890123456789012345678.0123456789";
  const auto first = run_load(warehouse(), with_sum(append(query("1", kLong), 1), kLong));
  ASSERT_TRUE(first) << to_line(first.error());
  const auto second = run_load(warehouse(), with_sum(append(query("2", "-0.5"), 1), "-0.5"));
  ASSERT_TRUE(second) << to_line(second.error());
  const auto wrong = run_load(warehouse(), with_sum(append(query("3", "7"), 1), "8"));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::kCheckFailed);
  EXPECT_THAT(see("SELECT count(*) FROM airports"), ElementsAre("2"));
}

TEST_P(EveryWarehouse, StateIsTheSameInEveryWarehouse) {
  // Fixed once, from a DuckDB file: a table that moves to another warehouse keeps its digest.
  auto typed = append(
      "SELECT 1 AS id, true AS b, -7::INTEGER AS i, 12345678901234567890::HUGEINT AS h, "
      "0.1::FLOAT AS f, -1e-300::DOUBLE AS d, -12.50::DECIMAL(10,2) AS n, E'a\\t\\\\b\\n\u00fc' AS "
      "t, "
      "'\\x00\\xFF'::BLOB AS x, DATE '0044-03-15 (BC)' AS day, TIME '23:59:59.999999' AS tm, "
      "TIMESTAMPTZ '1969-12-31 23:59:59.999999+00' AS ts, "
      "'0a1b2c3d-0000-4000-8000-00000000ffff'::UUID AS u, [1, NULL, 3] AS l, "
      "{'a': 'x', 'n': 1234567890123456789.5::DECIMAL(20,1)} AS s, MAP {'k': 1.5::DOUBLE} AS m "
      "UNION ALL SELECT 2, NULL, NULL, NULL, 'nan'::FLOAT, 'inf'::DOUBLE, 0, '', '', NULL, NULL, "
      "TIMESTAMPTZ '9999-12-31 00:00:00+00', NULL, [], NULL, NULL",
      2);
  typed.columns.clear();
  for (const auto& [name, type] : std::initializer_list<std::pair<const char*, const char*>>{
           {"id", "bigint"},
           {"b", "boolean"},
           {"i", "integer"},
           {"h", "hugeint"},
           {"f", "float"},
           {"d", "double"},
           {"n", "decimal(10,2)"},
           {"t", "varchar"},
           {"x", "blob"},
           {"day", "date"},
           {"tm", "time"},
           {"ts", "timestamp"},
           {"u", "uuid"},
           {"l", "integer[]"},
           {"s", "struct(a varchar, n decimal(20,1))"},
           {"m", "map(varchar, double)"}})
    typed.columns.push_back({name, *model::parse_type(type)});
  const auto loaded = run_load(warehouse(), typed);
  ASSERT_TRUE(loaded) << to_line(loaded.error());
  EXPECT_EQ(loaded->receipt.state.digest(),
            "da81a610eb6208a3919074d3833e2cc73f8b27b4c467cdaf3ce120e32417643c");
  // Read back from the table, whose types only the warehouse knows.
  const auto now = warehouse().state({"", "airports"}, loaded->receipt.columns);
  ASSERT_TRUE(now) << to_line(now.error());
  EXPECT_EQ(now->value(), loaded->receipt.state);
}

TEST(ParseTableName, TakesOneOrTwoPartsAndKeepsWeirsOwn) {
  EXPECT_EQ(*parse_table_name("a"), (TableName{"", "a"}));
  EXPECT_EQ(*parse_table_name("s.a"), (TableName{"s", "a"}));
  for (const auto* name : {"", ".", "s.", ".a", "_weir_load", "s._weir_stage_x"}) {
    const auto parsed = parse_table_name(name);
    ASSERT_FALSE(parsed) << name;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidConfig);
  }
}

TEST(OpenWarehouse, UnknownKindIsRefusedWithTheKnownOnes) {
  OpenOptions options;
  options.connection = {{"kind", "duckbd"}};
  const auto opened = open_warehouse(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(opened.error().hint, HasSubstr("duckdb"));
}

}  // namespace
}  // namespace weir::warehouse
