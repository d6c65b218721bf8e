#include "arrivals/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::arrivals {
namespace {

const std::string kHash(64, 'A');

std::vector<std::string> names_of(const Result<Manifest>& manifest) {
  std::vector<std::string> names;
  if (!manifest) return {"fault: " + manifest.error().message};
  for (const auto& file : manifest->files) names.push_back(file.name);
  return names;
}

TEST(ReadManifest, JsonListsNamesSizesAndHashes) {
  const auto manifest = read_manifest(R"({"files": [{"name": "a.csv", "size": 12, "sha256": ")" +
                                      kHash + R"("}, "b/c.csv"]})");
  EXPECT_THAT(names_of(manifest), ::testing::ElementsAre("a.csv", "b/c.csv"));
  EXPECT_EQ(manifest->files[0].size_bytes, 12);
  EXPECT_EQ(manifest->files[0].sha256, std::string(64, 'a'));
  EXPECT_FALSE(manifest->files[1].size_bytes);
  EXPECT_THAT(names_of(read_manifest(R"(["a", "b"])")), ::testing::ElementsAre("a", "b"));
}

TEST(ReadManifest, TextIsAsSha256sumWritesIt) {
  const auto manifest = read_manifest("\xEF\xBB\xBF# files\r\n" + kHash + "  a.csv\r\n" + kHash +
                                      " *./b c.csv\n\nd\n");
  EXPECT_THAT(names_of(manifest), ::testing::ElementsAre("a.csv", "b c.csv", "d"));
  EXPECT_EQ(manifest->files[2].sha256, "");
}

TEST(ReadManifest, ANumberIsACountAndNothingSaysNothing) {
  EXPECT_EQ(read_manifest("3\n")->count, 3);
  EXPECT_EQ(read_manifest(R"({"count": 2})")->count, 2);
  EXPECT_TRUE(read_manifest(" \n")->files.empty());
}

TEST(ReadManifest, WhatDoesNotReadIsRefused) {
  for (const char* text : {"../x\n", "/etc/passwd\n", "{}", R"({"files": 3})", "{\"files\": [",
                           R"({"files": [{"size": 3}]})", R"([{"name": "a", "size": "x"}])",
                           R"([{"name": "a", "sha256": "12"}])", R"({"count": -1})"}) {
    const auto manifest = read_manifest(text);
    ASSERT_FALSE(manifest) << text;
    EXPECT_EQ(manifest.error().code, ErrorCode::kInvalidData) << text;
  }
}

}  // namespace
}  // namespace weir::arrivals
