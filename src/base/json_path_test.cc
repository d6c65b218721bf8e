#include "base/json_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using ::testing::HasSubstr;

const Json kAnswer = {{"data", {{"items", {{{"id", 1}, {"a.b", "x"}}, {{"id", 2}}}}}},
                      {"next", nullptr},
                      {"a/b", {{"~", 7}}}};

std::string found(std::string_view path) {
  const auto parsed = JsonPath::parse(path);
  if (!parsed) return to_line(parsed.error());
  std::string text;
  for (const Json* value : parsed->find_all(kAnswer)) text += dump_json(*value) + " ";
  return text;
}

TEST(JsonPath, LeadsToValues) {
  EXPECT_EQ(found("$.data.items[0].id"), "1 ");
  EXPECT_EQ(found("$.data.items[-1].id"), "2 ");
  EXPECT_EQ(found("$.data.items[*].id"), "1 2 ");
  EXPECT_EQ(found("$[\"data\"]['items'][0][\"a.b\"]"), "\"x\" ");
  EXPECT_EQ(found("/data/items/1/id"), "2 ");
  EXPECT_EQ(found("/a~1b/~0"), "7 ");
  EXPECT_EQ(found("$.next"), "null ");
}

TEST(JsonPath, FindsNothingWhereSomethingIsMissingOrOfAnotherKind) {
  for (const char* path : {"$.nothing", "$.data.items[2]", "$.data[0]", "$.next.x", "/data/items/x",
                           "$.data.items[-3]", "$.data[*]"})
    EXPECT_EQ(found(path), "") << path;
}

TEST(JsonPath, WhatIsNoPathIsRefusedWithItsPlace) {
  for (const char* path : {"data", "$.", "$..a", "$[", "$[x]", "$['x", "$x", "$.*"})
    EXPECT_THAT(found(path), HasSubstr("is no JSON path")) << path;
}

}  // namespace
}  // namespace weir
