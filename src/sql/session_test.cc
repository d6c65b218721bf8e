#include "sql/session.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <filesystem>
#include <fstream>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif
#include <stdlib.h>

#include "parquet/parquet.h"

namespace weir::sql {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<Session> open_memory(const Cancel& cancel, int64_t threads = 1) {
  auto session = open_session({.threads = threads}, cancel);
  EXPECT_TRUE(session) << to_line(session.error());
  return std::move(session).value();
}

std::shared_ptr<arrow::RecordBatch> all_rows(Session& session, const std::string& statement) {
  auto reader = session.stream(statement);
  EXPECT_TRUE(reader) << to_line(reader.error());
  if (!reader) return nullptr;
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  while (true) {
    auto batch = (*reader)->next();
    EXPECT_TRUE(batch) << to_line(batch.error());
    if (!batch || !*batch) break;
    EXPECT_TRUE((*batch)->ValidateFull().ok());
    batches.push_back(*batch);
  }
  const auto table = arrow::Table::FromRecordBatches((*reader)->schema(), batches).ValueOrDie();
  return table->CombineChunksToBatch().ValueOrDie();
}

Error error_of(Session& session, const std::string& statement) {
  const auto status = session.run(statement);
  EXPECT_FALSE(status) << statement;
  return status ? Error{} : status.error();
}

TEST(Session, SpeaksOfItsEngine) { EXPECT_EQ(engine_version(), "v1.5.5"); }

TEST(Session, QueryGivesTextAsDuckDBCastsIt) {
  const Cancel cancel;
  const auto session = open_memory(cancel);
  const auto result = session->query(
      "SELECT 1 AS i, NULL::date AS d, 'x''y' AS t, 2.50::decimal(5,2) AS m, [1, NULL] AS l, "
      "{'a': 1} AS s, TIMESTAMPTZ '2022-05-12 01:00:00+01' AS at, 1 AS i -- done;");
  ASSERT_TRUE(result) << to_line(result.error());
  EXPECT_THAT(result->names, ElementsAre("i", "d", "t", "m", "l", "s", "at", "i"));
  EXPECT_EQ(model::to_text(result->types[3]), "decimal(5,2)");
  ASSERT_EQ(result->rows.size(), 1U);
  EXPECT_THAT(result->rows[0], ElementsAre("1", std::nullopt, "x'y", "2.50", "[1, NULL]",
                                           "{'a': 1}", "2022-05-12 00:00:00+00", "1"));
}

TEST(Session, QueryKeepsTheOrderOfItsStatement) {
  const Cancel cancel;
  const auto session = open_memory(cancel, 2);
  const auto result =
      session->query("SELECT i FROM range(50000) t(i) ORDER BY i DESC", 50'000).value();
  ASSERT_EQ(result.rows.size(), 50'000U);
  for (size_t i = 0; i < result.rows.size(); ++i)
    ASSERT_EQ(*result.rows[i][0], std::to_string(49'999 - i));
}

TEST(Session, QueryRefusesMoreRowsThanAsked) {
  const Cancel cancel;
  const auto session = open_memory(cancel);
  EXPECT_TRUE(session->query("FROM range(10)", 10));
  const auto result = session->query("FROM range(11)", 10);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kResourceExhausted);
}

TEST(Session, QueryNumberWantsOneNumber) {
  const Cancel cancel;
  const auto session = open_memory(cancel);
  EXPECT_EQ(session->query_number("SELECT count(*) FROM range(7)").value(), 7);
  EXPECT_FALSE(session->query_number("SELECT NULL"));
  EXPECT_FALSE(session->query_number("SELECT 'x'"));
  EXPECT_FALSE(session->query_number("SELECT 1 WHERE false"));
}

constexpr const char* kEveryType =
    "SELECT i % 2 = 0 AS b, i::tinyint AS i8, i::smallint AS i16, i::integer AS i32, "
    "i::bigint AS i64, i::utinyint AS u8, i::usmallint AS u16, i::uinteger AS u32, "
    "i::ubigint AS u64, i::hugeint AS h, i::uhugeint AS uh, i::float AS f, i::double AS d, "
    "i::decimal(4,1) AS m4, i::decimal(9,2) AS m9, i::decimal(18,3) AS m18, "
    "i::decimal(38,4) AS m38, repeat('ä', i) AS t, encode(repeat('ä', i)) AS x, "
    "['small','medium'][1 + i % 2]::enum('small','medium') AS e, DATE '1970-01-01' + i::integer AS "
    "day, "
    "TIME '00:00:00' + to_seconds(i) AS clock, make_timestamp(i) AS ts, "
    "make_timestamp(i)::timestamptz AS at, epoch_ms(i)::timestamp_s AS at_s, "
    "epoch_ms(i)::timestamp_ms AS at_ms, "
    "format('00000000-0000-0000-0000-{:012d}', i)::uuid AS u, "
    "CASE WHEN i % 5 = 4 THEN NULL ELSE range(i % 4) END AS l, [i, i]::integer[2] AS a, "
    "CASE WHEN i % 3 = 1 THEN NULL ELSE {'p': i, 'q': [i::varchar]} END AS s, "
    "CASE WHEN i % 4 = 1 THEN NULL ELSE map([i::varchar, 'k'], [i, NULL]) END AS mp "
    "FROM range(100) t(i)";

TEST(Stream, GivesExactlyTheTypesThatParquetWrites) {
  const Cancel cancel;
  const auto session = open_memory(cancel);
  const auto reader = session->stream(kEveryType);
  ASSERT_TRUE(reader) << to_line(reader.error());
  const auto expected = parquet::to_arrow((*reader)->columns()).value();
  EXPECT_TRUE((*reader)->schema()->Equals(*expected));
  const std::map<std::string, std::string> types = {{"i8", "int32"},
                                                    {"u32", "int64"},
                                                    {"u64", "decimal128(20, 0)"},
                                                    {"h", "decimal128(38, 0)"},
                                                    {"uh", "decimal128(38, 0)"},
                                                    {"m4", "decimal128(4, 1)"},
                                                    {"t", "string"},
                                                    {"x", "binary"},
                                                    {"e", "string"},
                                                    {"day", "date32[day]"},
                                                    {"clock", "time64[us]"},
                                                    {"ts", "timestamp[us, tz=UTC]"},
                                                    {"at", "timestamp[us, tz=UTC]"},
                                                    {"at_s", "timestamp[us, tz=UTC]"},
                                                    {"u", "string"},
                                                    {"a", "list<element: int32>"},
                                                    {"l", "list<element: int64>"}};
  for (const auto& [name, type] : types)
    EXPECT_EQ((*reader)->schema()->GetFieldByName(name)->type()->ToString(), type) << name;
}

// Every type goes out to Arrow and back into a table, and is compared there by DuckDB itself.
TEST(Stream, ValuesAreThoseOfTheQuery) {
  const Cancel cancel;
  const auto session = open_memory(cancel);
  for (const std::string filter : {"", " WHERE i % 3 = 0", " WHERE i > 100", " ORDER BY i DESC"}) {
    const auto batch = all_rows(*session, kEveryType + filter);
    ASSERT_NE(batch, nullptr);
    ASSERT_TRUE(session->add_arrow_table("back", batch->schema(), {batch}));
    const auto rows = session->query_number("SELECT count(*) FROM back").value();
    EXPECT_EQ(rows, batch->num_rows());
    for (const auto& field : batch->schema()->fields()) {
      const std::string name = model::quote_name(field->name());
      const auto differ = session->query_number(
          "SELECT count(*) FROM (SELECT row_number() OVER () AS n, " + name + " AS v FROM (" +
          kEveryType + filter + ")) a JOIN (SELECT row_number() OVER () AS n, " + name +
          " AS v FROM back) b USING (n) WHERE a.v::varchar IS DISTINCT FROM "
          "CASE WHEN typeof(a.v) LIKE 'TIMESTAMP%' THEN b.v::timestamp::varchar || "
          "CASE WHEN typeof(a.v) LIKE '%ZONE' THEN '+00' ELSE '' END ELSE b.v::varchar END");
      ASSERT_TRUE(differ) << field->name() << ": " << to_line(differ.error());
      EXPECT_EQ(*differ, 0) << field->name() << filter;
    }
    ASSERT_TRUE(session->run("DROP TABLE back"));
  }
}

TEST(Stream, ManyRowsKeepTheirOrderOverBatches) {
  const Cancel cancel;
  for (const int64_t threads : {1, 2}) {
    const auto session = open_memory(cancel, threads);
    auto reader = session->stream("SELECT i, 'row ' || i AS t FROM range(300000) x(i)").value();
    int64_t next = 0;
    int64_t batches = 0;
    while (auto batch = reader->next().value()) {
      const auto& ids = static_cast<const arrow::Int64Array&>(*batch->column(0));
      const auto& texts = static_cast<const arrow::StringArray&>(*batch->column(1));
      for (int64_t row = 0; row < batch->num_rows(); ++row, ++next) {
        ASSERT_EQ(ids.Value(row), next);
        ASSERT_EQ(texts.GetView(row), "row " + std::to_string(next));
      }
      ++batches;
    }
    EXPECT_EQ(next, 300'000);
    EXPECT_GT(batches, 2);
  }
}

TEST(Stream, EmptyResultHasItsTypes) {
  const Cancel cancel;
  const auto session = open_memory(cancel);
  const auto reader = session->stream("SELECT 1::decimal(3,1) AS x WHERE false").value();
  EXPECT_EQ(reader->schema()->field(0)->type()->ToString(), "decimal128(3, 1)");
  EXPECT_EQ(reader->next().value(), nullptr);
  EXPECT_EQ(reader->next().value(), nullptr);
}

TEST(Stream, ValuesThatDoNotFitAreInvalidData) {
  const Cancel cancel;
  const auto session = open_memory(cancel);
  for (const char* text :
       {"SELECT 100000000000000000000000000000000000000::hugeint AS x",
        "SELECT 340282366920938463463374607431768211455::uhugeint AS x",
        "SELECT 'infinity'::date AS x", "SELECT '-infinity'::timestamptz AS x"}) {
    auto reader = session->stream(text);
    ASSERT_TRUE(reader) << to_line(reader.error());
    const auto batch = (*reader)->next();
    ASSERT_FALSE(batch) << text;
    EXPECT_EQ(batch.error().code, ErrorCode::kInvalidData);
    EXPECT_THAT(to_line(batch.error()), HasSubstr("'x'"));
  }
}

TEST(Stream, TypesThatWeirDoesNotKeepAreRefusedByName) {
  const Cancel cancel;
  const auto session = open_memory(cancel);
  for (const char* text :
       {"SELECT now()::timestamp_ns AS x", "SELECT INTERVAL 1 DAY AS x", "SELECT '101'::bit AS x",
        "SELECT [TIME '10:00:00+01'::timetz] AS x", "SELECT union_value(a := 1) AS x"}) {
    const auto reader = session->stream(text);
    ASSERT_FALSE(reader) << text;
    EXPECT_EQ(reader.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(to_line(reader.error()), HasSubstr("'x'"));
    EXPECT_FALSE(reader.error().hint.empty());
  }
}

TEST(Stream, FailureInTheMiddleIsNoEnd) {
  const Cancel cancel;
  const auto session = open_memory(cancel);
  auto reader = session->stream(
      "SELECT CASE WHEN i = 900000 THEN 'ten' ELSE '1' END::integer AS x FROM range(1000000) t(i)");
  ASSERT_TRUE(reader) << to_line(reader.error());
  while (true) {
    const auto batch = (*reader)->next();
    if (!batch) {
      EXPECT_EQ(batch.error().code, ErrorCode::kInvalidData);
      EXPECT_THAT(batch.error().message, HasSubstr("ten"));
      break;
    }
    ASSERT_NE(*batch, nullptr) << "the failure looked like the end";
  }
}

TEST(Session, ErrorsSayWhatTheCallerCanDo) {
  const Cancel cancel;
  const auto session = open_memory(cancel);
  EXPECT_EQ(error_of(*session, "SELECT 'x'::integer").code, ErrorCode::kInvalidData);
  EXPECT_EQ(error_of(*session, "SELECT nothing FROM range(3)").code, ErrorCode::kInvalidConfig);
  EXPECT_EQ(error_of(*session, "SELEC 1").code, ErrorCode::kInvalidConfig);
  EXPECT_EQ(error_of(*session, "FROM nowhere").code, ErrorCode::kInvalidConfig);
  EXPECT_EQ(error_of(*session, "FROM read_csv('/nowhere/x.csv')").code, ErrorCode::kUnavailable);
  EXPECT_EQ(
      error_of(*session, "CREATE TABLE t (x integer NOT NULL); INSERT INTO t VALUES (NULL)").code,
      ErrorCode::kInvalidData);
  const Error error = error_of(*session, "SELECT 1,\n  nothing FROM range(3)");
  EXPECT_THAT(error.message, ::testing::Not(HasSubstr("\n")));
  ASSERT_TRUE(error.place);
  EXPECT_EQ(error.place->line, 2);
  EXPECT_EQ(error.place->column, 3);
  EXPECT_EQ(error.place->text, "  nothing FROM range(3)");
  const Error function = error_of(*session, "SELECT countt(*) FROM range(3)");
  EXPECT_THAT(function.message, ::testing::Not(HasSubstr("Did you mean")));
  EXPECT_THAT(function.hint, HasSubstr("Did you mean"));
}

TEST(Session, MemoryBeyondTheLimitIsResourceExhausted) {
  const Cancel cancel;
  auto session = open_session({.memory_bytes = 20'000'000, .threads = 1}, cancel).value();
  const Error error =
      error_of(*session,
               "SELECT count(*) FROM (SELECT DISTINCT i::varchar || 'xxxxxxxxxxxxxxxx' "
               "FROM range(5000000) t(i))");
  EXPECT_EQ(error.code, ErrorCode::kResourceExhausted) << to_line(error);
}

TEST(Session, ThreadsAreAsManyAsMemoryIsFor) {
  const Cancel cancel;
  const auto threads = [&](int64_t memory_bytes, int64_t wanted) {
    const auto session =
        open_session({.memory_bytes = memory_bytes, .threads = wanted}, cancel).value();
    return session->query_number("SELECT current_setting('threads')").value();
  };
  EXPECT_EQ(threads(32 << 20, 4), 1);
  EXPECT_EQ(threads(300 << 20, 4), 2);
  EXPECT_EQ(threads(1 << 30, 4), 4);
  EXPECT_EQ(threads(0, 3), 3);
  EXPECT_EQ(threads(128 << 20, 0), 1);
}

TEST(Session, NoExtensionIsFetchedBehindOurBack) {
  const Cancel cancel;
  const auto session = open_memory(cancel);
  for (const char* name : {"autoinstall_known_extensions", "autoload_known_extensions"})
    EXPECT_EQ(session->query(std::string("SELECT current_setting('") + name + "')")->rows[0][0],
              "false");
  EXPECT_EQ(session->query("SELECT current_setting('TimeZone')")->rows[0][0], "UTC");
}

TEST(Session, CancelBeforehandRunsNothing) {
  Cancel cancel;
  const auto session = open_memory(cancel);
  cancel.cancel("the user said stop");
  EXPECT_EQ(error_of(*session, "CREATE TABLE t (x integer)").code, ErrorCode::kCancelled);
}

/// A clock that moves a second each time it is asked.
class StridingClock final : public Clock {
 public:
  int64_t now_us() override { return 0; }
  int64_t monotonic_us() override { return now_ += 1'000'000; }

 private:
  std::atomic<int64_t> now_ = 0;
};

#if defined(__SANITIZE_ADDRESS__)
/// DuckDB 1.5.5 never frees the plan of a query that was interrupted.
using NoLeakCheck = __lsan::ScopedDisabler;
#else
struct NoLeakCheck {
  NoLeakCheck() {}
};
#endif

TEST(Session, DeadlineInterruptsARunningQuery) {
  const NoLeakCheck of_the_library;
  StridingClock clock;
  const Cancel cancel(clock, 30'000'000);
  const auto session = open_memory(cancel);
  const Error error = error_of(
      *session, "SELECT sum(hash(a.i * b.i)) FROM range(1000000) a(i), range(1000000) b(i)");
  EXPECT_EQ(error.code, ErrorCode::kCancelled);
}

class SessionFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = (std::filesystem::temp_directory_path() / "weir-sql-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    folder_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
  Cancel cancel_;
};

TEST_F(SessionFiles, SortsBeyondTheLimitSpillIntoThePrivateFolder) {
  auto session =
      open_session(
          {.memory_bytes = 60'000'000, .threads = 1, .temp_folder = (folder_ / "tmp").string()},
          cancel_)
          .value();
  const auto status = session->run(
      "CREATE TABLE t AS SELECT hash(i)::varchar AS x FROM range(2000000) t(i) ORDER BY x");
  EXPECT_TRUE(status) << to_line(status.error());
  session.reset();
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "tmp"));
}

TEST_F(SessionFiles, DatabaseStaysAndCanBeReadOnly) {
  const std::string path = (folder_ / "a.duckdb").string();
  ASSERT_TRUE(
      open_session({.database = path}, cancel_).value()->run("CREATE TABLE t AS SELECT 5 x"));
  auto session = open_session({.database = path, .is_read_only = true}, cancel_).value();
  EXPECT_EQ(session->query_number("FROM t").value(), 5);
  EXPECT_FALSE(session->run("INSERT INTO t VALUES (1)"));
}

TEST_F(SessionFiles, DatabaseThatAnotherProcessHoldsIsAConflict) {
  const std::string path = (folder_ / "a.duckdb").string();
  ASSERT_TRUE(open_session({.database = path}, cancel_));
  int ready[2];
  int done[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(done), 0);
  const pid_t child = fork();
  if (child == 0) {
    const int file = open(path.c_str(), O_RDWR);
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    char byte = fcntl(file, F_SETLK, &lock) == 0 ? 'y' : 'n';
    (void)!write(ready[1], &byte, 1);
    (void)!read(done[0], &byte, 1);
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  const auto session = open_session({.database = path}, cancel_);
  (void)!write(done[1], "x", 1);
  waitpid(child, nullptr, 0);
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, ErrorCode::kConflict) << to_line(session.error());
}

TEST(ArrowTable, CanBeJoinedAndScannedAgain) {
  const Cancel cancel;
  const auto session = open_memory(cancel);
  const auto batch = all_rows(*session, "SELECT i AS id, 'r' || i AS t FROM range(10000) x(i)");
  ASSERT_TRUE(session->add_arrow_table("my rows", batch->schema(), {batch, batch}));
  EXPECT_EQ(session->query_number("SELECT count(*) FROM \"my rows\"").value(), 20'000);
  EXPECT_EQ(
      session
          ->query_number("SELECT count(*) FROM \"my rows\" a JOIN range(5) b(i) ON a.id = b.i "
                         "WHERE t = 'r' || i")
          .value(),
      10);
  const auto again = session->add_arrow_table("my rows", batch->schema(), {batch});
  ASSERT_FALSE(again);
}

TEST(CanonicalHash, BindsToOneStructOnly) {
  const Cancel cancel;
  const auto session = open_memory(cancel);
  for (const char* text :
       {"SELECT canonical_hash(1)", "SELECT canonical_hash()", "SELECT canonical_hash([1])",
        "SELECT canonical_hash({'a': INTERVAL 1 DAY})",
        "SELECT canonical_hash({'a': [now()::timestamp_ns]})"})
    EXPECT_EQ(error_of(*session, text).code, ErrorCode::kInvalidConfig) << text;
  EXPECT_THAT(to_line(error_of(*session, "SELECT canonical_hash({'a': [now()::timestamp_ns]})")),
              HasSubstr("'a'"));
  EXPECT_EQ(error_of(*session, "SELECT canonical_hash({'a': 'infinity'::timestamptz})").code,
            ErrorCode::kInvalidData);
}

TEST(CanonicalHash, NullStructIsNullAndNullFieldsAreLeftOut) {
  const Cancel cancel;
  const auto session = open_memory(cancel);
  EXPECT_EQ(session->query("SELECT canonical_hash(NULL::struct(a integer))")->rows[0][0],
            std::nullopt);
  const auto result = session->query(
      "SELECT count(DISTINCT canonical_hash(s)) FROM (VALUES ({'a': 1, 'b': NULL::varchar})) t(s) "
      "UNION ALL SELECT count(*) FROM (SELECT canonical_hash({'b': NULL::varchar, 'a': 1}) AS h "
      "UNION SELECT canonical_hash({'a': 1}) UNION SELECT canonical_hash({'a': 1::decimal(9,3)}) "
      "UNION SELECT canonical_hash({'a': 1::ubigint}))");
  ASSERT_TRUE(result) << to_line(result.error());
  EXPECT_EQ(result->rows[1][0], "1") << "order, NULLs and widths do not change a hash";
}

}  // namespace
}  // namespace weir::sql
