#include "inputs/discover.h"

#include <gmock/gmock.h>

#include "base/digest.h"

namespace weir::inputs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int64_t kNow = 1'800'000'000'000'000;

class Discover : public ::testing::Test {
 protected:
  void land(const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(storage::put(*landing_, name, bytes, storage::Put::kReplace));
  }
  Result<std::vector<LandingFile>> find() { return find_landing_files(*landing_, query_, never_); }

  /// What the catalog would remember of what was found.
  void remember(const std::vector<LandingFile>& files) {
    for (const auto& file : files)
      query_.known[file.object.name] = {file.object.size_bytes, file.version, file.object.sha256};
  }

  std::unique_ptr<storage::Storage> landing_ = storage::make_memory_storage("memory:landing");
  LandingQuery query_{.uri = "memory:landing",
                      .glob = "a-*.csv",
                      .as_of = {},
                      .identity = model::Identity::kContent,
                      .known = {},
                      .now_us = kNow};
  Cancel never_;
};

TEST_F(Discover, FilesComeByAsOfAndThenByName) {
  query_.as_of = *Pattern::compile("(?<as_of>[0-9]{8})");
  for (const auto* name : {"a-20260102-x.csv", "a-20260101-z.csv", "a-20260101-b.csv", "b.csv"})
    land(name, name);
  const auto files = find();
  ASSERT_TRUE(files) << to_line(files.error());
  std::vector<std::string> names;
  for (const auto& file : *files) names.push_back(file.object.name);
  EXPECT_THAT(names, ElementsAre("a-20260101-b.csv", "a-20260101-z.csv", "a-20260102-x.csv"));
}

TEST_F(Discover, NameWithoutAnAsOfIsNamed) {
  query_.as_of = *Pattern::compile("(?<as_of>[0-9]{8})");
  land("a-latest.csv", "x");
  const auto files = find();
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().code, ErrorCode::kInvalidData);
  EXPECT_THAT(files.error().message, HasSubstr("a-latest.csv"));
}

TEST_F(Discover, AFileThatIsKnownIsNotReadAgain) {
  land("a-1.csv", "one");
  const auto first = find();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->at(0).object.sha256, sha256_hex("one"));
  ASSERT_FALSE(first->at(0).version.empty());
  remember(*first);
  query_.known["a-1.csv"].sha256 = "what was remembered";
  const auto again = find();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->at(0).object.sha256, "what was remembered");
}

TEST_F(Discover, AFileOfAnotherVersionOrSizeIsReadAgain) {
  land("a-1.csv", "one");
  remember(*find());
  land("a-1.csv", "two");  // the same length
  EXPECT_EQ(find()->at(0).object.sha256, sha256_hex("two"));
  remember(*find());
  query_.known["a-1.csv"].size_bytes = 4;
  query_.known["a-1.csv"].sha256 = "stale";
  EXPECT_EQ(find()->at(0).object.sha256, sha256_hex("two"));
}

TEST_F(Discover, AFileThatWasWrittenJustNowHasNoVersionToRelyOn) {
  land("a-1.csv", "one");
  query_.now_us = 1'000'000;  // the store's files are of the instant 0
  const auto files = find();
  ASSERT_TRUE(files);
  ASSERT_THAT(*files, SizeIs(1));
  EXPECT_EQ(files->at(0).version, "");
}

}  // namespace
}  // namespace weir::inputs
