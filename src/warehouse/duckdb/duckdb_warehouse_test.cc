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

  Load replace(const std::string& query, int64_t rows) {
    return {
        .token = std::string(64, 'a'),
        .table = {"", "airports"},
        .mode = model::WriteMode::kReplace,
        .key = {},
        .files = {file(query)},
        .columns = {{"id", *model::parse_type("bigint")}, {"city", *model::parse_type("varchar")}},
        .rows = rows,
        .run_id = "r-1",
        .loaded_at_us = 1'652'313'600'000'000};
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
};

constexpr auto kAnnAndBob = "SELECT 1 AS id, 'Ulm' AS city UNION ALL SELECT 2, 'Rom'";

TEST_F(DuckdbWarehouse, FileThatIsMadeAppearsWhole) {
  const auto path = options_.connection["path"].get<std::string>();
  // What a process leaves that dies while DuckDB makes the file.
  std::ofstream(path + ".new") << "half a database";
  ASSERT_TRUE(run_load(warehouse(), replace(kAnnAndBob, 2)));
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
  EXPECT_THAT(see("SELECT count(*) FROM airports"), ElementsAre("2"));
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

}  // namespace
}  // namespace weir::warehouse
