#include "database/database_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/redact.h"

namespace weir::database {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Json options(std::string_view url) {
  const auto read = options_of_url(url);
  return read ? *read : Json(to_line(read.error()));
}

TEST(DatabaseUrl, SaysTheOptionsOfAConnection) {
  EXPECT_EQ(
      options("postgresql://ann@db.example.com:6543/shop?sslmode=verify-ca&sslrootcert=ca.pem"),
      (Json{{"kind", "postgres"},
            {"host", "db.example.com"},
            {"port", 6543},
            {"database", "shop"},
            {"user", "ann"},
            {"sslmode", "verify-ca"},
            {"sslrootcert", "ca.pem"}}));
  EXPECT_EQ(
      options("postgres://a%40b@[::1]/my%20shop"),
      (Json{{"kind", "postgres"}, {"host", "::1"}, {"database", "my shop"}, {"user", "a@b"}}));
  EXPECT_EQ(options("postgresql:///shop?host=/run/postgresql&user=ann"),
            (Json{{"kind", "postgres"},
                  {"host", "/run/postgresql"},
                  {"database", "shop"},
                  {"user", "ann"}}));
}

TEST(DatabaseUrl, OtherKindsAreWrittenTheSameWay) {
  for (const std::string scheme : {"mysql", "mariadb"})
    EXPECT_EQ(options(scheme + "://ann@db.example.com:3307/shop?sslmode=require"),
              (Json{{"kind", "mysql"},
                    {"host", "db.example.com"},
                    {"port", 3307},
                    {"database", "shop"},
                    {"user", "ann"},
                    {"sslmode", "require"}}));
  EXPECT_EQ(options("sqlite:data/shop.db"), (Json{{"kind", "sqlite"}, {"path", "data/shop.db"}}));
  EXPECT_THAT(options("sqlite:").get<std::string>(), HasSubstr("names no file"));
  const auto oracle = options_of_url("oracle://ann@db/shop");
  ASSERT_FALSE(oracle);
  EXPECT_EQ(oracle.error().code, ErrorCode::kUnsupported);
}

TEST(DatabaseUrl, APasswordIsRefusedAndShownNowhere) {
  for (const std::string url : {"postgresql://ann:s3cr%65t-word@db/shop",
                                "postgresql://ann@db/shop?password=s3cret-word"}) {
    const auto read = options_of_url(url);
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error().message, HasSubstr("holds a password"));
    EXPECT_THAT(to_line(read.error()), Not(HasSubstr("s3cr")));
    EXPECT_THAT(process_redactor().clean("it is s3cret-word"), Not(HasSubstr("s3cret-word")));
  }
}

TEST(DatabaseUrl, WhatCannotBeReadSaysTheForm) {
  for (const auto* url :
       {"postgresql://ann@db:x/shop", "postgresql://a:b:c@[/shop", "postgresql://db/shop",
        "postgresql://ann@db", "postgresql://ann@/shop"}) {
    const auto read = options_of_url(url);
    ASSERT_FALSE(read) << url;
    EXPECT_EQ(read.error().code, ErrorCode::kInvalidConfig);
    EXPECT_THAT(read.error().hint, HasSubstr("postgresql://user@host/database")) << url;
  }
  EXPECT_THAT(options("postgresql://ann@db/shop?target_session_attrs=any").get<std::string>(),
              HasSubstr("takes no 'target_session_attrs'"));
}

}  // namespace
}  // namespace weir::database
