#include "base/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(Pattern, GivesTheNamedGroupsOfTheFirstMatch) {
  const auto pattern = Pattern::compile(R"(airports-(?<as_of>\d{8})(-(?<part>\d+))?)");
  ASSERT_TRUE(pattern);
  EXPECT_THAT(pattern->group_names(), ::testing::UnorderedElementsAre("as_of", "part"));
  const auto found = pattern->find("landing/airports-20220512.csv");
  ASSERT_TRUE(found && *found);
  EXPECT_THAT(**found, ElementsAre(Pair("as_of", "20220512"))) << "a group that took no part";
  const auto with_part = pattern->find("airports-20220512-3");
  ASSERT_TRUE(with_part && *with_part);
  EXPECT_THAT(**with_part, ElementsAre(Pair("as_of", "20220512"), Pair("part", "3")));
  const auto none = pattern->find("routes-20220512.csv");
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
}

TEST(Pattern, ABrokenOneSaysWhere) {
  const auto pattern = Pattern::compile("a(b");
  ASSERT_FALSE(pattern);
  EXPECT_EQ(pattern.error().code, ErrorCode::kInvalidConfig);
  EXPECT_THAT(pattern.error().message, ::testing::HasSubstr("offset 3"));
}

TEST(Pattern, OneThatWouldRunForEverIsStopped) {
  const auto pattern = Pattern::compile("^(a|aa)+$");
  ASSERT_TRUE(pattern);
  const auto found = pattern->find(std::string(60, 'a') + "b");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kResourceExhausted);
}

TEST(Pattern, BytesThatAreNoTextAreAnErrorNotAMatch) {
  EXPECT_FALSE(Pattern::compile(".")->find("\xff"));
}

struct GlobCase {
  std::string glob;
  std::string name;
  bool matches;
};

TEST(Glob, MatchesWholeNamesAsAShellDoes) {
  const std::vector<GlobCase> cases = {
      {"landing/a-*.csv", "landing/a-1.csv", true},
      {"landing/a-*.csv", "landing/a-1.csv.tmp", false},
      {"landing/a-*.csv", "xlanding/a-1.csv", false},
      {"*.csv", "a/b.csv", false},
      {"**/*.csv", "a/b/c.csv", true},
      {"**/*.csv", "c.csv", true},
      {"a/**", "a/b/c", true},
      {"a?c", "abc", true},
      {"a?c", "a/c", false},
      {"[a-c]1", "b1", true},
      {"[!a-c]1", "b1", false},
      {"[!a-c]1", "d1", true},
      {"{a,bc}.csv", "bc.csv", true},
      {"{a,bc}.csv", "b.csv", false},
      {"a.csv", "axcsv", false},
      {"a+(b)$^|.csv", "a+(b)$^|.csv", true},
      {"a,b", "a,b", true},
      {"a*", "a\nb", true},
      {"a", "a\n", false},
      {"*", "", true},
  };
  for (const auto& [glob, name, matches] : cases) {
    const auto result = glob_matches(glob, name);
    ASSERT_TRUE(result) << glob;
    EXPECT_EQ(*result, matches) << glob << " on " << name;
  }
}

TEST(Glob, ABrokenOneIsAFaultOfTheConfiguration) {
  const auto result = glob_matches("{a,b", "a");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidConfig);
}

TEST(Glob, ThePrefixEndsAtTheFirstWildcard) {
  EXPECT_EQ(glob_prefix("landing/a-*.csv"), "landing/a-");
  EXPECT_EQ(glob_prefix("landing/{a,b}"), "landing/");
  EXPECT_EQ(glob_prefix("plain.csv"), "plain.csv");
}

}  // namespace
}  // namespace weir
