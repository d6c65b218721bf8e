#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/embedded/executors.h"
#include "engine/embedded/small_lake.h"

namespace weir::engine::embedded {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kAirports =
    "FROM (VALUES ('EDDM', 'DE', 1.5), ('EDDF', 'DE', 2.0), ('LIRF', 'IT', NULL)) "
    "t(icao, country, lat)";
constexpr auto kByCountry =
    "SELECT country, count(*) AS airports FROM stage.airports GROUP BY country";

class Transform : public SmallLake {
 protected:
  model::Operation by_country(const std::string& sql = kByCountry) {
    auto made = operation(model::OperationKind::kTransform, {input("stage.airports", kAirports)});
    made.target.dataset = *model::parse_dataset_name("presentation.by_country");
    made.target.uri = uri();
    made.target.format = "hudi";
    made.target.mode = model::WriteMode::kReplace;
    made.params = {{"sql", sql}, {"dialect", "duckdb"}};
    return made;
  }
  std::string uri() const { return folder_ + "/presentation/by_country"; }
  Error refused(const model::Operation& made) {
    const auto outcome = transform(made, context_);
    EXPECT_FALSE(outcome);
    return outcome ? Error{} : outcome.error();
  }
  std::vector<std::string> table_rows(const std::string& columns = "country, airports") {
    return rows(fmt::format("SELECT {} FROM {} ORDER BY ALL", columns, newest(uri())));
  }
};

TEST_F(Transform, TimeIsTheRunsSoASecondAttemptGivesTheSameRows) {
  auto made = by_country(
      "SELECT country, now() AS seen, current_date AS day FROM stage.airports "
      "WHERE icao = 'LIRF'");
  ASSERT_TRUE(transform(made, context_));
  EXPECT_THAT(table_rows("country, epoch_us(seen), day"),
              ElementsAre("IT|1652313600000000|2022-05-12"));
}

TEST_F(Transform, WhatASecondAttemptCannotRepeatIsRefused) {
  for (const char* column : {"random()", "uuid()"}) {
    const auto error =
        refused(by_country(fmt::format("SELECT country, {} AS x FROM stage.airports", column)));
    EXPECT_EQ(error.code, ErrorCode::kInvalidConfig);
    EXPECT_THAT(error.message, HasSubstr(column));
  }
}

TEST_F(Transform, ResultBecomesTheTableWithCountsAndLineage) {
  const auto made = by_country();
  const auto outcome = transform(made, context_);
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_EQ(outcome->counts, (model::Counts{.in = 2, .inserted = 2, .out = 2}));
  EXPECT_THAT(table_rows(), ElementsAre("DE|2", "IT|1"));
  EXPECT_THAT(table_rows("_run_id, epoch_us(_loaded_at)"),
              ElementsAre("r-1|1652313600000000", "r-1|1652313600000000"));
  ASSERT_THAT(outcome->publications, SizeIs(1));
  const auto& publication = outcome->publications[0];
  EXPECT_EQ(publication.token, made.token);
  EXPECT_EQ(publication.rows, 2);
  EXPECT_FALSE(publication.instant.empty());
  ASSERT_THAT(outcome->details["lineage"], SizeIs(1));
  EXPECT_EQ(outcome->details["lineage"][0]["dataset"], "stage.airports");
  EXPECT_EQ(outcome->details["lineage"][0]["sha256"], made.inputs[0].objects[0].sha256);
}

TEST_F(Transform, TokenThatIsThereGivesTheOutcomeOfThen) {
  const auto made = by_country();
  const auto first = transform(made, context_);
  ASSERT_TRUE(first) << to_line(first.error());
  const auto second = transform(made, context_);
  ASSERT_TRUE(second) << to_line(second.error());
  EXPECT_TRUE(second->was_already_done);
  auto expected = *first;
  expected.was_already_done = true;
  EXPECT_EQ(model::to_json(*second), model::to_json(expected));
  const auto table = table::open_table(table_context(uri()));
  EXPECT_THAT(*(*table)->commits(), SizeIs(2)) << "with the one that begins the table";
}

TEST_F(Transform, NextVersionReplacesTheOneBefore) {
  ASSERT_TRUE(transform(by_country(), context_));
  const auto next = transform(by_country("SELECT 'FR' AS country, 7 AS airports"), context_);
  ASSERT_TRUE(next) << to_line(next.error());
  EXPECT_THAT(table_rows(), ElementsAre("FR|7"));
}

TEST_F(Transform, NoRowsAreAnEmptyVersion) {
  ASSERT_TRUE(transform(by_country(), context_));
  const auto next = transform(by_country(std::string(kByCountry) + " HAVING false"), context_);
  ASSERT_TRUE(next) << to_line(next.error());
  EXPECT_EQ(next->counts, model::Counts{});
  const auto table = table::open_table(table_context(uri()));
  EXPECT_THAT((*table)->snapshot()->slices, IsEmpty());
}

TEST_F(Transform, SameTokenAndInputsGiveTheSameRowsInAnyOrderOfThreads) {
  const auto many = "SELECT (i * 7919) % 100000 AS n, i % 3 AS r FROM range(100000) t(i)";
  std::vector<std::vector<std::string>> seen;
  for (const int64_t threads : {1, 2}) {
    auto made = operation(model::OperationKind::kTransform, {input("stage.n", many)});
    made.token = sha256_hex("same");
    made.limits.threads = threads;
    made.target.dataset = *model::parse_dataset_name("presentation.n");
    made.target.uri = fmt::format("{}/n{}", folder_, threads);
    made.params = {{"sql", "SELECT n, count(*) AS c FROM stage.n GROUP BY n"}};
    const auto outcome = transform(made, context_);
    ASSERT_TRUE(outcome) << to_line(outcome.error());
    seen.push_back(rows(fmt::format("SELECT n, c, _row_key, _hoodie_record_key FROM {} LIMIT 1000",
                                    newest(made.target.uri))));
  }
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_EQ(seen[0].size(), 1000u);
}

TEST_F(Transform, RowKeysOfATableWithoutAKeyAreDistinctDigests) {
  ASSERT_TRUE(transform(by_country("SELECT 1 AS a UNION ALL SELECT 1"), context_));
  EXPECT_THAT(rows(fmt::format("SELECT count(DISTINCT _row_key), min(length(_row_key)), "
                               "bool_and(_row_key = _hoodie_record_key) FROM {}",
                               newest(uri()))),
              ElementsAre("2|32|true"));
}

TEST_F(Transform, DeclaredKeyIsTheRecordKey) {
  auto made = by_country();
  made.target.key = {"country"};
  ASSERT_TRUE(transform(made, context_));
  EXPECT_THAT(table_rows("country, _hoodie_record_key"), ElementsAre("DE|DE", "IT|IT"));
}

TEST_F(Transform, KeyOfTwoColumnsIsWrittenAsHudiDoes) {
  auto made = by_country("SELECT icao, country FROM stage.airports WHERE country = 'IT'");
  made.target.key = {"country", "icao"};
  ASSERT_TRUE(transform(made, context_));
  EXPECT_THAT(table_rows("_hoodie_record_key"), ElementsAre("country:IT,icao:LIRF"));
}

TEST_F(Transform, DoubleAndNullKeysAreRefusedAndNothingIsPublished) {
  ASSERT_TRUE(transform(
      [&] {
        auto made = by_country();
        made.target.key = {"country"};
        return made;
      }(),
      context_));
  auto twice = by_country("SELECT country, 1 AS airports FROM stage.airports");
  twice.target.key = {"country"};
  const auto doubled = refused(twice);
  EXPECT_EQ(doubled.code, ErrorCode::kInvalidData);
  EXPECT_THAT(doubled.message, HasSubstr("'DE'"));
  auto null = by_country("SELECT NULL::VARCHAR AS country, 1 AS airports");
  null.target.key = {"country"};
  EXPECT_EQ(refused(null).code, ErrorCode::kInvalidData);
  EXPECT_THAT(table_rows(), ElementsAre("DE|2", "IT|1"));
}

TEST_F(Transform, AnotherKeyForATableThatIsThereIsAConflict) {
  ASSERT_TRUE(transform(by_country(), context_));
  auto keyed = by_country();
  keyed.target.key = {"country"};
  EXPECT_EQ(refused(keyed).code, ErrorCode::kConflict);
}

TEST_F(Transform, DeclaredColumnsSettleNamesOrderAndTypes) {
  auto made = by_country();
  made.target.schema = {{"airports", *model::parse_type("decimal(10,2)")},
                        {"country", *model::parse_type("varchar")}};
  const auto outcome = transform(made, context_);
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  const auto& schema = outcome->publications[0].schema;
  EXPECT_EQ(schema[0]["name"], "airports");
  EXPECT_EQ(schema[0]["type"], "decimal(10,2)");
  EXPECT_THAT(table_rows("airports, country"), ElementsAre("1.00|IT", "2.00|DE"));
}

TEST_F(Transform, ColumnThatIsDeclaredAndNotGivenIsNamed) {
  auto made = by_country();
  made.target.schema = {{"city", *model::parse_type("varchar")}};
  const auto error = refused(made);
  EXPECT_EQ(error.code, ErrorCode::kInvalidConfig);
  EXPECT_THAT(error.message, HasSubstr("'city'"));
}

TEST_F(Transform, FrozenColumnsTakeNoOtherOnes) {
  auto made = by_country();
  made.target.schema = {{"country", *model::parse_type("varchar")}};
  made.target.contract.columns = model::ColumnPolicy::kFreeze;
  const auto error = refused(made);
  EXPECT_EQ(error.code, ErrorCode::kSchemaDrift);
  EXPECT_THAT(error.message, HasSubstr("'airports'"));
}

TEST_F(Transform, LoadColumnsOfTheSourceAreReplacedByOnesOwn) {
  auto made = by_country("SELECT * FROM stage.airports");
  made.inputs = {input("stage.airports", "SELECT 1 AS id, 'old' AS _run_id, now() AS _loaded_at")};
  const auto outcome = transform(made, context_);
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_THAT(table_rows("id, _run_id"), ElementsAre("1|r-1"));
}

TEST_F(Transform, TextAroundTheSelectEndsWithIt) {
  const auto outcome =
      transform(by_country(std::string("-- by country\n") + kByCountry + "; -- end"), context_);
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_EQ(outcome->counts.inserted, 2);
}

TEST_F(Transform, SqlCannotReachBeyondWhatIsPinned) {
  const auto other = object(folder_ + "/other", "x.parquet", kAirports);
  const auto direct = refused(
      by_country(fmt::format("SELECT * FROM read_parquet('{}/{}')", other.uri, other.name)));
  EXPECT_EQ(direct.code, ErrorCode::kInvalidConfig) << to_line(direct);
  EXPECT_FALSE(transform(by_country("SELECT * FROM raw.secrets"), context_));
}

TEST_F(Transform, OtherDialectIsUnsupported) {
  auto made = by_country();
  made.params["dialect"] = "spark";
  EXPECT_EQ(refused(made).code, ErrorCode::kUnsupported);
}

TEST_F(Transform, InputThatChangedSinceItWasPinnedIsCorrupt) {
  auto made = by_country();
  made.inputs[0].objects[0] = object(made.inputs[0].uri, "part.parquet", kAirports);
  made.inputs[0].objects[0].sha256 = std::string(64, 'a');
  const auto error = refused(made);
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("part.parquet"));
  EXPECT_THAT(error.message, HasSubstr(std::string(64, 'a')));
}

}  // namespace
}  // namespace weir::engine::embedded
