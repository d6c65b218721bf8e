#include "catalog/conformance.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "catalog/postgres_for_test.h"

namespace weir::catalog {
namespace {

std::vector<std::string> texts(const Result<std::vector<Row>>& rows, std::string_view column) {
  std::vector<std::string> result;
  if (!rows) ADD_FAILURE() << to_line(rows.error());
  for (const Row& row : *rows) result.push_back(row.at(column).value_or("NULL"));
  return result;
}

/// SQL beside weir, through a connection of its own.
class SqlPlace : public Place {
 public:
  Status run_sql(const std::string& sql) override {
    return database().write([&](Session& session) -> Status {
      WEIR_TRY(session.execute(sql));
      return {};
    });
  }
  std::string query(const std::string& sql) override {
    const auto found = texts(select("value", fmt::format("FROM ({}) AS query", sql)), "value");
    return found.empty() ? "nothing" : found.front();
  }

 protected:
  Result<std::vector<Row>> select(std::string_view columns, const std::string& rest) {
    return database().read([&](Session& session) { return session.select(columns, rest); });
  }
  virtual Database& database() = 0;
};

class SqlitePlace : public SqlPlace {
 public:
  SqlitePlace() {
    char folder[] = "/tmp/weir catalog XXXXXX";  // People have spaces in their paths.
    folder_ = mkdtemp(folder);
  }
  ~SqlitePlace() override { std::filesystem::remove_all(folder_); }
  std::string url() const override { return "sqlite:" + folder_ + "/weir.db"; }
  std::vector<std::string> columns_of(const std::string& table) override {
    return texts(select("name", fmt::format("FROM pragma_table_info('{}')", table)), "name");
  }
  std::vector<std::string> tables() override {
    return texts(
        select("name", "FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"),
        "name");
  }
  bool has_fake_time() const override { return true; }
  bool is_postgres() const override { return false; }

 private:
  Database& database() override {
    if (!database_)
      database_ = std::make_unique<Database>(make_sqlite_dialect(folder_ + "/weir.db", true, 5'000),
                                             nullptr);
    return *database_;
  }
  std::string folder_;
  std::unique_ptr<Database> database_;
};

class PostgresPlace : public SqlPlace {
 public:
  explicit PostgresPlace(std::string url) : url_(std::move(url)) {}
  std::string url() const override { return url_; }
  std::vector<std::string> columns_of(const std::string& table) override {
    return texts(
        select("column_name", fmt::format("FROM information_schema.columns WHERE table_name = '{}' "
                                          "ORDER BY ordinal_position",
                                          table)),
        "column_name");
  }
  std::vector<std::string> tables() override {
    return texts(
        select("table_name", "FROM information_schema.tables WHERE table_schema = 'public'"),
        "table_name");
  }
  bool has_fake_time() const override { return false; }
  bool is_postgres() const override { return true; }

 private:
  Database& database() override {
    if (!database_) {
      auto dialect = make_postgres_dialect(url_, 5'000);
      if (!dialect) ADD_FAILURE() << to_line(dialect.error());
      database_ = std::make_unique<Database>(*std::move(dialect), nullptr);
    }
    return *database_;
  }
  const std::string url_;
  std::unique_ptr<Database> database_;
};

}  // namespace

testing::PostgresServer* shared_postgres() {
  static const auto kServer = []() -> std::unique_ptr<testing::PostgresServer> {
    auto server = testing::start_postgres_server();
    if (server) return *std::move(server);
    std::cout << "skipped: the catalog on PostgreSQL: " << to_line(server.error()) << "\n";
    return nullptr;
  }();
  return kServer.get();
}

std::vector<PlaceKind> all_places() {
  return {{"Sqlite", [] { return std::make_unique<SqlitePlace>(); }},
          {"Postgres", []() -> std::unique_ptr<Place> {
             if (shared_postgres() == nullptr) return nullptr;
             auto url = shared_postgres()->create_database();
             if (!url) ADD_FAILURE() << to_line(url.error());
             return std::make_unique<PostgresPlace>(*url);
           }}};
}

std::ostream& operator<<(std::ostream& out, const PlaceKind& kind) { return out << kind.name; }

void Conformance::SetUp() {
  place_ = GetParam().make();
  if (place_ == nullptr) GTEST_SKIP() << "this database is not installed";
  catalog_ = open();
}

std::unique_ptr<Catalog> Conformance::open(StatementHook hook) {
  auto catalog =
      open_catalog_with({.url = place_->url(), .base_folder = ""}, clock_, std::move(hook));
  if (catalog) return *std::move(catalog);
  ADD_FAILURE() << to_line(catalog.error());
  return nullptr;
}

pid_t Conformance::in_child(const std::function<int(Catalog&)>& body, StatementHook hook) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  alarm(60);  // A child that hangs ends all the same.
  auto catalog =
      open_catalog_with({.url = place_->url(), .base_folder = ""}, clock_, std::move(hook));
  _exit(catalog ? body(**catalog) : 99);
}

int wait_for(pid_t pid) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return -1000;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

model::Configuration airports() {
  model::Configuration configuration;
  configuration.project = "airports";
  configuration.defaults = {{"retries", 2}, {"timeout", "1h"}};
  configuration.layers = {
      {"landing", "data/landing", 0}, {"raw", "data/raw", 1}, {"stage", "data/stage", 2}};
  model::Dataset raw;
  raw.name = {"raw", "airports"};
  raw.identity = model::Identity::kAsOfAndContent;
  raw.columns = {{"icao", {model::TypeKind::kVarchar, 0, 0, {}}, false},
                 {"elevation", {model::TypeKind::kDouble, 0, 0, {}}, true}};
  raw.contract.types = model::TypePolicy::kEvolve;
  model::Dataset stage;
  stage.name = {"stage", "airports"};
  stage.key = {"icao"};
  configuration.datasets = {raw, stage};
  configuration.connections = {{"warehouse", "duckdb", {{"path", "data/warehouse.duckdb"}}, ""}};
  configuration.templates = {{"tidy",
                              "sql",
                              "templates/tidy.sql",
                              std::string(64, '0'),
                              "1",
                              {{"from", {{"type", "dataset"}}}},
                              Json(),
                              "Tidies."}};
  configuration.pools = {{"warehouse", 1}};
  model::Flow flow;
  flow.flow_id = "airports";
  flow.owner = "ann";
  flow.overlap = model::Overlap::kSkip;
  flow.schedule = {{"cron", "0 6 * * *"}, {"timezone", "UTC"}};
  flow.file_trigger = {{"pattern", "landing/airports-*.csv"}, {"settle", "10s"}};
  model::Task ingest;
  ingest.flow_id = "airports";
  ingest.task_id = "ingest";
  ingest.template_id = "ingest_files";
  ingest.params = {{"from", "landing/airports-*.csv"}, {"to", "raw.airports"}};
  ingest.retries = 3;
  ingest.retry_delay_ms = 90'000;
  model::Task load;
  load.flow_id = "airports";
  load.task_id = "load";
  load.template_id = "load_warehouse";
  load.pool = "warehouse";
  load.timeout_ms = 3'600'000;
  load.needs = {"ingest"};
  flow.tasks = {ingest, load};
  configuration.flows = {flow};
  return configuration;
}

FlowRun monday_run(const std::string& run_key) {
  FlowRun run;
  run.run_id = "run-" + run_key;
  run.flow_id = "airports";
  run.run_key = run_key;
  run.config_hash = std::string(64, 'c');
  run.params = {{"day", "monday"}};
  run.trigger = "manual";
  run.logical_time_us = kMonday;
  return run;
}

TaskRun waiting_task(const FlowRun& run, const std::string& task_id) {
  TaskRun task;
  task.run_id = run.run_id;
  task.task_id = task_id;
  task.template_id = "ingest_files";
  task.engine = "embedded";
  return task;
}

OperationRecord ingestion(const FlowRun& run, const std::string& token) {
  OperationRecord record;
  record.run_id = run.run_id;
  record.task_id = "ingest";
  record.attempt = 1;
  record.epoch = 1;
  record.hop = "landing → raw.airports";
  model::Operation& operation = record.operation;
  operation.kind = model::OperationKind::kIngestFiles;
  operation.token = token;
  operation.as_of_us = kMonday;
  operation.target.dataset = {"raw", "airports"};
  model::PinnedObject file;
  file.name = "airports-20220512.csv";
  file.size_bytes = 1234;
  file.sha256 = std::string(64, '1');
  file.as_of_us = kMonday;
  operation.inputs = {{.dataset = {},
                       .format = "file",
                       .uri = "landing",
                       .instant = "",
                       .as_of_us = {},
                       .schema = {},
                       .objects = {file}}};
  model::Outcome& outcome = record.outcome;
  outcome.counts = {.in = 10, .inserted = 8, .rejected = 2, .out = 8};
  outcome.rejects = {{"bad_cast", "elevation", 2}};
  model::Publication main;
  main.dataset = operation.target.dataset;
  main.token = token;
  main.object_name = "airports-" + token.substr(0, 16) + ".parquet";
  main.rows = 8;
  main.size_bytes = 99;
  main.as_of_us = kMonday;
  main.input_identities = {
      model::identity_of(model::Identity::kAsOfAndContent, file.sha256, kMonday)};
  main.source_name = file.name;
  main.source_sha256 = file.sha256;
  main.counts = outcome.counts;
  main.schema = model::to_json(model::Schema{{"icao", {}, true}});
  main.run_id = run.run_id;
  model::Publication rejected = main;
  rejected.dataset = operation.target.dataset.rejected();
  rejected.rows = 2;
  rejected.schema = Json::array();
  outcome.publications = {rejected, main};
  return record;
}

INSTANTIATE_TEST_SUITE_P(Catalog, Conformance, ::testing::ValuesIn(all_places()),
                         [](const auto& test) { return test.param.name; });

}  // namespace weir::catalog
