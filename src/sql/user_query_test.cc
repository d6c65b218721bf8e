#include "sql/user_query.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

namespace weir::sql {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> datasets_of(const std::string& text) {
  const auto query = read_user_query(text);
  EXPECT_TRUE(query) << text << ": " << to_line(query.error());
  std::vector<std::string> names;
  if (query)
    for (const auto& dataset : query->datasets) names.push_back(dataset.text());
  return names;
}

bool is_volatile(const std::string& text) {
  const auto query = read_user_query(text);
  EXPECT_TRUE(query) << text << ": " << to_line(query.error());
  return query && query->is_volatile;
}

TEST(ReadUserQuery, FindsDatasetsWhereverTheyStand) {
  EXPECT_THAT(datasets_of("SELECT * FROM raw.b JOIN raw.a USING (id)"),
              ElementsAre("raw.a", "raw.b"));
  EXPECT_THAT(datasets_of("FROM stage.\"c.d\""), ElementsAre("stage.c.d"));
  EXPECT_THAT(datasets_of("SELECT (SELECT max(x) FROM raw.a), 1 FROM raw.b, "
                          "LATERAL (SELECT * FROM raw.c) WHERE EXISTS (FROM raw.d) "
                          "UNION ALL (SELECT 1, 2 FROM raw.e ORDER BY (SELECT 1 FROM raw.f))"),
              ElementsAre("raw.a", "raw.b", "raw.c", "raw.d", "raw.e", "raw.f"));
  EXPECT_THAT(datasets_of("PIVOT raw.a ON b IN (1, 2) USING sum(c)"), ElementsAre("raw.a"));
  EXPECT_THAT(datasets_of("SELECT * FROM range(3) r(i), unnest([1]), generate_series(1, 2)"),
              IsEmpty());
  EXPECT_THAT(datasets_of("-- a comment\nSELECT 1;"), IsEmpty());
  EXPECT_THAT(datasets_of("SELECT row_number() OVER (ORDER BY (SELECT 1 FROM raw.w)) FROM raw.a "
                          "QUALIFY 1 = (SELECT 1 FROM raw.q)"),
              ElementsAre("raw.a", "raw.q", "raw.w"));
}

TEST(ReadUserQuery, NamesOfItsOwnCtesAreNoDatasets) {
  EXPECT_THAT(datasets_of("WITH x AS (FROM raw.a), Y AS (FROM x) SELECT * FROM y JOIN X ON true"),
              ElementsAre("raw.a"));
  EXPECT_THAT(datasets_of("WITH RECURSIVE r AS (SELECT 1 i UNION ALL SELECT i + 1 FROM r "
                          "WHERE i < 3) FROM r"),
              IsEmpty());
  EXPECT_FALSE(read_user_query("WITH x AS (FROM x) FROM x")) << "its own name is not in scope";
  EXPECT_FALSE(read_user_query("SELECT (WITH x AS (SELECT 1) SELECT 1) FROM x")) << "scope ended";
  EXPECT_FALSE(read_user_query("WITH a AS (FROM b), b AS (SELECT 1) FROM a")) << "b comes later";
}

TEST(ReadUserQuery, LongChainsOfOperatorsAreRead) {
  std::string text = "SELECT 1";
  for (int i = 0; i < 400; ++i) text += " + 1";
  EXPECT_THAT(datasets_of(text + " FROM raw.a"), ElementsAre("raw.a"));
}

TEST(ReadUserQuery, VolatileFunctionsAreSeen) {
  for (const char* text :
       {"SELECT now() FROM raw.a", "SELECT current_date", "SELECT CURRENT_TIMESTAMP",
        "SELECT 1 FROM raw.a ORDER BY random()", "SELECT uuid()", "SELECT today()",
        "SELECT * FROM raw.a USING SAMPLE 10%", "SELECT * FROM raw.a TABLESAMPLE 5 ROWS",
        "SELECT age(d) FROM raw.a", "SELECT ago(INTERVAL 1 DAY)",
        "SELECT [x + random() FOR x IN [1]]", "SELECT localtimestamp"})
    EXPECT_TRUE(is_volatile(text)) << text;
  for (const char* text :
       {"SELECT 1", "SELECT uuid, random, today, now FROM raw.a",
        "SELECT a.current_date FROM raw.a", "SELECT 'now()', date '2020-01-01' + 1",
        "SELECT * FROM raw.a USING SAMPLE reservoir(10 ROWS) REPEATABLE (3)"})
    EXPECT_FALSE(is_volatile(text)) << text;
}

TEST(ReadUserQuery, WhatASecondAttemptCannotRepeatIsNamed) {
  const auto unrepeatable = [](const std::string& text) {
    return read_user_query(text)->unrepeatable;
  };
  EXPECT_THAT(unrepeatable("SELECT random(), uuid(), now() FROM raw.a"),
              ElementsAre("random()", "uuid()"));
  EXPECT_THAT(unrepeatable("SELECT * FROM raw.a USING SAMPLE 10%"), ElementsAre(HasSubstr("seed")));
  EXPECT_THAT(unrepeatable("SELECT now(), age(d), current_date FROM raw.a"), IsEmpty());
}

TEST(UserClock, ItStandsStillForEveryFunctionThatTellsTheTime) {
  const Cancel cancel;
  SessionOptions options{.threads = 1};
  options.now_us = 1'577'934'245'000'006;  // 2020-01-02T03:04:05.000006Z
  const auto session = open_user_session(options, {}, cancel).value();
  const std::string at = "2020-01-02 03:04:05.000006";
  for (const auto& [expression, expected] : std::map<std::string, std::string>{
           {"now()", at + "+00"},
           {"current_timestamp", at + "+00"},
           {"get_current_timestamp()", at + "+00"},
           {"transaction_timestamp()", at + "+00"},
           {"pg_conf_load_time()", at + "+00"},
           {"pg_postmaster_start_time()", at + "+00"},
           {"localtimestamp", at},
           {"current_localtimestamp()", at},
           {"localtime", "03:04:05.000006"},
           {"current_localtime()", "03:04:05.000006"},
           {"current_time", "03:04:05.000006+00"},
           {"get_current_time()", "03:04:05.000006+00"},
           {"current_date", "2020-01-02"},
           {"today()", "2020-01-02"},
           {"ago(INTERVAL 1 DAY)", "2020-01-01 03:04:05.000006+00"},
           {"age(TIMESTAMP '2020-01-01')", "1 day"},
           {"age(TIMESTAMPTZ '2020-01-01 00:00:00+00')", "1 day"},
           {"age(TIMESTAMP '2021-01-01', TIMESTAMP '2020-01-01')", "1 year"}}) {
    const auto said = session->query("SELECT CAST(" + expression + " AS VARCHAR)");
    ASSERT_TRUE(said) << expression << ": " << to_line(said.error());
    EXPECT_EQ(said->rows[0][0], expected) << expression;
  }
}

TEST(UserClock, OneThatWeirDoesNotKnowWouldShow) {
  // DuckDB's own list of functions with another value in each query, less those that are stopped or
  // refused: a new DuckDB that brings a clock of its own fails here.
  const Cancel cancel;
  SessionOptions options{.threads = 1};
  options.now_us = 0;
  const auto stopped = open_user_session(options, {}, cancel).value();
  const auto session = open_session({.threads = 1}, cancel).value();
  const auto rows = session
                        ->query(
                            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE "
                            "stability = 'CONSISTENT_WITHIN_QUERY' AND function_type = 'scalar'")
                        .value()
                        .rows;
  const auto of_ours = stopped
                           ->query(
                               "SELECT function_name FROM duckdb_functions() "
                               "WHERE function_type = 'macro' AND NOT internal")
                           .value()
                           .rows;
  std::set<std::string> macros;
  for (const auto& row : of_ours) macros.insert(*row[0]);
  for (const auto& row : rows) {
    const auto query = read_user_query("SELECT \"" + *row[0] + "\"()");
    const bool is_clock = query && query->is_volatile && query->unrepeatable.empty();
    EXPECT_TRUE(!is_clock || macros.contains(*row[0])) << *row[0];
  }
  EXPECT_GE(macros.size(), 9U);
}

TEST(ReadUserQuery, ClockWithItsSchemaWouldPassTheMacroByAndIsRefused) {
  for (const char* text : {"SELECT system.main.now()", "SELECT main.today()"})
    EXPECT_FALSE(read_user_query(text)) << text;
  EXPECT_TRUE(read_user_query("SELECT main.upper('a')"));
}

TEST(ReadUserQuery, ListOfVolatileFunctionsIsDuckDBsOwn) {
  const Cancel cancel;
  const auto session = open_session({.threads = 1}, cancel).value();
  const auto rows = session
                        ->query(
                            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE "
                            "stability <> 'CONSISTENT' AND function_type <> 'macro'")
                        .value()
                        .rows;
  EXPECT_GT(rows.size(), 20U);
  // These are the same in every session of ours, or raise an error by design.
  const std::set<std::string> same = {"current_database", "current_schema", "current_schemas",
                                      "error"};
  for (const auto& row : rows) {
    if (same.contains(*row[0])) continue;
    const auto query = read_user_query("SELECT \"" + *row[0] + "\"()");
    EXPECT_TRUE(!query || query->is_volatile) << *row[0];
  }
}

TEST(ReadUserQuery, EverythingElseIsRefusedWithAHint) {
  for (const char* text : {"",
                           "SELEC 1",
                           "SELECT 1; SELECT 2",
                           "SELECT 1; DROP TABLE raw.a",
                           "COPY (SELECT 1) TO '/tmp/x' (USE_TMP_FILE false)",
                           "COPY raw.a FROM '/tmp/x'",
                           "ATTACH '/tmp/x.duckdb'",
                           "INSTALL httpfs",
                           "LOAD httpfs",
                           "PRAGMA database_list",
                           "SET threads = 1",
                           "RESET threads",
                           "CALL pragma_version()",
                           "CREATE TABLE t AS SELECT 1",
                           "INSERT INTO raw.a VALUES (1)",
                           "DELETE FROM raw.a",
                           "UPDATE raw.a SET x = 1",
                           "DROP VIEW raw.a",
                           "CREATE MACRO m() AS 1",
                           "EXPORT DATABASE '/tmp/x'",
                           "CHECKPOINT",
                           "EXPLAIN SELECT 1",
                           "DESCRIBE raw.a",
                           "SUMMARIZE raw.a",
                           "FROM (SHOW TABLES)",
                           "FROM (DESCRIBE raw.a)",
                           "SHOW ALL TABLES",
                           "PREPARE p AS SELECT 1",
                           "USE raw",
                           "SELECT * FROM read_csv('/etc/passwd')",
                           "SELECT * FROM read_text('/etc/passwd')",
                           "SELECT * FROM read_parquet('x')",
                           "SELECT * FROM read_blob('x')",
                           "SELECT * FROM read_json('x')",
                           "SELECT * FROM parquet_metadata('x')",
                           "SELECT * FROM glob('*')",
                           "SELECT * FROM query('SELECT 1')",
                           "SELECT * FROM query_table('raw.a')",
                           "SELECT * FROM duckdb_settings()",
                           "SELECT * FROM duckdb_secrets()",
                           "SELECT * FROM sniff_csv('x')",
                           "SELECT * FROM '/etc/passwd'",
                           "SELECT * FROM 'data/*.parquet'",
                           "FROM airports",
                           "FROM weir_catalog.raw.a",
                           "FROM information_schema.tables",
                           "FROM pg_catalog.pg_class",
                           "FROM main.duckdb_views",
                           "FROM system.main.duckdb_views",
                           "FROM temp.x",
                           "FROM raw.a AT (VERSION => 1)",
                           "SELECT getenv('HOME')",
                           "SELECT getvariable('x')",
                           "SELECT current_setting('temp_directory')",
                           "SELECT GetEnv('HOME') FROM raw.a",
                           "SELECT json_serialize_plan('FROM read_csv(''x'')')",
                           "SELECT nextval('s')",
                           "SELECT * FROM raw.a WHERE x = $1",
                           "SELECT * FROM raw.a WHERE x = ?",
                           "SELECT (SELECT count(*) FROM glob('/*'))",
                           "SELECT sleep_ms(1000000)",
                           "SELECT * FROM raw.a WHERE EXISTS (FROM read_text('/etc/passwd'))",
                           "WITH x AS (FROM read_csv('/etc/passwd')) SELECT * FROM x",
                           "WITH \"/etc/passwd\" AS (FROM \"/etc/passwd\") FROM \"/etc/passwd\"",
                           "SELECT * FROM which_secret('s3://x', 's3')",
                           "FROM seq_scan()",
                           "SELECT * FROM sql_auto_complete('SEL')",
                           "WITH x AS (DELETE FROM raw.a RETURNING *) FROM x",
                           "FROM histogram('raw.a', 'x')",
                           "SELECT * FROM (SUMMARIZE raw.a)",
                           "WITH x AS (DESCRIBE raw.a) FROM x",
                           "PIVOT raw.a ON b USING sum(c)"}) {
    const auto query = read_user_query(text);
    ASSERT_FALSE(query) << text;
    EXPECT_EQ(query.error().code, ErrorCode::kInvalidConfig) << text;
    EXPECT_FALSE(query.error().hint.empty()) << text;
  }
}

Place place_of(const std::string& text) {
  const auto query = read_user_query(text);
  EXPECT_FALSE(query) << text;
  return query ? Place() : query.error().place.value_or(Place());
}

TEST(ReadUserQuery, ARefusalShowsWhereTheFaultStands) {
  const Place syntax = place_of("SELECT a,\n  'é' b c\nFROM raw.a");
  EXPECT_EQ(syntax.file, kUserSql);
  EXPECT_EQ(syntax.line, 2);
  EXPECT_EQ(syntax.column, 9);
  EXPECT_EQ(syntax.text, "  'é' b c");
  const Place table = place_of("SELECT *\r\nFROM raw.a,\r\n  read_csv('/etc/passwd')");
  EXPECT_EQ(table.line, 3);
  EXPECT_EQ(table.column, 3);
  const Place function = place_of("SELECT a,\n b || getenv('HOME')\nFROM raw.a");
  EXPECT_EQ(function.line, 2);
  EXPECT_EQ(function.column, 7);
  EXPECT_EQ(function.text, " b || getenv('HOME')");
}

/// A lake of two datasets, and beside them what nobody may reach.
class UserSession : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = (std::filesystem::temp_directory_path() / "weir-sql-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    folder_ = path;
    const auto session = open_session({.threads = 1}, cancel_).value();
    const auto copy = [&](const std::string& select, const std::string& name) {
      const auto status = session->run("COPY (" + select + ") TO '" + file(name) + "'");
      ASSERT_TRUE(status) << to_line(status.error());
    };
    copy("SELECT '1' AS _hoodie_commit_time, 1 AS id, 'ann' AS name", "a1.parquet");
    copy("SELECT '2' AS _hoodie_commit_time, 2 AS id, 'bob' AS name, 3.5 AS weight", "a2.parquet");
    copy("SELECT 9 AS secret", "unnamed.parquet");
    std::ofstream(file("catalog.db")) << "id,secret\n1,hunter2\n";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name) const { return (folder_ / name).string(); }
  std::string content(const std::string& name) const {
    std::ostringstream bytes;
    bytes << std::ifstream(file(name), std::ios::binary).rdbuf();
    return bytes.str();
  }
  ViewSource people() const {
    const auto column = [](const char* name, const char* type) {
      return model::Column{name, model::parse_type(type).value(), true};
    };
    return {{"raw", "people"},
            {file("a1.parquet"), file("a2.parquet")},
            {column("id", "bigint"), column("name", "varchar"), column("weight", "double"),
             column("born", "date")}};
  }
  std::unique_ptr<Session> open(const std::vector<ViewSource>& sources) {
    auto session = open_user_session({.threads = 1, .temp_folder = file("tmp")}, sources, cancel_);
    EXPECT_TRUE(session) << to_line(session.error());
    return std::move(session).value();
  }

  std::filesystem::path folder_;
  Cancel cancel_;
};

TEST_F(UserSession, ViewHasTheColumnsOfItsSchemaAndNoOther) {
  const auto session = open({people()});
  const auto result = session->query("SELECT * FROM raw.people ORDER BY id");
  ASSERT_TRUE(result) << to_line(result.error());
  EXPECT_THAT(result->names, ElementsAre("id", "name", "weight", "born"));
  ASSERT_EQ(result->rows.size(), 2U);
  EXPECT_THAT(result->rows[0], ElementsAre("1", "ann", std::nullopt, std::nullopt));
  EXPECT_THAT(result->rows[1], ElementsAre("2", "bob", "3.5", std::nullopt));
  EXPECT_EQ(model::to_text(result->types[0]), "bigint");
  EXPECT_EQ(model::to_text(result->types[3]), "date");
}

TEST_F(UserSession, AFaultOfTheQueryHasItsPlaceInTheUsersText) {
  const auto session = open({people()});
  const std::string text =
      "SELECT id,\n  '" + std::string(200, 'x') + "é', nothing\nFROM raw.people";
  const auto made = session->run("CREATE TEMP VIEW v AS\n" + text);
  ASSERT_FALSE(made);
  const Error error = at_user_sql(made.error(), text, 1);
  ASSERT_TRUE(error.place);
  EXPECT_EQ(error.place->file, kUserSql);
  EXPECT_EQ(error.place->line, 2);
  EXPECT_EQ(error.place->column, 208);
  EXPECT_THAT(error.hint, HasSubstr("Candidate bindings"));
  const Error other{ErrorCode::kInternal, "x", {}, {}, Place{"elsewhere", 3, 1, "", 1}};
  EXPECT_EQ(at_user_sql(other, text, 1).place->file, "elsewhere");
}

TEST_F(UserSession, ViewWithoutASchemaHidesHudisColumns) {
  auto source = people();
  source.schema.clear();
  const auto columns = open({source})->describe("FROM raw.people");
  ASSERT_TRUE(columns) << to_line(columns.error());
  ASSERT_EQ(columns->size(), 3U);
  EXPECT_EQ((*columns)[0].name, "id");
}

TEST_F(UserSession, EmptySourceIsAnEmptyView) {
  auto source = people();
  source.files.clear();
  const auto session = open({source});
  EXPECT_EQ(session->query_number("SELECT count(*) FROM raw.people").value(), 0);
  EXPECT_EQ(session->describe("FROM raw.people").value().size(), 4U);
}

// The second wall: even what read_user_query would never let through cannot leave the named files.
TEST_F(UserSession, NothingButTheNamedFilesCanBeOpened) {
  const auto session = open({people()});
  const auto other = open({people()});
  std::string other_temp;
  for (const auto& entry : std::filesystem::directory_iterator(file("tmp")))
    other_temp = entry.path().string();
  std::ofstream(other_temp + "/spill.csv") << "a\n1\n";
  const std::string quoted = "'" + file("");
  for (const std::string& text :
       std::vector<std::string>{"SELECT * FROM read_csv(" + quoted + "catalog.db')",
                                "SELECT * FROM read_text(" + quoted + "catalog.db')",
                                "SELECT * FROM read_blob(" + quoted + "tmp/../catalog.db')",
                                "SELECT * FROM read_parquet(" + quoted + "unnamed.parquet')",
                                "SELECT * FROM " + quoted + "unnamed.parquet'",
                                "SELECT * FROM read_text('/etc/passwd')",
                                "SELECT * FROM glob('/etc/*')",
                                "ATTACH " + quoted + "catalog.db'",
                                "ATTACH " + quoted + "new.duckdb'",
                                "COPY (SELECT 1) TO " + quoted + "new.csv' (USE_TMP_FILE false)",
                                "COPY (SELECT 1) TO " + quoted + "new.csv'",
                                "COPY (SELECT 1) TO " + quoted + "catalog.db' (USE_TMP_FILE false)",
                                "EXPORT DATABASE " + quoted + "dump'",
                                "INSTALL httpfs",
                                "LOAD httpfs",
                                "LOAD " + quoted + "evil.duckdb_extension'",
                                "SET enable_external_access = true",
                                "SET allowed_paths = ['/']",
                                "SET lock_configuration = false",
                                "SET temp_directory = '/tmp'",
                                "RESET allowed_paths",
                                "PRAGMA temp_directory='/tmp'",
                                "SET allowed_directories = ['/']",
                                "PRAGMA enable_profiling='json'",
                                "SET threads = 4"}) {
    const auto status = session->run(text);
    EXPECT_FALSE(status) << text;
  }
  // Two temporary folders: its own and the other's; the other one's files stay closed.
  int folders = 0;
  int readable = 0;
  for (const auto& entry : std::filesystem::directory_iterator(file("tmp"))) {
    ++folders;
    std::ofstream(entry.path() / "spill.csv") << "a\n1\n";
    if (session->run("SELECT * FROM read_csv('" + (entry.path() / "spill.csv").string() + "')"))
      ++readable;
  }
  EXPECT_EQ(folders, 2);
  EXPECT_LE(readable, 1);
  EXPECT_EQ(content("catalog.db"), "id,secret\n1,hunter2\n");
  EXPECT_FALSE(std::filesystem::exists(file("new.csv")));
  EXPECT_TRUE(session->query("FROM raw.people")) << "and the session still works";
}

TEST_F(UserSession, ReadUserQueryRefusesTheAttackThatPathsDoNotStop) {
  const std::string attack = "COPY (SELECT 1) TO '" + file("a1.parquet") + "' (USE_TMP_FILE false)";
  EXPECT_FALSE(read_user_query(attack)) << "allowed_paths alone lets a named file be overwritten";
}

TEST_F(UserSession, TemporaryFolderIsPrivateAndGoesWithTheSession) {
  auto session = open({people()});
  int folders = 0;
  for (const auto& entry : std::filesystem::directory_iterator(file("tmp"))) {
    ++folders;
    EXPECT_EQ(std::filesystem::status(entry).permissions(), std::filesystem::perms::owner_all);
  }
  EXPECT_EQ(folders, 1);
  session.reset();
  EXPECT_TRUE(std::filesystem::is_empty(file("tmp")));
}

}  // namespace
}  // namespace weir::sql
