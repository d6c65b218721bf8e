#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include "base/instant.h"
#include "warehouse/warehouse.h"

namespace weir::warehouse {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Every look at the clock is a minute later: a deadline passes without anybody waiting.
class HastyClock : public Clock {
 public:
  int64_t now_us() override { return monotonic_us(); }
  int64_t monotonic_us() override { return now_us_ += 60'000'000; }

 private:
  int64_t now_us_ = 0;
};

class DuckdbWarehouse : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "weir-warehouse-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    options_.connection = {{"path", folder_ + "/house/w.duckdb"}};
    options_.clock = &clock_;
    options_.cancel = &cancel_;
    options_.holder = "run r-1";
  }
  void TearDown() override {
    warehouse_.reset();
    std::filesystem::remove_all(folder_);
  }

  /// A Parquet file with the rows of that query.
  std::string file(const std::string& query) {
    const auto path = fmt::format("{}/{}.parquet", folder_, files_++);
    auto session = sql::open_session({}, cancel_);
    EXPECT_TRUE(session) << to_line(session.error());
    const auto done =
        (*session)->run(fmt::format("COPY ({}) TO '{}' (FORMAT parquet)", query, path));
    EXPECT_TRUE(done) << to_line(done.error());
    return path;
  }

  Warehouse& warehouse() {
    if (!warehouse_) {
      auto opened = open_warehouse(options_);
      EXPECT_TRUE(opened) << to_line(opened.error());
      warehouse_ = std::move(*opened);
    }
    return *warehouse_;
  }

  Load load(model::WriteMode mode, const std::string& query, int64_t rows) {
    return {
        .token = std::string(62, 'a') + fmt::format("{:02}", ++loads_),
        .table = {"", "airports"},
        .mode = mode,
        .key = mode == model::WriteMode::kMerge ? std::vector<std::string>{"id"}
                                                : std::vector<std::string>{},
        .files = {file(query)},
        .columns = {{"id", *model::parse_type("bigint")}, {"city", *model::parse_type("varchar")}},
        .rows = rows,
        .run_id = "r-1",
        .loaded_at_us = 1'652'313'600'000'000};
  }
  Load replace(const std::string& query, int64_t rows) {
    return load(model::WriteMode::kReplace, query, rows);
  }
  Load merge(const std::string& query, int64_t rows) {
    return load(model::WriteMode::kMerge, query, rows);
  }

  /// As another program opens it, the warehouse being closed.
  Result<std::unique_ptr<sql::Session>> open_file() {
    sql::SessionOptions options;
    options.database = options_.connection["path"].get<std::string>();
    return sql::open_session(options, cancel_);
  }

  /// What another program sees in the file: rows as text, the warehouse being closed.
  std::vector<std::string> see(const std::string& query) {
    warehouse_.reset();
    auto session = open_file();
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

  std::string folder_;
  HastyClock clock_;
  Cancel cancel_;
  OpenOptions options_;
  std::unique_ptr<Warehouse> warehouse_;
  int files_ = 0;
  int loads_ = 0;
};

constexpr auto kAnnAndBob = "SELECT 1 AS id, 'Ulm' AS city UNION ALL SELECT 2, 'Rom'";

TEST_F(DuckdbWarehouse, ReplaceMakesTheTableAndItsReceipt) {
  const auto loaded = run_load(warehouse(), replace(kAnnAndBob, 2));
  ASSERT_TRUE(loaded) << to_line(loaded.error());
  EXPECT_FALSE(loaded->was_already_done);
  EXPECT_EQ(loaded->receipt.counts, (model::Counts{.in = 2, .inserted = 2, .out = 2}));
  EXPECT_THAT(see("SELECT * FROM airports ORDER BY id"), ElementsAre("1|Ulm", "2|Rom"));
  EXPECT_THAT(see("SELECT table_name, run_id, rows, loaded_at = '2022-05-12T00:00:00Z' "
                  "FROM _weir_load"),
              ElementsAre("airports|r-1|2|true"));
}

TEST_F(DuckdbWarehouse, FileThatIsMadeAppearsWhole) {
  const auto path = options_.connection["path"].get<std::string>();
  // What a process leaves that dies while DuckDB makes the file.
  std::ofstream(path + ".new") << "half a database";
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
  EXPECT_THAT(see("SELECT count(*) FROM airports"), ElementsAre("2"));
}

TEST_F(DuckdbWarehouse, TokenThatIsThereLoadsNothing) {
  const auto once = replace(kAnnAndBob, 2);
  ASSERT_TRUE(run_load(warehouse(), once));
  ASSERT_TRUE(run_load(warehouse(), replace("SELECT 3 AS id, 'Bonn' AS city", 1)));
  const auto again = run_load(warehouse(), once);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->was_already_done);
  EXPECT_EQ(again->receipt.counts.inserted, 2);
  EXPECT_THAT(see("SELECT * FROM airports"), ElementsAre("3|Bonn"));
}

TEST_F(DuckdbWarehouse, TableThatSomebodyDroppedIsLoadedAgain) {
  const auto once = replace(kAnnAndBob, 2);
  ASSERT_TRUE(run_load(warehouse(), once));
  warehouse_.reset();
  {
    auto session = open_file();
    ASSERT_TRUE((*session)->run("DROP TABLE airports"));
  }
  const auto again = run_load(warehouse(), once);
  ASSERT_TRUE(again) << to_line(again.error());
  EXPECT_FALSE(again->was_already_done);
  EXPECT_THAT(see("SELECT count(*) FROM airports"), ElementsAre("2"));
}

TEST_F(DuckdbWarehouse, ReplaceTakesAnotherSchema) {
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  auto other = replace("SELECT 'x' AS id", 1);
  other.columns = {{"id", *model::parse_type("varchar")}};
  ASSERT_TRUE(run_load(warehouse(), other));
  EXPECT_THAT(see("SELECT * FROM airports"), ElementsAre("x"));
}

TEST_F(DuckdbWarehouse, NamesWithQuotesAndASchemaArePlainNames) {
  auto odd = replace("SELECT 1 AS \"a \"\"b\", 'x' AS \"select\"", 1);
  odd.table = *parse_table_name("my schema.air\"ports; DROP TABLE x");
  odd.columns = {{"a \"b", *model::parse_type("bigint")},
                 {"select", *model::parse_type("varchar")}};
  const auto loaded = run_load(warehouse(), odd);
  ASSERT_TRUE(loaded) << to_line(loaded.error());
  EXPECT_THAT(see("SELECT * FROM \"my schema\".\"air\"\"ports; DROP TABLE x\""),
              ElementsAre("1|x"));
}

TEST_F(DuckdbWarehouse, RowsThatDoNotArriveAreNotPublished) {
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  const auto short_of_one = run_load(warehouse(), replace(kAnnAndBob, 3));
  ASSERT_FALSE(short_of_one);
  EXPECT_EQ(short_of_one.error().code, ErrorCode::kCheckFailed);
  EXPECT_THAT(short_of_one.error().message, HasSubstr("2 rows of 3"));
  EXPECT_THAT(see("SELECT count(*) FROM _weir_load"), ElementsAre("1"));
}

TEST_F(DuckdbWarehouse, NothingToLoadIsAnEmptyTableWithItsColumns) {
  auto none = replace(kAnnAndBob, 0);
  none.files.clear();
  ASSERT_TRUE(run_load(warehouse(), none));
  EXPECT_THAT(see("SELECT column_name, data_type FROM duckdb_columns() "
                  "WHERE table_name = 'airports' ORDER BY column_index"),
              ElementsAre("id|BIGINT", "city|VARCHAR"));
}

TEST_F(DuckdbWarehouse, ValueThatDoesNotFitItsColumnIsNamed) {
  const auto loaded = run_load(warehouse(), replace("SELECT 'ten' AS id, 'Ulm' AS city", 1));
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidData);
  EXPECT_THAT(loaded.error().message, HasSubstr("ten"));
}

TEST_F(DuckdbWarehouse, AppendKeepsWhatIsThereAndAddsColumns) {
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  auto more = load(model::WriteMode::kAppend, "SELECT 3 AS id, 1.5::DOUBLE AS lat", 1);
  more.columns = {{"id", *model::parse_type("bigint")}, {"lat", *model::parse_type("double")}};
  const auto loaded = run_load(warehouse(), more);
  ASSERT_TRUE(loaded) << to_line(loaded.error());
  EXPECT_EQ(loaded->receipt.counts, (model::Counts{.in = 1, .inserted = 1, .out = 3}));
  EXPECT_THAT(see("SELECT * FROM airports ORDER BY id"),
              ElementsAre("1|Ulm|NULL", "2|Rom|NULL", "3|NULL|1.5"));
}

TEST_F(DuckdbWarehouse, AppendWidensAColumnAndRefusesAnotherType) {
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

TEST_F(DuckdbWarehouse, MergeInsertsUpdatesAndLeavesTheRest) {
  ASSERT_TRUE(run_load(warehouse(), merge(kAnnAndBob, 2)));
  const auto loaded = run_load(
      warehouse(), merge("FROM (VALUES (1, 'Ulm'), (2, NULL), (3, 'Bonn')) t(id, city)", 3));
  ASSERT_TRUE(loaded) << to_line(loaded.error());
  EXPECT_EQ(
      loaded->receipt.counts,
      (model::Counts{.in = 3, .inserted = 1, .updated_in_place = 1, .unchanged = 1, .out = 3}));
  EXPECT_THAT(see("SELECT * FROM airports ORDER BY id"), ElementsAre("1|Ulm", "2|NULL", "3|Bonn"));
}

TEST_F(DuckdbWarehouse, MergeRefusesDoubleAndNullKeys) {
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

TEST_F(DuckdbWarehouse, MergeIntoATableWithADoubleKeyChangesNothing) {
  ASSERT_TRUE(run_load(warehouse(), replace("FROM (VALUES (1, 'a'), (1, 'b')) t(id, city)", 2)));
  const auto loaded = run_load(warehouse(), merge("SELECT 1 AS id, 'c' AS city", 1));
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kCheckFailed);
  EXPECT_THAT(see("SELECT * FROM airports ORDER BY city"), ElementsAre("1|a", "1|b"));
}

TEST_F(DuckdbWarehouse, StagedRowsOfADeadAttemptAreSweptByTheNext) {
  const auto dead = replace(kAnnAndBob, 2);
  ASSERT_TRUE(warehouse().stage(dead));
  warehouse_.reset();
  auto next = dead;
  next.attempt = 2;
  ASSERT_TRUE(run_load(warehouse(), next));
  EXPECT_THAT(see("SELECT table_name FROM duckdb_tables() ORDER BY 1"),
              ElementsAre("_weir_load", "airports"));
}

TEST_F(DuckdbWarehouse, LoadThatFailsLeavesNothingStaged) {
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  ASSERT_FALSE(run_load(warehouse(), replace(kAnnAndBob, 3)));
  ASSERT_FALSE(run_load(warehouse(), merge("SELECT NULL AS id, 'Ulm' AS city", 1)));
  EXPECT_THAT(see("SELECT table_name FROM duckdb_tables() ORDER BY 1"),
              ElementsAre("_weir_load", "airports"));
}

TEST_F(DuckdbWarehouse, ViewIsNotReplaced) {
  warehouse();
  warehouse_.reset();
  {
    auto session = open_file();
    ASSERT_TRUE((*session)->run("CREATE VIEW airports AS SELECT 1 AS id"));
  }
  const auto loaded = run_load(warehouse(), replace(kAnnAndBob, 2));
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidConfig);
  EXPECT_THAT(loaded.error().message, HasSubstr("'airports' is a view"));
}

TEST_F(DuckdbWarehouse, CountsThatDoNotCloseRollThePublicationBack) {
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

TEST_F(DuckdbWarehouse, SecondHolderInThisProcessWaitsAndHearsWhoHoldsIt) {
  warehouse();
  const auto second = open_warehouse(options_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_THAT(second.error().message, HasSubstr(fmt::format("process {}", getpid())));
  EXPECT_THAT(second.error().message, HasSubstr("run r-1"));
}

TEST_F(DuckdbWarehouse, FileThatAnotherProgramHoldsIsAConflictNamingItsProcess) {
  const auto path = folder_ + "/foreign.duckdb";
  options_.connection["path"] = path;
  int ready[2];
  int done[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(done), 0);
  const pid_t child = fork();
  if (child == 0) {
    Cancel cancel;
    sql::SessionOptions options;
    options.database = path;
    auto session = sql::open_session(options, cancel);
    char byte = session ? 'y' : 'n';
    if (write(ready[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 1) _exit(1);
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  const auto opened = open_warehouse(options_);
  ASSERT_EQ(write(done[1], &byte, 1), 1);
  waitpid(child, nullptr, 0);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kConflict);
  EXPECT_THAT(opened.error().message, HasSubstr(fmt::format("PID {}", child)));
}

TEST_F(DuckdbWarehouse, CancelledTaskDoesNotWaitForTheHolder) {
  warehouse();
  auto clock = make_system_clock();
  options_.clock = clock.get();
  cancel_.cancel("ann stopped it");
  const auto second = open_warehouse(options_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kCancelled);
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
