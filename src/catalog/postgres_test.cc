#include <thread>

#include "catalog/conformance.h"
#include "catalog/postgres_for_test.h"

namespace weir::catalog {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// A database for each test; they cut its connections.
class Postgres : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = shared_postgres();
    if (server_ == nullptr) GTEST_SKIP() << "PostgreSQL 15 is not installed";
    const auto url = server_->create_database();
    ASSERT_OK(url);
    url_ = *url;
  }
  Result<std::unique_ptr<Catalog>> open(const std::string& url, StatementHook hook = nullptr,
                                        int64_t patience_ms = 0) {
    return open_catalog_with(
        {.url = url, .base_folder = "", .busy_timeout_ms = 300, .patience_ms = patience_ms}, clock_,
        std::move(hook));
  }
  /// How often it stands in the audit log.
  int64_t audits_of(std::string_view action) {
    Database database(*make_postgres_dialect(url_, 300), nullptr);
    const auto rows = database.read([&](Session& session) {
      return session.select("count(*) AS n", "FROM audit_log WHERE action = :action",
                            {{"action", std::string(action)}});
    });
    return rows ? std::stoll(rows->front().at("n").value_or("-1")) : -1;
  }
  /// Ends every connection but the one that asks.
  void cut_connections() {
    Database database(*make_postgres_dialect(url_, 300), nullptr);
    EXPECT_OK(database.read([](Session& session) {
      return session.select(
          "pg_terminate_backend(pid,5000) AS done",
          "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
    }));
  }

  FakeClock clock_;
  testing::PostgresServer* server_ = nullptr;
  std::string url_;
};

TEST_F(Postgres, ServerThatStaysAwayAtCommitIsOutcomeUnknown) {
  bool is_armed = false;
  const auto catalog = open(url_, [&](std::string_view sql) {
    if (!is_armed || sql != "COMMIT") return;
    is_armed = false;
    EXPECT_OK(server_->crash());
  });
  ASSERT_OK(catalog);
  is_armed = true;
  const auto status = (*catalog)->audit("ann", "x", {});
  ASSERT_OK(server_->start());
  EXPECT_FAILS(ErrorCode::kOutcomeUnknown, status);
  EXPECT_THAT(status.error().hint, HasSubstr("look"));
  EXPECT_OK((*catalog)->audit("ann", "y", {})) << "with a new connection";
}

TEST_F(Postgres, ConnectionLostBeforeCommitBeginsAnew) {
  for (const std::string_view statement : {"INSERT", "COMMIT", "BEGIN"}) {
    bool is_armed = false;
    const auto catalog = open(
        url_,
        [&](std::string_view sql) {
          if (!is_armed || !sql.starts_with(statement)) return;
          is_armed = false;
          cut_connections();
        },
        10'000);
    ASSERT_OK(catalog);
    is_armed = true;
    EXPECT_OK((*catalog)->audit("ann", std::string(statement), {}));
    EXPECT_FALSE(is_armed);
    EXPECT_EQ(audits_of(statement), 1) << statement;
  }
}

// The number of a transaction that had not come to the disk is given to the next one.
TEST_F(Postgres, TransactionThatACrashTookIsMadeAnewThoughAnotherHasItsNumber) {
  bool is_armed = false;
  const auto take_numbers = [&] {
    Database database(*make_postgres_dialect(url_, 300), nullptr);
    for (int i = 0; i < 20; ++i)
      EXPECT_OK(database.write(
          [](Session& session) { return session.select("txid_current() AS number", ""); }));
  };
  const auto catalog = open(
      url_,
      [&](std::string_view sql) {
        if (!is_armed || sql != "COMMIT") return;
        is_armed = false;
        EXPECT_OK(server_->crash());
        EXPECT_OK(server_->start());
        take_numbers();
      },
      10'000);
  ASSERT_OK(catalog);
  is_armed = true;
  EXPECT_OK((*catalog)->audit("ann", "x", {}));
  EXPECT_FALSE(is_armed);
  EXPECT_EQ(audits_of("x"), 1);
}

TEST_F(Postgres, MarksOfConnectionsLongGoneAreForgotten) {
  ASSERT_OK(open(url_));
  Database database(*make_postgres_dialect(url_, 300), nullptr);
  const auto marks = [&] {
    const auto rows = database.read(
        [](Session& session) { return session.select("count(*) AS n", "FROM transaction_mark"); });
    return rows ? rows->front().at("n").value_or("") : to_line(rows.error());
  };
  EXPECT_OK(database.write([](Session& session) {
    return session.execute(
        "INSERT INTO transaction_mark SELECT i::text, 't', "
        "extract(epoch FROM now())::bigint * 1000000 - i * 3600000000 FROM unnest(ARRAY[1, 23, 25, "
        "26, 27]) i");
  }));
  EXPECT_EQ(marks(), "5");
  const auto catalog = open(url_);
  ASSERT_OK(catalog);
  ASSERT_OK((*catalog)->audit("ann", "x", {}));
  ASSERT_OK((*catalog)->audit("ann", "y", {}));
  EXPECT_EQ(marks(), "3") << "two of the last day, and the one that forgot the others";
}

TEST_F(Postgres, ServerThatRestartsIsWaitedFor) {
  std::atomic<bool> is_armed = false;
  std::atomic<bool> is_gone = false;
  const auto crash = [&](std::string_view sql) {
    if (!is_armed || !sql.starts_with("INSERT")) return;
    is_armed = false;
    EXPECT_OK(server_->crash());
    is_gone = true;
    is_gone.notify_one();
  };
  const auto catalog = open(url_, crash, 20'000);
  ASSERT_OK(catalog);
  is_armed = true;
  std::jthread audit([&] { EXPECT_OK((*catalog)->audit("ann", "x", {})); });
  is_gone.wait(false);
  // By this thread: the server ends with the one that starts it.
  ASSERT_OK(server_->start());
  audit.join();
  EXPECT_EQ(audits_of("x"), 1);
}

TEST_F(Postgres, WaitForTheServerEndsWhenSomebodyStops) {
  Cancel cancel;
  const auto catalog = open_catalog_with(
      {.url = url_, .base_folder = "", .busy_timeout_ms = 300, .cancel = &cancel}, clock_, nullptr);
  ASSERT_OK(catalog);
  ASSERT_OK(server_->crash());
  std::jthread stop([&] { cancel.cancel("enough"); });
  EXPECT_FAILS(ErrorCode::kUnavailable, (*catalog)->audit("ann", "x", {}));
  ASSERT_OK(server_->start());
}

TEST_F(Postgres, ConnectionLostBeforeCommitIsUnavailable) {
  bool is_armed = false;
  const auto catalog = open(url_, [&](std::string_view sql) {
    if (!is_armed || !sql.starts_with("INSERT")) return;
    is_armed = false;
    cut_connections();
  });
  ASSERT_OK(catalog);
  is_armed = true;
  EXPECT_FAILS(ErrorCode::kUnavailable, (*catalog)->audit("ann", "x", {}));
  EXPECT_OK((*catalog)->audit("ann", "y", {}));
}

TEST_F(Postgres, IdleConnectionsThatDiedAreReplaced) {
  const auto catalog = open(url_);
  ASSERT_OK(catalog);
  cut_connections();
  EXPECT_OK((*catalog)->audit("ann", "x", {}));
}

TEST_F(Postgres, ServerThatIsGoneIsUnavailableAndComesBack) {
  const auto catalog = open(url_);
  ASSERT_OK(catalog);
  ASSERT_OK((*catalog)->audit("ann", "before", {}));
  ASSERT_OK(server_->crash());
  EXPECT_FAILS(ErrorCode::kUnavailable, (*catalog)->audit("ann", "x", {}));
  const auto closed = open(url_);
  ASSERT_OK(server_->start());
  EXPECT_FAILS(ErrorCode::kUnavailable, closed);
  EXPECT_OK((*catalog)->audit("ann", "after", {}));
}

TEST_F(Postgres, DatabaseThatIsNotThereIsNotFound) {
  EXPECT_FAILS(ErrorCode::kNotFound,
               open(fmt::format("postgresql://postgres@127.0.0.1:{}/nothing", server_->port())));
  const auto empty =
      open_catalog_with({.url = url_, .base_folder = "", .may_create = false}, clock_, nullptr);
  EXPECT_FAILS(ErrorCode::kNotFound, empty);
  EXPECT_THAT(empty.error().hint, HasSubstr("weir apply"));
}

TEST_F(Postgres, UserWithoutRightsIsDenied) {
  const auto catalog = open(url_);
  ASSERT_OK(catalog);
  Database database(*make_postgres_dialect(url_, 300), nullptr);
  ASSERT_OK(
      database.write([](Session& session) { return session.execute("CREATE ROLE guest LOGIN"); }));
  std::string guest_url = url_;
  guest_url.replace(guest_url.find("postgres@"), 9, "guest@");
  const auto guest = open(guest_url);
  EXPECT_FAILS(ErrorCode::kDenied, guest);
  EXPECT_FAILS(ErrorCode::kDenied,
               open(fmt::format("postgresql://nobody@127.0.0.1:{}/x", server_->port())));
}

TEST_F(Postgres, LockOfAnotherSessionIsUnavailable) {
  const auto catalog = open(url_);
  ASSERT_OK(catalog);
  Database other(*make_postgres_dialect(url_, 300), nullptr);
  ASSERT_OK(other.write([&](Session& session) -> Status {
    WEIR_TRY(session.execute("LOCK TABLE audit_log IN EXCLUSIVE MODE"));
    const auto blocked = (*catalog)->audit("ann", "x", {});
    EXPECT_FALSE(blocked.has_value());
    EXPECT_EQ(blocked.error().code, ErrorCode::kUnavailable);
    return {};
  }));
}

TEST_F(Postgres, DeadlockIsTriedAgain) {
  const auto catalog = open(url_);
  ASSERT_OK(catalog);
  int runs = 0;
  Database database(*make_postgres_dialect(url_, 5'000), nullptr);
  ASSERT_OK(database.write([&](Session& session) -> Status {
    if (++runs == 1)
      WEIR_TRY(
          session.execute("DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '40P01'; END $$"));
    return {};
  }));
  EXPECT_EQ(runs, 2);
}

TEST_F(Postgres, PasswordIsShownNowhere) {
  std::string url = url_;
  url.replace(url.find("postgres@"), 9, "postgres:se%20cret@");
  const auto catalog = open(url);
  ASSERT_OK(catalog);
  EXPECT_EQ((*catalog)->url(), url_);
  const auto lost = open(fmt::format("postgresql://ann:secret@127.0.0.1:1/x?password=secret"));
  ASSERT_FALSE(lost.has_value());
  EXPECT_THAT(to_line(lost.error()), Not(HasSubstr("secret")));
}

TEST_F(Postgres, LinesToOtherMachinesAreVerified) {
  std::string url = url_;
  url.replace(url.find("127.0.0.1"), 9, "0.0.0.0");  // This machine by another name.
  const auto catalog = open(url);
  EXPECT_FAILS(ErrorCode::kDenied, catalog);
  EXPECT_THAT(catalog.error().message, HasSubstr("SSL"));
  EXPECT_THAT(catalog.error().hint, HasSubstr("sslrootcert"));
  EXPECT_OK(open(url + "?sslmode=disable")) << "where somebody says so";
}

TEST_F(Postgres, UnixSocketIsAWayInToo) {
  const auto catalog = open(fmt::format("postgresql:///{}?host={}&port={}&user=postgres",
                                        url_.substr(url_.rfind('/') + 1), server_->socket_folder(),
                                        server_->port()));
  EXPECT_OK(catalog);
}

TEST(PostgresUrl, BrokenUrlIsInvalidConfigWithoutThePassword) {
  FakeClock clock;
  const auto catalog = open_catalog_with(
      {.url = "postgresql://ann:secret@host:port:x/db?nonsense=1", .base_folder = ""}, clock,
      nullptr);
  EXPECT_FAILS(ErrorCode::kInvalidConfig, catalog);
  EXPECT_THAT(to_line(catalog.error()), Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace weir::catalog
