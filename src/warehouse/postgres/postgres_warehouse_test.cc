#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "database/postgres.h"
#include "warehouse/house_for_test.h"

namespace weir::warehouse {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PostgresWarehouse : public Loading {
 protected:
  std::unique_ptr<House> make_house() override { return make_postgres_house(folder_); }
};

TEST_F(PostgresWarehouse, NumbersArriveDigitByDigit) {
  const std::vector<std::string> values = {"0.0000000000",
                                           "0.0000000001",
                                           "-0.0001000000",
                                           "1.0000000000",
                                           "-10000.0000000000",
                                           "9999.9999000000",
                                           "100000000.0000000000",
                                           "9999999999999999999999999999.9999999999",
                                           "-9999999999999999999999999999.9999999999"};
  std::string query;
  for (const auto& value : values)
    query += (query.empty() ? "" : " UNION ALL ") +
             fmt::format("SELECT '{}'::DECIMAL(38,10) AS x, {} AS n", value, files_++);
  auto numbers = of_type(query, static_cast<int64_t>(values.size()), "decimal(38,10)");
  numbers.columns.push_back({"n", *model::parse_type("integer")});
  const auto loaded = run_load(warehouse(), numbers);
  ASSERT_TRUE(loaded) << to_line(loaded.error());
  EXPECT_EQ(see("SELECT x FROM airports ORDER BY n"), values);
}

TEST_F(PostgresWarehouse, ColumnsHaveTypesThatLoseNothing) {
  auto typed = of_type("SELECT 1 AS x", 1, "integer");
  for (const auto* type :
       {"boolean", "hugeint", "float", "double", "decimal(7,3)", "blob", "date", "time",
        "timestamp", "uuid", "varchar[]", "struct(a integer)", "map(varchar, integer)"})
    typed.columns.push_back({fmt::format("c{}", typed.columns.size()), *model::parse_type(type)});
  const auto loaded = run_load(warehouse(), typed);
  ASSERT_TRUE(loaded) << to_line(loaded.error());
  EXPECT_THAT(see("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = "
                  "'airports'::regclass AND attnum > 1 ORDER BY attnum"),
              ElementsAre("boolean", "numeric(38,0)", "real", "double precision", "numeric(7,3)",
                          "bytea", "date", "time without time zone", "timestamp with time zone",
                          "uuid", "jsonb", "jsonb", "jsonb"));
}

TEST_F(PostgresWarehouse, NestedRowsAreJsonThatAnalystsQuery) {
  auto nested = of_type("SELECT {'city': 'Ulm', 'runs': [1, 2]} AS x", 1,
                        "struct(city varchar, runs integer[])");
  ASSERT_TRUE(run_load(warehouse(), nested));
  EXPECT_THAT(see("SELECT x ->> 'city', x -> 'runs' -> 1 FROM airports"), ElementsAre("Ulm|2"));
}

TEST_F(PostgresWarehouse, WhatItCannotHoldIsRefusedByName) {
  const auto refused = [&](const std::string& query, const std::string& type) {
    const auto loaded = run_load(warehouse(), of_type(query, 1, type));
    return loaded ? std::string("loaded") : to_line(loaded.error());
  };
  EXPECT_THAT(refused("SELECT 'a' || chr(0) || 'b' AS x", "varchar"),
              HasSubstr("invalid_data: column 'x' holds a text with a NUL character"));
  EXPECT_THAT(refused("SELECT 'infinity'::DATE AS x", "date"),
              HasSubstr("invalid_data: a value that date32[day] does not hold"));
  EXPECT_THAT(refused("SELECT '-infinity'::TIMESTAMPTZ AS x", "timestamp"),
              HasSubstr("does not hold, while reading column 'x'"));
  EXPECT_THAT(refused("SELECT DATE '5000-01-01 (BC)' AS x", "date"),
              HasSubstr("column 'x' holds a date that PostgreSQL does not reach"));
  EXPECT_THAT(refused("SELECT ['\\x00'::BLOB] AS x", "blob[]"), HasSubstr("JSON holds no bytes"));
  auto named = replace(kAnnAndBob, 2);
  named.columns[1].name = std::string(64, 'n');
  const auto loaded = run_load(warehouse(), named);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidConfig);
  EXPECT_THAT(loaded.error().message, HasSubstr("has 64 bytes; PostgreSQL keeps 63"));
  EXPECT_THAT(house_->tables(), ElementsAre("_weir_load"));
}

TEST_F(PostgresWarehouse, NanAndInfinityOfDoublesArrive) {
  ASSERT_TRUE(run_load(warehouse(),
                       of_type("SELECT unnest(['nan', 'inf', '-inf'])::DOUBLE AS x", 3, "double")));
  EXPECT_THAT(see("SELECT x FROM airports ORDER BY x"),
              ElementsAre("-Infinity", "Infinity", "NaN"));
}

TEST_F(PostgresWarehouse, ReplaceKeepsWhatAnalystsBuiltOnTheTable) {
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  see("CREATE ROLE analyst_of_test");
  see("GRANT SELECT ON airports TO analyst_of_test");
  see("CREATE VIEW cities AS SELECT city FROM airports");
  see("CREATE INDEX airports_id ON airports (id)");
  see("COMMENT ON TABLE airports IS 'for ann'");
  ASSERT_TRUE(run_load(warehouse(), replace("SELECT 3 AS id, 'Bonn' AS city", 1)));
  EXPECT_THAT(see("SELECT * FROM cities"), ElementsAre("Bonn"));
  EXPECT_THAT(see("SELECT has_table_privilege('analyst_of_test', 'airports', 'SELECT'), "
                  "obj_description('airports'::regclass), to_regclass('airports_id')"),
              ElementsAre("t|for ann|airports_id"));
  see("DROP OWNED BY analyst_of_test");
  see("DROP ROLE analyst_of_test");
}

TEST_F(PostgresWarehouse, ReplaceByAnotherTypeNamesTheViewInTheWay) {
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  see("CREATE VIEW cities AS SELECT city FROM airports");
  auto other = replace("SELECT 3 AS id, 7 AS city", 1);
  other.columns[1].type = *model::parse_type("integer");
  const auto loaded = run_load(warehouse(), other);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kSchemaDrift);
  EXPECT_THAT(loaded.error().message, HasSubstr("view cities"));
  EXPECT_THAT(see("SELECT city FROM cities ORDER BY 1"), ElementsAre("Rom", "Ulm"));
  see("DROP VIEW cities");
  ASSERT_TRUE(run_load(warehouse(), other));
  EXPECT_THAT(see("SELECT city + 1 FROM airports"), ElementsAre("8"));
}

TEST_F(PostgresWarehouse, ColumnOfAnalystsStaysThroughAReplace) {
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  see("ALTER TABLE airports ADD COLUMN note text DEFAULT 'new'");
  ASSERT_TRUE(run_load(warehouse(), replace("SELECT 3 AS id, 'Bonn' AS city", 1)));
  EXPECT_THAT(see("SELECT * FROM airports"), ElementsAre("3|Bonn|new"));
}

TEST_F(PostgresWarehouse, ColumnSpelledOtherwiseIsNoSecondColumn) {
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  auto other = append("SELECT 3 AS id, 'Bonn' AS \"City\"", 1);
  other.columns[1].name = "City";
  const auto loaded = run_load(warehouse(), other);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kSchemaDrift);
}

TEST_F(PostgresWarehouse, TableOfAnalystsTakesRowsThatItsTypesHold) {
  see("CREATE TABLE airports (id numeric, city varchar(5), at timestamp)");
  auto rows =
      append("SELECT 1 AS id, 'Ulm' AS city, TIMESTAMPTZ '2022-05-12 00:00:00+00' AS at", 1);
  rows.columns.push_back({"at", *model::parse_type("timestamp")});
  const auto loaded = run_load(warehouse(), rows);
  ASSERT_TRUE(loaded) << to_line(loaded.error());
  const auto now = warehouse().state({"", "airports"}, {"id", "city", "at"});
  ASSERT_TRUE(now) << to_line(now.error());
  EXPECT_EQ(now->value(), loaded->receipt.state);
  const auto wide = run_load(warehouse(), append("SELECT 2 AS id, 'Konstanz' AS city", 1));
  ASSERT_FALSE(wide);
  EXPECT_EQ(wide.error().code, ErrorCode::kInvalidData);
  see("ALTER TABLE airports ALTER COLUMN city TYPE character(5)");
  const auto padded = run_load(warehouse(), merge("SELECT 1 AS id, 'Rom' AS city", 1));
  ASSERT_FALSE(padded);
}

TEST_F(PostgresWarehouse, SecondLoadOfATableHearsWhoLoadsIt) {
  ASSERT_TRUE(warehouse().stage(replace(kAnnAndBob, 2)));
  auto second = open_warehouse(options_);
  ASSERT_TRUE(second) << to_line(second.error());
  const auto waited = run_load(**second, replace(kAnnAndBob, 2));
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code, ErrorCode::kConflict);
  EXPECT_THAT(waited.error().message, HasSubstr("is loaded by weir, run r-1, process"));
  auto other_table = replace(kAnnAndBob, 2);
  other_table.table = {"", "cities"};
  EXPECT_TRUE(run_load(**second, other_table));
  warehouse_.reset();
  EXPECT_TRUE(run_load(**second, replace(kAnnAndBob, 2)));
}

TEST_F(PostgresWarehouse, AttemptThatComesSecondToPublishFindsTheReceipt) {
  const auto once = append(kAnnAndBob, 2);
  auto second = open_warehouse(options_);
  ASSERT_TRUE(second);
  ASSERT_TRUE(run_load(warehouse(), once));
  // It looked for the token before the first had committed.
  auto again = once;
  again.attempt = 2;
  const auto staged = (*second)->stage(again);
  ASSERT_TRUE(staged) << to_line(staged.error());
  const auto published = (*second)->publish(again, *staged);
  ASSERT_TRUE(published) << to_line(published.error());
  EXPECT_THAT(see("SELECT count(*) FROM airports"), ElementsAre("2"));
}

TEST_F(PostgresWarehouse, ReaderSeesTheRowsOfBeforeUntilTheCommit) {
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  warehouse_.reset();
  const auto settings = *database::read_postgres_settings(options_.connection);
  const auto reader = database::open_postgres({.settings = settings,
                                               .application_name = "reader",
                                               .clock = clock_.get(),
                                               .cancel = &cancel_});
  ASSERT_TRUE(reader);
  ASSERT_TRUE((*reader)->run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM _weir_load"));
  const auto loaded = run_load(warehouse(), replace("SELECT 3 AS id, 'Bonn' AS city", 1));
  ASSERT_TRUE(loaded) << to_line(loaded.error());
  EXPECT_EQ((*reader)->query_number("SELECT count(*) FROM airports").value(), 2);
}

TEST_F(PostgresWarehouse, TableInASchemaOfItsOwnLiesBesideItsReceipts) {
  options_.connection["schema"] = "mart";
  auto named = replace(kAnnAndBob, 2);
  named.table = {"other", "airports"};
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  ASSERT_TRUE(run_load(warehouse(), named));
  EXPECT_THAT(see("SELECT table_name FROM mart._weir_load ORDER BY 1"),
              ElementsAre("airports", "other.airports"));
  EXPECT_THAT(see("SELECT count(*) FROM mart.airports JOIN other.airports USING (id)"),
              ElementsAre("2"));
}

TEST_F(PostgresWarehouse, RowsThatAPolicyHidesStopTheLoad) {
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  see("CREATE ROLE loader_of_test LOGIN");
  see("GRANT ALL ON SCHEMA public TO loader_of_test");
  see("GRANT ALL ON airports, _weir_load TO loader_of_test");
  see("ALTER TABLE airports ENABLE ROW LEVEL SECURITY");
  options_.connection["user"] = "loader_of_test";
  const auto loaded = run_load(warehouse(), append("SELECT 3 AS id, 'Bonn' AS city", 1));
  EXPECT_FALSE(loaded);
  see("DROP OWNED BY loader_of_test");
  see("DROP ROLE loader_of_test");
}

TEST_F(PostgresWarehouse, ReferencesAreFollowedWhereItIsOpened) {
  options_.connection["user"] = "secret://db#user";
  const auto resolve = [](const Json& options, const Cancel&) -> Result<Json> {
    Json with_values = options;
    with_values["user"] = "postgres";
    return with_values;
  };
  options_.resolve_secrets = {resolve, nullptr};
  EXPECT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
}

}  // namespace
}  // namespace weir::warehouse
