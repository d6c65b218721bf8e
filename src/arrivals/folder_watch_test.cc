#include "arrivals/folder_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/ids.h"

namespace weir::arrivals {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class WatchingFolders : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto random = make_system_random();
    folder_ = fs::temp_directory_path() / ("weir-inotify-" + make_uuid4(*random));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::unique_ptr<FolderWatch> watch(const fs::path& root) {
    auto made = watch_folders({root.string()});
    EXPECT_TRUE(made) << to_line(made.error());
    EXPECT_THAT((*made)->unwatched(), IsEmpty());
    return *std::move(made);
  }
  static void write(const fs::path& path) { std::ofstream(path) << "x"; }

  fs::path folder_;
};

TEST_F(WatchingFolders, AFileThatIsWrittenOrMovedInIsTold) {
  const auto watching = watch(folder_);
  EXPECT_TRUE(watching->take()->empty());
  write(folder_ / "a.csv");
  EXPECT_THAT(watching->take()->files, ElementsAre((folder_ / "a.csv").string()));
  fs::create_directory(folder_ / "in");
  write(folder_ / "in" / "b.part");
  ASSERT_TRUE(watching->wait(0));
  fs::rename(folder_ / "in" / "b.part", folder_ / "in" / "b.csv");
  EXPECT_THAT(watching->wait(1000)->files, Contains((folder_ / "in" / "b.csv").string()));
}

TEST_F(WatchingFolders, AFileStillOpenIsNotTold) {
  const auto watching = watch(folder_);
  std::ofstream file(folder_ / "a.csv");
  file << "half" << std::flush;
  EXPECT_THAT(watching->take()->files, IsEmpty());
  file.close();
  EXPECT_THAT(watching->take()->files, ElementsAre((folder_ / "a.csv").string()));
}

TEST_F(WatchingFolders, WhatCameWithANewFolderIsToldAsTheFolder) {
  const auto watching = watch(folder_);
  const fs::path beside = folder_.string() + "-made";
  fs::create_directories(beside / "deep" / "er");
  write(beside / "deep" / "er" / "a.csv");
  fs::rename(beside, folder_ / "new");
  const auto told = watching->take();
  EXPECT_THAT(told->folders, Contains((folder_ / "new" / "deep" / "er").string()));
  write(folder_ / "new" / "deep" / "er" / "b.csv");
  EXPECT_THAT(watching->take()->files,
              ElementsAre((folder_ / "new" / "deep" / "er" / "b.csv").string()));
}

TEST_F(WatchingFolders, ARootThatIsNotThereYetIsFoundWhenItComes) {
  const fs::path root = folder_ / "data" / "landing";
  const auto watching = watch(root);
  fs::create_directories(root);
  EXPECT_TRUE(watching->take()->is_everything);
  write(root / "a.csv");
  EXPECT_THAT(watching->take()->files, ElementsAre((root / "a.csv").string()));
  fs::remove_all(folder_ / "data");
  ASSERT_TRUE(watching->take());
  fs::create_directories(root);
  ASSERT_TRUE(watching->take());
  write(root / "b.csv");
  EXPECT_THAT(watching->take()->files, ElementsAre((root / "b.csv").string()));
}

TEST_F(WatchingFolders, LostChangesAreToldAsEverything) {
  const auto watching = watch(folder_);
  int64_t limit = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> limit;
  if (limit <= 0 || limit > 100'000) GTEST_SKIP() << "the queue holds " << limit << " events";
  write(folder_ / "a");
  for (int64_t i = 0; i <= limit; ++i)
    fs::rename(folder_ / (i % 2 == 0 ? "a" : "b"), folder_ / (i % 2 == 0 ? "b" : "a"));
  EXPECT_TRUE(watching->take()->is_everything);
  write(folder_ / "c.csv");
  EXPECT_THAT(watching->take()->files, ElementsAre((folder_ / "c.csv").string()));
}

TEST_F(WatchingFolders, AWaitEndsWhenSomebodyWakesIt) {
  const auto watching = watch(folder_);
  std::jthread other([&] { watching->wake(); });
  EXPECT_TRUE(watching->wait(60'000)->empty());
}

}  // namespace
}  // namespace weir::arrivals
