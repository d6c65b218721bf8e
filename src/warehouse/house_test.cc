
#include "database/postgres.h"
#include "testing/postgres_server.h"
#include "warehouse/house_for_test.h"

namespace weir::warehouse {
namespace {

std::vector<std::string> lines_of(const std::vector<sql::Row>& rows, const char* between = "|") {
  std::vector<std::string> lines;
  for (const auto& row : rows) {
    std::string line;
    for (const auto& value : row) line += (line.empty() ? "" : between) + value.value_or("NULL");
    lines.push_back(line);
  }
  return lines;
}

class DuckdbHouse : public House {
 public:
  explicit DuckdbHouse(const std::string& folder) : path_(folder + "/house/w.duckdb") {}
  Json connection() override { return {{"path", path_}}; }
  std::vector<std::string> see(const std::string& query) override { return lines_of(rows(query)); }
  std::vector<std::string> tables() override {
    return see("SELECT table_name FROM duckdb_tables() ORDER BY 1");
  }
  std::vector<std::string> columns(const std::string& table) override {
    return lines_of(rows(fmt::format("SELECT column_name, lower(data_type) FROM duckdb_columns() "
                                     "WHERE table_name = '{}' ORDER BY column_index",
                                     table)),
                    " ");
  }

 private:
  std::vector<sql::Row> rows(const std::string& query) {
    sql::SessionOptions options;
    options.database = path_;
    auto session = sql::open_session(options, cancel_);
    EXPECT_TRUE(session) << to_line(session.error());
    auto result = (*session)->query(query);
    EXPECT_TRUE(result) << to_line(result.error());
    return result ? result->rows : std::vector<sql::Row>{};
  }

  const std::string path_;
  Cancel cancel_;
};

/// One server for the whole program; it ends with it.
testing::PostgresServer* shared_server() {
  static const auto server = [] {
    auto started = testing::start_postgres_server();
    if (!started) fmt::print(stderr, "without PostgreSQL: {}\n", to_line(started.error()));
    return started ? std::move(*started) : nullptr;
  }();
  return server.get();
}

class PostgresHouse : public House {
 public:
  explicit PostgresHouse(std::string database) : database_(std::move(database)) {}
  Json connection() override {
    return {{"kind", "postgres"},    {"host", "127.0.0.1"}, {"port", shared_server()->port()},
            {"database", database_}, {"user", "postgres"},  {"lock_timeout", "200ms"}};
  }
  std::vector<std::string> see(const std::string& query) override { return lines_of(rows(query)); }
  std::vector<std::string> tables() override {
    return see(
        "SELECT relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace "
        "WHERE relkind = 'r' AND nspname <> 'information_schema' AND nspname NOT LIKE "
        "'pg\\_c%' ORDER BY 1");
  }
  std::vector<std::string> columns(const std::string& table) override {
    return lines_of(rows(fmt::format("SELECT column_name, replace(data_type, 'text', 'varchar') "
                                     "FROM information_schema.columns WHERE table_name = '{}' "
                                     "ORDER BY ordinal_position",
                                     table)),
                    " ");
  }

 private:
  std::vector<sql::Row> rows(const std::string& query) {
    database::PostgresOptions options;
    options.settings = *database::read_postgres_settings(connection());
    options.clock = clock_.get();
    options.cancel = &cancel_;
    const auto connection = database::open_postgres(options);
    EXPECT_TRUE(connection) << to_line(connection.error());
    auto answer = (*connection)->query(query);
    EXPECT_TRUE(answer) << to_line(answer.error());
    return answer ? answer->rows : std::vector<sql::Row>{};
  }

  const std::string database_;
  const std::unique_ptr<Clock> clock_ = make_system_clock();
  Cancel cancel_;
};

}  // namespace

std::unique_ptr<House> make_duckdb_house(const std::string& folder) {
  return std::make_unique<DuckdbHouse>(folder);
}

std::unique_ptr<House> make_postgres_house(const std::string& /*folder*/) {
  if (shared_server() == nullptr) return nullptr;
  const auto url = shared_server()->create_database();
  EXPECT_TRUE(url) << to_line(url.error());
  return std::make_unique<PostgresHouse>(url->substr(url->rfind('/') + 1));
}

void Loading::SetUp() {
  std::string name = (std::filesystem::temp_directory_path() / "weir-warehouse-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  folder_ = name;
  house_ = make_house();
  if (house_ == nullptr) GTEST_SKIP() << "PostgreSQL 15 is not installed";
  options_.connection = house_->connection();
  options_.clock = clock_.get();
  options_.cancel = &cancel_;
  options_.holder = "run r-1";
}

void Loading::TearDown() {
  warehouse_.reset();
  house_.reset();
  std::filesystem::remove_all(folder_);
}

std::string Loading::file(const std::string& query) {
  const auto path = fmt::format("{}/{}.parquet", folder_, files_++);
  auto session = sql::open_session({}, cancel_);
  EXPECT_TRUE(session) << to_line(session.error());
  const auto done = (*session)->run(fmt::format("COPY ({}) TO '{}' (FORMAT parquet)", query, path));
  EXPECT_TRUE(done) << to_line(done.error());
  return path;
}

Warehouse& Loading::warehouse() {
  if (!warehouse_) {
    auto opened = open_warehouse(options_);
    EXPECT_TRUE(opened) << to_line(opened.error());
    warehouse_ = std::move(*opened);
  }
  return *warehouse_;
}

Load Loading::load(model::WriteMode mode, const std::string& query, int64_t rows) {
  return {
      .token = fmt::format("{:02}", ++loads_) + std::string(62, 'a'),
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

Load Loading::of_type(const std::string& query, int64_t rows, const std::string& type) {
  Load one = replace(query, rows);
  one.columns = {{"x", *model::parse_type(type)}};
  return one;
}

}  // namespace weir::warehouse
