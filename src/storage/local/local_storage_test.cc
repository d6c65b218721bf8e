#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/local/beneath.h"
#include "storage/local/file_error.h"
#include "storage/storage.h"

namespace weir::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LocalFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    storage_ = make_local_storage(folder_ + "/root/", "data/root");
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(std::string_view name) const { return fmt::format("{}/root/{}", folder_, name); }
  void write_file(const std::string& at, std::string_view bytes) const {
    fs::create_directories(fs::path(at).parent_path());
    std::ofstream(at, std::ios::binary) << bytes;
  }
  std::vector<std::string> names(std::string_view prefix = "") {
    std::vector<std::string> found;
    const auto entries = list_all(*storage_, prefix);
    if (!entries)
      ADD_FAILURE() << to_line(entries.error());
    else
      for (const auto& entry : *entries) found.push_back(entry.name);
    return found;
  }
  /// Every file below the root, temporary ones too.
  size_t file_count() const {
    size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder_))
      count += entry.is_regular_file() ? 1 : 0;
    return count;
  }
  Error read_failure(std::string_view name) {
    auto bytes = storage_->read(name, Range::all());
    if (bytes) return {ErrorCode::kInternal, "it was read: " + *bytes, {}, {}, std::nullopt};
    return bytes.error();
  }

  std::string folder_ = (fs::temp_directory_path() / "weir-test-XXXXXX").string();
  std::unique_ptr<Storage> storage_;
};

TEST_F(LocalFolder, IsMadeWithTheFirstObject) {
  EXPECT_TRUE(names().empty());
  EXPECT_EQ(read_failure("a").code, ErrorCode::kNotFound);
  EXPECT_TRUE(storage_->remove("a"));
  EXPECT_FALSE(fs::exists(folder_ + "/root"));
  ASSERT_TRUE(put(*storage_, "x/y/z", "1", Put::kIfAbsent));
  EXPECT_TRUE(fs::is_regular_file(path("x/y/z")));
  EXPECT_EQ(*storage_->engine_uri("x/y/z"), path("x/y/z"));
}

TEST_F(LocalFolder, TheEngineGetsNoNameThatItTakesForAPattern) {
  // DuckDB reads `x1` where it is asked for `x[1]`.
  for (const std::string_view name : {"x[1].parquet", "a*", "a?/b"})
    EXPECT_EQ(storage_->engine_uri(name).error().code, ErrorCode::kUnsupported) << name;
  EXPECT_EQ(*storage_->engine_uri("x(1) \\ 'q'"), path("x(1) \\ 'q'"));
}

TEST_F(LocalFolder, WhatACrashLeftIsNeverListedNorReadAndHindersNobody) {
  write_file(path("a/.weir-tmp-0123"), "half an obj");
  write_file(path(".weir-tmp-folder/a"), "half");
  ASSERT_TRUE(put(*storage_, "a/k", "whole", Put::kIfAbsent));
  EXPECT_THAT(names(), ElementsAre("a/k"));
  EXPECT_THAT(names("a/"), ElementsAre("a/k"));
  EXPECT_TRUE(names("a/.weir").empty());
  EXPECT_EQ(read_failure("a/.weir-tmp-0123").code, ErrorCode::kInvalidConfig);
}

TEST_F(LocalFolder, LeavesNoTemporaryFileBehind) {
  ASSERT_TRUE(put(*storage_, "k", "1", Put::kReplace));
  ASSERT_TRUE(put(*storage_, "k", "2", Put::kReplace));
  ASSERT_TRUE(put(*storage_, "l", "1", Put::kIfAbsent));
  EXPECT_FALSE(put(*storage_, "l", "2", Put::kIfAbsent));
  {
    ASSERT_TRUE(storage_->create("m"));
  }
  EXPECT_EQ(file_count(), 2U);
}

TEST_F(LocalFolder, ALinkThatStaysBelowTheRootIsFollowed) {
  write_file(path("there/k"), "bytes");
  fs::create_symlink("there/k", path("link"));
  fs::create_directory_symlink("there", path("folder"));
  EXPECT_EQ(*storage_->read("link", Range::all()), "bytes");
  EXPECT_EQ(storage_->stat("link")->size_bytes, 5);
  EXPECT_EQ(*storage_->read("folder/k", Range::all()), "bytes");
  EXPECT_THAT(names(), ElementsAre("link", "there/k"));
}

TEST_F(LocalFolder, ALinkThatLeavesTheRootIsDenied) {
  write_file(folder_ + "/secret", "secret");
  fs::create_directories(path("in"));
  fs::create_symlink("../secret", path("relative"));
  fs::create_symlink(folder_ + "/secret", path("absolute"));
  fs::create_symlink("../../root/../secret", path("in/out_and_in"));
  fs::create_directory_symlink("..", path("up"));
  for (const std::string_view name : {"relative", "absolute", "in/out_and_in", "up/secret"}) {
    const Error failure = read_failure(name);
    EXPECT_EQ(failure.code, ErrorCode::kDenied) << to_line(failure);
    EXPECT_THAT(failure.message, HasSubstr(path(name)));
    EXPECT_FALSE(failure.hint.empty());
    EXPECT_EQ(storage_->stat(name).error().code, ErrorCode::kDenied) << name;
  }
  // Neither written nor removed through such a link.
  const auto writer = storage_->create("up/planted");
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code, ErrorCode::kDenied);
  EXPECT_EQ(storage_->remove("up/secret").error().code, ErrorCode::kDenied);
  EXPECT_TRUE(fs::exists(folder_ + "/secret"));
  EXPECT_FALSE(fs::exists(folder_ + "/planted"));
  // Listed, so that reading it says what is wrong.
  EXPECT_THAT(names(), ElementsAre("absolute", "in/out_and_in", "relative", "up"));
  EXPECT_EQ(storage_->list("up/", "").error().code, ErrorCode::kDenied);
}

TEST_F(LocalFolder, ReplacingALinkReplacesTheLinkNotItsTarget) {
  write_file(folder_ + "/secret", "secret");
  fs::create_directories(path(""));
  fs::create_symlink("../secret", path("k"));
  ASSERT_TRUE(put(*storage_, "k", "new", Put::kReplace));
  EXPECT_EQ(*storage_->read("k", Range::all()), "new");
  EXPECT_EQ(fs::file_size(folder_ + "/secret"), 6U);
}

TEST_F(LocalFolder, OnlyRegularFilesAreObjects) {
  fs::create_directories(path("folder"));
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  fs::create_symlink("nowhere", path("dangling"));
  EXPECT_TRUE(names().empty());
  for (const std::string_view name : {"folder", "fifo", "dangling"})
    EXPECT_EQ(read_failure(name).code, ErrorCode::kNotFound) << name;
}

TEST_F(LocalFolder, AFolderInTheWayIsAFaultOfTheName) {
  ASSERT_TRUE(put(*storage_, "a/b", "1", Put::kReplace));
  for (const Put mode : {Put::kReplace, Put::kIfAbsent}) {
    const auto folder = put(*storage_, "a", "1", mode);
    ASSERT_FALSE(folder);
    EXPECT_EQ(folder.error().code, ErrorCode::kInvalidConfig) << to_line(folder.error());
    const auto below_object = put(*storage_, "a/b/c", "1", mode);
    ASSERT_FALSE(below_object);
    EXPECT_EQ(below_object.error().code, ErrorCode::kInvalidConfig);
  }
  EXPECT_EQ(file_count(), 1U);
}

TEST_F(LocalFolder, ASegmentOver255BytesIsAFaultOfTheName) {
  const auto written = put(*storage_, std::string(256, 'n'), "1", Put::kReplace);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kInvalidConfig);
  EXPECT_EQ(file_count(), 0U);
}

TEST_F(LocalFolder, AFailedWriteFailsTheCommitAndLeavesTheOldObject) {
  ASSERT_TRUE(put(*storage_, "k", "old", Put::kReplace));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto ignored = signal(SIGXFSZ, SIG_IGN);
  const rlimit small{size_t{1} << 20, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto writer = storage_->create("k");
  ASSERT_TRUE(writer);
  const auto appended = (*writer)->append(std::string(size_t{3} << 20, 'x'));
  const auto more = (*writer)->append("y");
  const auto committed = (*writer)->commit(Put::kReplace);
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, ignored);
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error().code, ErrorCode::kResourceExhausted);
  EXPECT_FALSE(more);
  EXPECT_FALSE(committed);
  EXPECT_EQ(*storage_->read("k", Range::all()), "old");
  EXPECT_EQ(file_count(), 1U);
}

TEST_F(LocalFolder, AFolderThatIsRemovedWhileItIsKnownIsMadeAgain) {
  ASSERT_TRUE(put(*storage_, "a/b/k", "1", Put::kReplace));
  fs::remove_all(folder_ + "/root");
  ASSERT_TRUE(put(*storage_, "a/b/k", "2", Put::kReplace));
  EXPECT_EQ(*storage_->read("a/b/k", Range::all()), "2");
}

TEST_F(LocalFolder, MoreThanAPageIsListedInOrder) {
  constexpr int kFiles = 10'500;
  std::vector<std::string> expected;
  for (int i = 0; i < kFiles; ++i) {
    expected.push_back(fmt::format("{}/{:05}", i % 2 == 0 ? "a" : "b", i));
  }
  for (const std::string_view folder : {"a", "b"}) fs::create_directories(path(folder));
  for (const auto& name : expected) close(creat(path(name).c_str(), 0600));
  std::ranges::sort(expected);
  EXPECT_FALSE(storage_->list("", "")->is_last);
  EXPECT_EQ(names(), expected);
}

TEST_F(LocalFolder, ManyThreadsMakeTheSameNewFolders) {
  std::vector<std::jthread> threads;
  std::atomic<int> failed = 0;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      for (int j = 0; j < 20; ++j)
        if (!put(*storage_, fmt::format("a/{}/b/{}", j, i), "x", Put::kIfAbsent)) ++failed;
    });
  threads.clear();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(names().size(), 160U);
}

TEST_F(LocalFolder, AFileThatGrowsWhileItIsReadHasNoDigest) {
  // The first piece of digest_of comes from the file as it was, the size from the file as it is.
  class Growing final : public Storage {
   public:
    Growing(Storage& inner, std::string at) : inner_(inner), at_(std::move(at)) {}
    Capabilities capabilities() const override { return inner_.capabilities(); }
    Result<std::string> read(std::string_view name, Range range) override {
      auto bytes = inner_.read(name, range);
      std::ofstream(at_, std::ios::app) << "more";
      return bytes;
    }
    Result<Entry> stat(std::string_view name) override { return inner_.stat(name); }
    Result<std::unique_ptr<Writer>> create(std::string_view name) override {
      return inner_.create(name);
    }
    Result<Page> list(std::string_view prefix, std::string_view after) override {
      return inner_.list(prefix, after);
    }
    Status remove(std::string_view name) override { return inner_.remove(name); }
    Result<std::string> engine_uri(std::string_view name) const override {
      return inner_.engine_uri(name);
    }
    const std::string& uri() const override { return inner_.uri(); }

   private:
    Storage& inner_;
    std::string at_;
  };
  write_file(path("k"), "some");
  Growing growing(*storage_, path("k"));
  const auto digest = digest_of(growing, "k");
  ASSERT_FALSE(digest);
  EXPECT_EQ(digest.error().code, ErrorCode::kConflict);
}

TEST(OpenBeneathByWalking, FollowsNoLinkAndLeavesNot) {
  std::string folder = (fs::temp_directory_path() / "weir-test-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  fs::create_directories(folder + "/root/a");
  std::ofstream(folder + "/root/a/k") << "x";
  std::ofstream(folder + "/secret") << "x";
  fs::create_directory_symlink("a", folder + "/root/link");
  fs::create_symlink("a/k", folder + "/root/file");
  const local::Descriptor root(open((folder + "/root").c_str(), O_RDONLY | O_DIRECTORY));
  const auto opens = [&](const std::string& name) {
    return local::open_beneath_by_walking(root.get(), name, O_RDONLY).is_open();
  };
  EXPECT_TRUE(opens("a/k"));
  EXPECT_TRUE(opens("."));
  EXPECT_FALSE(opens("link/k"));
  EXPECT_FALSE(opens("file"));
  EXPECT_FALSE(opens("../secret"));
  EXPECT_FALSE(opens("a/../../secret"));
  EXPECT_FALSE(opens("none/k"));
  fs::remove_all(folder);
}

TEST(FileFailure, NamesThePathAndWhatTheCallerCanDo) {
  const auto code = [](int number) {
    return local::file_failure(number, "write", "/lake/k").error().code;
  };
  EXPECT_EQ(code(ENOENT), ErrorCode::kNotFound);
  EXPECT_EQ(code(EACCES), ErrorCode::kDenied);
  EXPECT_EQ(code(EPERM), ErrorCode::kDenied);
  EXPECT_EQ(code(ENOSPC), ErrorCode::kResourceExhausted);
  EXPECT_EQ(code(EDQUOT), ErrorCode::kResourceExhausted);
  EXPECT_EQ(code(EMFILE), ErrorCode::kResourceExhausted);
  EXPECT_EQ(code(EIO), ErrorCode::kUnavailable);
  EXPECT_EQ(code(ENAMETOOLONG), ErrorCode::kInvalidConfig);
  const Error full = local::file_failure(ENOSPC, "write", "/lake/k").error();
  EXPECT_EQ(full.message, "cannot write '/lake/k': No space left on device");
  EXPECT_THAT(full.hint, HasSubstr("make room"));
}

TEST(LocalStores, TheSameUriGivesTheSameStore) {
  std::string folder = (fs::temp_directory_path() / "weir-test-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const auto stores = make_local_stores(folder);
  Storage* const relative = *stores->open("data/raw");
  EXPECT_EQ(*stores->open("data/raw"), relative);
  ASSERT_TRUE(put(*relative, "k", "1", Put::kReplace));
  EXPECT_TRUE(fs::exists(folder + "/data/raw/k"));
  EXPECT_EQ(relative->uri(), "data/raw");
  for (const std::string& uri :
       {folder + "/data/raw", "file://" + folder + "/data/raw", "file:" + folder + "/data/ra%77",
        std::string("./data/x/../raw/")}) {
    const auto store = stores->open(uri);
    ASSERT_TRUE(store) << uri;
    EXPECT_EQ(*(*store)->read("k", Range::all()), "1") << uri;
  }
  Storage* const memory = *stores->open("memory:one");
  ASSERT_TRUE(put(*memory, "k", "2", Put::kReplace));
  EXPECT_EQ(*stores->open("memory:one"), memory);
  EXPECT_FALSE((*stores->open("memory:two"))->read("k", Range::all()));
  fs::remove_all(folder);
}

TEST(LocalStores, WhatNobodyServesIsAFaultOfTheConfiguration) {
  const auto stores = make_local_stores("/nowhere");
  for (const std::string uri :
       {"s3://bucket/raw", "", "file://host/a", "file:///a%2", "file:///%zz"}) {
    const auto store = stores->open(uri);
    ASSERT_FALSE(store) << uri;
    EXPECT_EQ(store.error().code, ErrorCode::kInvalidConfig) << uri;
  }
}

}  // namespace
}  // namespace weir::storage
