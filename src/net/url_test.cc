#include "net/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::net {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Url, IsReadInParts) {
  const auto url = parse_url("HTTPS://Bucket.example.org:8443/a%20b/c?x=1&y=");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->host, "Bucket.example.org");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->path, "/a%20b/c");
  EXPECT_EQ(url->query, "x=1&y=");
  EXPECT_EQ(url->authority(), "Bucket.example.org:8443");
  EXPECT_EQ(parse_url("https://h:443")->authority(), "h");
  EXPECT_EQ(parse_url("http://h:443")->authority(), "h:443");
  EXPECT_EQ(parse_url("http://h?list")->path, "/");
  EXPECT_EQ(parse_url("http://[::1]:9000/x")->host, "[::1]");
  EXPECT_EQ(parse_url("http://[::1]:9000/x")->port, 9000);
}

TEST(Url, WhatIsNoneIsRefusedWithTheReason) {
  for (const char* text :
       {"", "host", "ftp://host/", "s3://bucket", "http://", "http://h:0/", "http://h:x/",
        "http://h:99999/", "http://h/a b", "http://h/é", "http://h/#part", "http://h h/"}) {
    const auto url = parse_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().code, ErrorCode::kInvalidConfig) << text;
  }
}

TEST(Url, PasswordIsRefusedAndNotShown) {
  const auto url = parse_url("https://ann:hunter2@example.org/");
  ASSERT_FALSE(url);
  EXPECT_THAT(to_line(url.error()), HasSubstr("example.org"));
  EXPECT_THAT(to_line(url.error()), Not(HasSubstr("hunter2")));
}

TEST(Url, EveryByteSurvivesEncoding) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  for (const Slash slash : {Slash::kKeep, Slash::kEncode})
    EXPECT_EQ(*percent_decode(percent_encode(all, slash)), all);
  EXPECT_EQ(percent_encode("a b+c=%é/~", Slash::kKeep), "a%20b%2Bc%3D%25%C3%A9/~");
  EXPECT_EQ(percent_encode("a/b", Slash::kEncode), "a%2Fb");
  EXPECT_EQ(encode_query({{"prefix", "a/b c"}, {"x", ""}}), "prefix=a%2Fb%20c&x=");
}

TEST(Url, HalfAPercentSignIsRefused) {
  for (const char* text : {"%", "a%2", "%zz", "%2x"})
    EXPECT_EQ(percent_decode(text).error().code, ErrorCode::kInvalidData) << text;
}

}  // namespace
}  // namespace weir::net
