#include "database/postgres.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/postgres_server.h"

namespace weir::database {
namespace {

using ::testing::HasSubstr;

TEST(PostgresSettings, NamesWhatIsMissingUnknownOrOfNoUse) {
  const Json whole = {{"host", "db.example.com"}, {"database", "house"}, {"user", "weir"}};
  const auto read = [&](const char* name, const Json& value) {
    Json options = whole;
    options[name] = value;
    const auto settings = read_postgres_settings(options);
    return settings ? std::string("good") : to_line(settings.error());
  };
  EXPECT_EQ(read("port", "5433"), "good");
  EXPECT_EQ(read("kind", "postgres"), "good");
  EXPECT_EQ(read("sslmode", "disable"), "good");
  EXPECT_THAT(read("host", ""), HasSubstr("needs a host"));
  EXPECT_THAT(read("port", "x"), HasSubstr("option 'port': it is no port"));
  EXPECT_THAT(read("port", 65'536), HasSubstr("it is no port"));
  EXPECT_THAT(read("lock_timeout", "soon"), HasSubstr("option 'lock_timeout'"));
  EXPECT_THAT(read("passwort", "x"), HasSubstr("did you mean 'password'"));
  EXPECT_THAT(read("sslmode", "prefer"), HasSubstr("goes on without encryption"));
  EXPECT_THAT(read("sslmode", "on"), HasSubstr("disable, require, verify-ca, verify-full"));
  EXPECT_THAT(read("user", std::string("a\0b", 3)), HasSubstr("NUL"));
}

TEST(PostgresErrors, HaveTheCodeThatTheirSqlstateMeans) {
  EXPECT_EQ(explain_sqlstate("22P02", "").code, ErrorCode::kInvalidData);
  EXPECT_EQ(explain_sqlstate("42501", "").code, ErrorCode::kDenied);
  EXPECT_EQ(explain_sqlstate("42601", "").code, ErrorCode::kInvalidConfig);
  EXPECT_EQ(explain_sqlstate("55P03", "").code, ErrorCode::kConflict);
  EXPECT_EQ(explain_sqlstate("40P01", "").code, ErrorCode::kConflict);
  EXPECT_EQ(explain_sqlstate("53100", "").code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(explain_sqlstate("57P01", "").code, ErrorCode::kUnavailable);
  EXPECT_EQ(explain_sqlstate("", "").code, ErrorCode::kInternal);
}

class PostgresClient : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto started = testing::start_postgres_server();
    if (started) server_ = std::move(*started).release();
  }
  static void TearDownTestSuite() { delete std::exchange(server_, nullptr); }

  void SetUp() override {
    if (server_ == nullptr) GTEST_SKIP() << "PostgreSQL 15 is not installed";
    const auto url = server_->create_database();
    ASSERT_TRUE(url) << to_line(url.error());
    settings_.host = "127.0.0.1";
    settings_.port = server_->port();
    settings_.database = url->substr(url->rfind('/') + 1);
    settings_.user = "postgres";
  }

  Result<std::unique_ptr<Postgres>> open(const Cancel& cancel) {
    return open_postgres({.settings = settings_,
                          .application_name = "a test",
                          .clock = clock_.get(),
                          .cancel = &cancel});
  }
  std::unique_ptr<Postgres> open() {
    auto opened = open(cancel_);
    EXPECT_TRUE(opened) << to_line(opened.error());
    return opened ? std::move(*opened) : nullptr;
  }

  static testing::PostgresServer* server_;
  const std::unique_ptr<Clock> clock_ = make_system_clock();
  Cancel cancel_;
  PostgresSettings settings_;
};
testing::PostgresServer* PostgresClient::server_ = nullptr;

TEST_F(PostgresClient, GivesRowsAsTextWithNull) {
  const auto connection = open();
  const auto answer = connection->query(
      "SELECT $1::int + 1 AS n, NULL AS nothing, 1.5::float8, '2022-05-12 02:00+02'::timestamptz",
      {"41"});
  ASSERT_TRUE(answer) << to_line(answer.error());
  EXPECT_EQ(answer->names[0], "n");
  EXPECT_EQ(answer->rows.at(0), (PostgresRow{"42", std::nullopt, "1.5", "2022-05-12 00:00:00+00"}));
}

TEST_F(PostgresClient, ErrorLeavesTheConnectionOfUse) {
  const auto connection = open();
  const auto broken = connection->run("SELECT 1; SELEC 2");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::kInvalidConfig);
  EXPECT_EQ(connection->sqlstate(), "42601");
  const auto no_copy = connection->copy_in("COPY nowhere FROM STDIN");
  ASSERT_FALSE(no_copy);
  EXPECT_EQ(no_copy.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(connection->query_number("SELECT 7").value(), 7);
}

TEST_F(PostgresClient, CopiesInAndOut) {
  const auto connection = open();
  ASSERT_TRUE(connection->run("CREATE TABLE t (a int, b text)"));
  constexpr int kRows = 300'000;  // more than the buffers of a socket hold
  {
    auto copy = connection->copy_in("COPY t FROM STDIN");
    ASSERT_TRUE(copy) << to_line(copy.error());
    std::string rows;
    for (int i = 0; i < kRows; ++i) rows += fmt::format("{}\tname {}\n", i, i);
    ASSERT_TRUE((*copy)->append(rows));
    EXPECT_EQ((*copy)->finish().value(), kRows);
  }
  auto copy = connection->copy_out("COPY (SELECT a, b FROM t ORDER BY a) TO STDOUT");
  ASSERT_TRUE(copy) << to_line(copy.error());
  int64_t rows = 0;
  while (true) {
    const auto row = (*copy)->next();
    ASSERT_TRUE(row) << to_line(row.error());
    if (!*row) break;
    ASSERT_EQ(**row, fmt::format("{}\tname {}\n", rows, rows));
    ++rows;
  }
  EXPECT_EQ(rows, kRows);
}

TEST_F(PostgresClient, CopyThatIsGivenUpLeavesNothing) {
  const auto connection = open();
  ASSERT_TRUE(connection->run("CREATE TABLE t (a int)"));
  {
    auto copy = connection->copy_in("COPY t FROM STDIN");
    ASSERT_TRUE(copy);
    ASSERT_TRUE((*copy)->append("1\n2\n"));
  }
  EXPECT_EQ(connection->query_number("SELECT count(*) FROM t").value(), 0);
  {
    auto copy = connection->copy_out("COPY (SELECT generate_series(1, 3000000)) TO STDOUT");
    ASSERT_TRUE(copy);
    ASSERT_TRUE((*copy)->next());
  }
  EXPECT_EQ(connection->query_number("SELECT 7").value(), 7);
}

TEST_F(PostgresClient, CopyOfWhatDoesNotFitSaysWhat) {
  const auto connection = open();
  ASSERT_TRUE(connection->run("CREATE TABLE t (a int)"));
  auto copy = connection->copy_in("COPY t FROM STDIN");
  ASSERT_TRUE(copy);
  ASSERT_TRUE((*copy)->append("ten\n"));
  const auto done = (*copy)->finish();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kInvalidData);
  EXPECT_THAT(done.error().message, HasSubstr("invalid input syntax"));
}

TEST_F(PostgresClient, WishToStopEndsAStatement) {
  Cancel cancel;
  auto connection = open(cancel);
  ASSERT_TRUE(connection);
  auto watcher = open();
  std::thread other([&] {
    // As soon as it is at work, and not before.
    while (watcher
               ->query_number("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND "
                              "query = 'SELECT pg_sleep(600)'")
               .value() == 0) {
    }
    cancel.cancel("enough");
  });
  const auto slept = (*connection)->run("SELECT pg_sleep(600)");
  other.join();
  ASSERT_FALSE(slept);
  EXPECT_EQ(slept.error().code, ErrorCode::kCancelled);
  EXPECT_FALSE((*connection)->is_lost());
}

TEST_F(PostgresClient, LockThatIsHeldTooLongIsAConflict) {
  settings_.lock_timeout_ms = 50;
  const auto connection = open();
  const auto other = open();
  ASSERT_TRUE(other->run("SELECT pg_advisory_lock(7)"));
  const auto waited = connection->run("SELECT pg_advisory_lock(7)");
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code, ErrorCode::kConflict);
}

TEST_F(PostgresClient, CommitOfAFailedTransactionIsAnError) {
  const auto connection = open();
  auto transaction = PostgresTransaction::begin(*connection);
  ASSERT_TRUE(transaction);
  EXPECT_FALSE(connection->run("SELECT 1 / 0"));
  const auto committed = transaction->commit();
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code, ErrorCode::kInternal);
}

TEST_F(PostgresClient, ServerThatIsGoneAtCommitLeavesTheOutcomeUnknown) {
  const auto connection = open();
  auto transaction = PostgresTransaction::begin(*connection);
  ASSERT_TRUE(transaction);
  const auto pid = std::to_string(connection->backend_pid());
  ASSERT_TRUE(open()->query("SELECT pg_terminate_backend($1::int)", {pid}));
  const auto committed = transaction->commit();
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code, ErrorCode::kOutcomeUnknown);
  EXPECT_TRUE(connection->is_lost());
  const auto after = connection->run("SELECT 1");
  ASSERT_FALSE(after);
  EXPECT_EQ(after.error().code, ErrorCode::kUnavailable);
}

TEST_F(PostgresClient, SaysWhyItDoesNotGetIn) {
  settings_.database = "no_such";
  auto opened = open(cancel_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kNotFound);
  settings_.user = "nobody_here";
  opened = open(cancel_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kDenied);
  settings_.user = "postgres";
  settings_.sslmode = "require";
  opened = open(cancel_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kInvalidConfig) << to_line(opened.error());
  settings_.sslmode = "";
  settings_.port = 1;
  opened = open(cancel_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kUnavailable);
}

TEST_F(PostgresClient, ReachesAServerByItsSocket) {
  settings_.host = server_->socket_folder();
  EXPECT_EQ(open()->query_number("SELECT 1").value(), 1);
}

}  // namespace
}  // namespace weir::database
