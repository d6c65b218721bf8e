#include "base/lasting_folder.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

namespace weir {
namespace {

namespace fs = std::filesystem;

// That names last is for tests/crash/power_loss_test.py to show.
class LastingFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "weir-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string folder_;
};

TEST_F(LastingFolder, IsMadeWithThoseAboveItAndMayBeThere) {
  for (int i = 0; i < 2; ++i) {
    const auto made = make_lasting_folder(folder_ + "/a/./b/");
    EXPECT_TRUE(made) << to_line(made.error());
  }
  EXPECT_TRUE(fs::is_directory(folder_ + "/a/b"));
}

TEST_F(LastingFolder, IsNotMadeWhereAFileIsInTheWay) {
  std::ofstream(folder_ + "/a") << "no folder";
  const auto made = make_lasting_folder(folder_ + "/a/b");
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("/a"), std::string::npos);
  EXPECT_FALSE(make_lasting_folder(folder_ + "/a"));
}

TEST_F(LastingFolder, NameInAFolderThatIsNotThereIsNotKept) {
  EXPECT_TRUE(keep_name(folder_ + "/file"));
  const auto kept = keep_name(folder_ + "/none/file");
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace weir
