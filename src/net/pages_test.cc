#include "net/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::net {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

Pages walk(const Json& pagination) { return Pages(read_page_rules(pagination, "$.data").value()); }

Json page_with(int records, Json more = Json::object()) {
  more["data"] = Json::array();
  for (int i = 0; i < records; ++i) more["data"].push_back(i);
  return more;
}

/// The first parameter of the next request, `end`, or the error.
std::string after(Pages& pages, const Json& body, const std::string& sha256 = "") {
  static int distinct = 0;
  const auto next = pages.after({"https://api.example/v1/orders?page=1", &body,
                                 sha256.empty() ? std::to_string(++distinct) : sha256, ""});
  if (!next) return next.error().message;
  if (!*next) return "end";
  return (*next)->url.empty() ? (*next)->parameters.front().second : (*next)->url;
}

TEST(Pages, AreNumberedUntilOneIsEmpty) {
  auto pages = walk({{"by", "page"}, {"parameter", "page"}});
  EXPECT_THAT(pages.first().parameters, ElementsAre(Pair("page", "1")));
  EXPECT_EQ(after(pages, page_with(2)), "2");
  EXPECT_EQ(after(pages, page_with(1)), "3") << "a short page is not the last: services cap sizes";
  EXPECT_EQ(after(pages, page_with(0)), "end");
  EXPECT_EQ(pages.records(), 3);
}

TEST(Pages, EndWhereTheServiceSaysSo) {
  auto by_total = walk({{"by", "offset"}, {"parameter", "o"}, {"total", "$.total"}});
  by_total.first();
  EXPECT_EQ(after(by_total, page_with(2, {{"total", 3}})), "2");
  EXPECT_EQ(after(by_total, page_with(1, {{"total", 3}})), "end");
  auto by_pages = walk({{"by", "page"}, {"parameter", "p"}, {"pages", "$.pages"}});
  by_pages.first();
  EXPECT_EQ(after(by_pages, page_with(2, {{"pages", 1}})), "end");
  auto by_more = walk({{"by", "page"}, {"parameter", "p"}, {"more", "$.more"}});
  by_more.first();
  EXPECT_EQ(after(by_more, page_with(2, {{"more", true}})), "2");
  EXPECT_EQ(after(by_more, page_with(2, {{"more", false}})), "end");
}

TEST(Pages, ThatEndBeforeTheTotalAreToldOf) {
  auto pages = walk({{"by", "page"}, {"parameter", "p"}, {"total", "$.total"}});
  pages.first();
  after(pages, page_with(2, {{"total", 5}}));
  EXPECT_EQ(after(pages, page_with(0, {{"total", 5}})), "end");
  EXPECT_THAT(pages.warnings(), ElementsAre(HasSubstr("there are 5 records, and gave 2")));
}

TEST(Pages, CursorsMayBeNumbersAndLeadThroughEmptyPages) {
  auto pages = walk({{"by", "cursor"}, {"parameter", "c"}, {"cursor", "$.next"}});
  EXPECT_TRUE(pages.first().parameters.empty());
  EXPECT_EQ(after(pages, page_with(1, {{"next", 9007199254740993}})), "9007199254740993");
  EXPECT_EQ(after(pages, page_with(0, {{"next", "b"}})), "b");
  EXPECT_EQ(after(pages, page_with(1, {{"next", nullptr}})), "end");
  auto odd = walk({{"by", "cursor"}, {"parameter", "c"}, {"cursor", "$.next"}});
  EXPECT_THAT(after(odd, page_with(1, {{"next", 1e30}})), HasSubstr("neither text nor a whole"));
}

TEST(Pages, LeadInNoCircle) {
  auto cursors = walk({{"by", "cursor"}, {"parameter", "c"}, {"cursor", "$.next"}});
  cursors.first();
  after(cursors, page_with(1, {{"next", "a"}}));
  after(cursors, page_with(1, {{"next", "b"}}));
  EXPECT_THAT(after(cursors, page_with(1, {{"next", "a"}})), HasSubstr("leads in a circle"));
  auto numbers = walk({{"by", "page"}, {"parameter", "p"}});
  numbers.first();
  after(numbers, page_with(1), "same");
  EXPECT_THAT(after(numbers, page_with(1), "same"), HasSubstr("came before, byte by byte"));
}

TEST(Pages, WhatTheRulesNameMustBeThere) {
  auto pages = walk({{"by", "page"}, {"parameter", "p"}, {"more", "$.more"}});
  EXPECT_THAT(after(pages, {{"error", "quota"}}), HasSubstr("has nothing at $.data"));
  EXPECT_THAT(after(pages, page_with(1)), HasSubstr("neither true nor false at $.more"));
  auto cursors =
      walk({{"by", "cursor"}, {"parameter", "c"}, {"cursor", "$.next"}, {"more", "$.more"}});
  EXPECT_THAT(after(cursors, page_with(1, {{"more", true}})), HasSubstr("more follows, and not"));
}

TEST(Pages, RulesThatCannotBeAreRefused) {
  const auto fault = [](const Json& said, const std::string& records = "$.data") {
    const auto rules = read_page_rules(said, records);
    return rules ? std::string() : to_line(rules.error());
  };
  EXPECT_THAT(fault("cursers"), HasSubstr("is by 'cursers'"));
  EXPECT_THAT(fault({{"by", "cursor"}, {"parameter", "c"}}), HasSubstr("lacks 'cursor'"));
  EXPECT_THAT(fault({{"by", "page"}}), HasSubstr("lacks 'parameter'"));
  EXPECT_THAT(fault({{"by", "page"}, {"parameter", "p"}}, ""), HasSubstr("counts records"));
  EXPECT_THAT(fault({{"by", "page"}, {"parameter", "p"}, {"size", 5}}), HasSubstr("only one of"));
  EXPECT_THAT(fault({{"by", "next_url"}}), HasSubstr("lacks 'next'"));
  EXPECT_THAT(fault({{"by", "link"}, {"nxt", "$.x"}}), HasSubstr("did you mean 'next'"));
}

TEST(NextLink, IsReadAsTheStandardHasIt) {
  EXPECT_EQ(next_link(R"(<https://a/?p=2>; rel="next")"), "https://a/?p=2");
  EXPECT_EQ(next_link(R"(</a,b;c>; rel=prev, <?p=3>; title="x, <y>; rel=z"; REL="last Next")"),
            "?p=3");
  EXPECT_EQ(next_link(R"(<a>; rel="nextish", <b>; rel="prev")"), std::nullopt);
  EXPECT_EQ(next_link("<a; rel=next"), std::nullopt);
  EXPECT_EQ(next_link(""), std::nullopt);
}

TEST(ResolveUrl, FollowsWhatStaysPlain) {
  const Url base = parse_url("https://api.example:8443/v1/orders?page=1").value();
  const auto to = [&](const char* text) {
    const auto url = resolve_url(base, text);
    return url ? *url : std::string(to_text(url.error().code));
  };
  EXPECT_EQ(to("/v2/x?a=1"), "https://api.example:8443/v2/x?a=1");
  EXPECT_EQ(to("?page=2#top"), "https://api.example:8443/v1/orders?page=2");
  EXPECT_EQ(to("more?u=http://x/"), "https://api.example:8443/v1/more?u=http://x/");
  EXPECT_EQ(to("https://other.example/"), "https://other.example/");
  EXPECT_EQ(to("//other.example/x"), "https://other.example/x");
  for (const char* odd :
       {"", "file:///etc/passwd", "/a/../b", "ftp://x/", "https://u:p@x/", "/a b"})
    EXPECT_EQ(to(odd), "invalid_data") << odd;
  EXPECT_TRUE(has_same_origin(base, parse_url("https://API.example:8443/").value()));
  EXPECT_FALSE(has_same_origin(base, parse_url("https://api.example/").value()));
  EXPECT_FALSE(has_same_origin(base, parse_url("http://api.example:8443/").value()));
}

TEST(QueryWith, SaysAParameterOnce) {
  EXPECT_EQ(query_with("a=1&b=2&a=3", "a", "x y"), "b=2&a=x%20y");
  EXPECT_EQ(query_with("a=1&%61=3&&c", "a", std::nullopt), "c");
  EXPECT_EQ(query_value("a=1&b=x+y%21", "b"), "x y!");
}

}  // namespace
}  // namespace weir::net
