#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/embedded/executors.h"
#include "engine/embedded/small_lake.h"

namespace weir::engine::embedded {
namespace {

using ::testing::ElementsAre;

class LoadWarehouse : public SmallLake {
 protected:
  model::Operation load(const std::string& query) {
    auto made =
        operation(model::OperationKind::kLoadWarehouse, {input("presentation.people", query)});
    made.target.format = "warehouse";
    made.target.mode = model::WriteMode::kReplace;
    made.target.connection_id = "warehouse";
    made.target.connection_options = {{"path", path()}};
    made.target.table = "people";
    return made;
  }
  std::string path() const { return folder_ + "/warehouse/w.duckdb"; }
  std::vector<std::string> see(const std::string& query) {
    sql::SessionOptions options;
    options.database = path();
    auto session = sql::open_session(options, cancel_);
    EXPECT_TRUE(session) << to_line(session.error());
    const auto result = (*session)->query(query);
    EXPECT_TRUE(result) << to_line(result.error());
    std::vector<std::string> lines;
    for (const auto& row : result->rows) {
      std::string line;
      for (const auto& value : row) line += (line.empty() ? "" : "|") + value.value_or("NULL");
      lines.push_back(line);
    }
    return lines;
  }
};

constexpr auto kPeople =
    "SELECT 1 AS id, 'ann' AS name, 'k1' AS _row_key, 'r-0' AS _run_id, 'x' AS _hoodie_file_name "
    "UNION ALL SELECT 2, 'bob', 'k2', 'r-0', 'x'";

TEST_F(LoadWarehouse, DatasetBecomesATableWithoutTheLakesOwnColumns) {
  const auto outcome = load_warehouse(load(kPeople), context_);
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_EQ(outcome->counts, (model::Counts{.in = 2, .inserted = 2, .out = 2}));
  EXPECT_EQ(outcome->details["table"], "people");
  EXPECT_EQ(outcome->details["rows"], 2);
  EXPECT_EQ(outcome->details["loaded_at"], "2022-05-12T00:00:00Z");
  EXPECT_THAT(see("SELECT * FROM people ORDER BY id"), ElementsAre("1|ann|r-0", "2|bob|r-0"));
}

TEST_F(LoadWarehouse, SecondAttemptFindsItsToken) {
  auto made = load(kPeople);
  const auto first = load_warehouse(made, context_);
  ASSERT_TRUE(first) << to_line(first.error());
  made.origin.attempt = 2;
  const auto second = load_warehouse(made, context_);
  ASSERT_TRUE(second) << to_line(second.error());
  EXPECT_TRUE(second->was_already_done);
  EXPECT_EQ(second->counts, first->counts);
  EXPECT_EQ(second->details, first->details);
}

TEST_F(LoadWarehouse, EveryTypeArrivesAsItself) {
  const auto outcome = load_warehouse(
      load("SELECT true AS a, 1::INTEGER AS b, 2::BIGINT AS c, 1.5::FLOAT AS d, 2.5::DOUBLE AS e, "
           "12.34::DECIMAL(10,2) AS f, 'x' AS g, '\\x01'::BLOB AS h, DATE '2020-01-02' AS i, "
           "TIME '01:02:03.000004' AS j, TIMESTAMPTZ '2020-01-02 03:04:05.000006Z' AS k, "
           "[1, NULL] AS l, {'p': 1, 'q': 'y'} AS m"),
      context_);
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_THAT(
      see("SELECT string_agg(data_type, ' ' ORDER BY column_index) FROM duckdb_columns() "
          "WHERE table_name = 'people'"),
      ElementsAre("BOOLEAN INTEGER BIGINT FLOAT DOUBLE DECIMAL(10,2) VARCHAR BLOB DATE TIME "
                  "TIMESTAMP WITH TIME ZONE INTEGER[] STRUCT(p INTEGER, q VARCHAR)"));
  EXPECT_THAT(see("SELECT f, h, i, j, epoch_us(k), l, m FROM people"),
              ElementsAre("12.34|\\x01|2020-01-02|01:02:03.000004|1577934245000006|[1, NULL]|"
                          "{'p': 1, 'q': y}"));
}

TEST_F(LoadWarehouse, ObjectThatChangedIsNotLoaded) {
  auto made = load(kPeople);
  made.inputs[0].objects[0].size_bytes += 1;
  const auto outcome = load_warehouse(made, context_);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(LoadWarehouse, MergeUpdatesByKeyWithCountsThatClose) {
  auto first = load(kPeople);
  first.target.mode = model::WriteMode::kMerge;
  first.target.key = {"id"};
  ASSERT_TRUE(load_warehouse(first, context_));
  auto second = load("SELECT 2 AS id, 'bea' AS name UNION ALL SELECT 3, 'cid'");
  second.target.mode = model::WriteMode::kMerge;
  second.target.key = {"id"};
  const auto outcome = load_warehouse(second, context_);
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_EQ(outcome->counts,
            (model::Counts{.in = 2, .inserted = 1, .updated_in_place = 1, .out = 3}));
}

}  // namespace
}  // namespace weir::engine::embedded
