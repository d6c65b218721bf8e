#include <atomic>
#include <thread>

#include <gmock/gmock.h>

#include "base/digest.h"
#include "storage/conformance.h"
#include "storage/moving.h"

namespace weir::storage {

TEST_P(Conformance, WhatWasCommittedIsReadBack) {
  const auto written = write("raw/a.csv", "id\n1\n");
  ASSERT_TRUE(written) << to_line(written.error());
  EXPECT_EQ(written->size_bytes, 5);
  EXPECT_EQ(written->sha256, sha256_hex("id\n1\n"));
  EXPECT_EQ(bytes_of("raw/a.csv"), "id\n1\n");
  const auto entry = storage_->stat("raw/a.csv");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->name, "raw/a.csv");
  EXPECT_EQ(entry->size_bytes, 5);
}

TEST_P(Conformance, VersionIsTheSameUntilTheObjectIsReplaced) {
  ASSERT_TRUE(write("a", "one"));
  const auto before = storage_->stat("a");
  ASSERT_TRUE(before);
  if (before->version.empty()) GTEST_SKIP() << "the store says no versions";
  ASSERT_TRUE(write("b", "one"));
  bytes_of("a");
  EXPECT_EQ(storage_->stat("a")->version, before->version);
  EXPECT_EQ(storage_->list("a", "")->entries.at(0), *before);
  ASSERT_TRUE(write("a", "two"));
  EXPECT_NE(storage_->stat("a")->version, before->version);
}

TEST_P(Conformance, NothingIsVisibleBeforeCommit) {
  const auto writer = storage_->create("a/b");
  ASSERT_TRUE(writer);
  ASSERT_TRUE((*writer)->append(std::string(1 << 20, 'x')));
  EXPECT_EQ(read_failure("a/b"), ErrorCode::kNotFound);
  EXPECT_TRUE(names("").empty());
  ASSERT_TRUE((*writer)->commit(Put::kReplace));
  EXPECT_THAT(names(""), ::testing::ElementsAre("a/b"));
}

TEST_P(Conformance, AbortAndDestructionLeaveTheOldBytes) {
  ASSERT_TRUE(write("k", "old"));
  {
    const auto aborted = storage_->create("k");
    ASSERT_TRUE(aborted && (*aborted)->append("new"));
    (*aborted)->abort();
    const auto forgotten = storage_->create("k");
    ASSERT_TRUE(forgotten && (*forgotten)->append("new"));
  }
  EXPECT_EQ(bytes_of("k"), "old");
  EXPECT_THAT(names(""), ::testing::ElementsAre("k"));
}

TEST_P(Conformance, CommitReplaces) {
  ASSERT_TRUE(write("k", "a long first text"));
  ASSERT_TRUE(write("k", "short"));
  EXPECT_EQ(bytes_of("k"), "short");
}

TEST_P(Conformance, CommitIfAbsentLeavesTheFirstBytes) {
  if (!storage_->capabilities().put_if_absent) GTEST_SKIP() << "not promised by this store";
  ASSERT_TRUE(write("k", "first", Put::kIfAbsent));
  const auto second = write("k", "second", Put::kIfAbsent);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(bytes_of("k"), "first");
  EXPECT_THAT(names(""), ::testing::ElementsAre("k"));
}

TEST_P(Conformance, OfManyThatCreateOneWins) {
  if (!storage_->capabilities().put_if_absent) GTEST_SKIP() << "not promised by this store";
  constexpr int kWriters = 8;
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const std::string name = fmt::format("locks/{}", round);
    std::vector<Result<Written>> results(kWriters);
    {
      std::vector<std::jthread> writers;
      for (int i = 0; i < kWriters; ++i)
        writers.emplace_back([&, i] {
          results[static_cast<size_t>(i)] =
              write(name, fmt::format("writer {}", i), Put::kIfAbsent);
        });
    }
    int winners = 0;
    for (int i = 0; i < kWriters; ++i) {
      const auto& result = results[static_cast<size_t>(i)];
      if (!result) {
        EXPECT_EQ(result.error().code, ErrorCode::kAlreadyExists) << to_line(result.error());
        continue;
      }
      ++winners;
      EXPECT_EQ(bytes_of(name), fmt::format("writer {}", i));
    }
    EXPECT_EQ(winners, 1);
  }
}

TEST_P(Conformance, CommitIfVersionReplacesThatVersionAlone) {
  if (!storage_->capabilities().put_if_version) GTEST_SKIP() << "not promised by this store";
  ASSERT_TRUE(write("locks/k", "one"));
  const std::string first = version_of("locks/k");
  const auto written = put_if_version(*storage_, "locks/k", "two", first);
  ASSERT_TRUE(written) << to_line(written.error());
  EXPECT_EQ(written->sha256, sha256_hex("two"));
  EXPECT_EQ(bytes_of("locks/k"), "two");
  EXPECT_NE(version_of("locks/k"), first);
  const auto late = put_if_version(*storage_, "locks/k", "late", first);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kConflict) << to_line(late.error());
  EXPECT_EQ(bytes_of("locks/k"), "two");
  ASSERT_TRUE(put_if_version(*storage_, "locks/k", "three", version_of("locks/k")));
  EXPECT_EQ(bytes_of("locks/k"), "three");
  EXPECT_THAT(names(""), ::testing::ElementsAre("locks/k"));
}

TEST_P(Conformance, CommitIfVersionDoesNotBringBackWhatIsGone) {
  if (!storage_->capabilities().put_if_version) GTEST_SKIP() << "not promised by this store";
  ASSERT_TRUE(write("locks/k", "one"));
  const std::string version = version_of("locks/k");
  ASSERT_TRUE(storage_->remove("locks/k"));
  for (const std::string_view name : {"locks/k", "locks/never"}) {
    const auto late = put_if_version(*storage_, name, "late", version);
    ASSERT_FALSE(late) << name;
    EXPECT_EQ(late.error().code, ErrorCode::kConflict) << to_line(late.error());
  }
  EXPECT_TRUE(names("").empty());
}

TEST_P(Conformance, OfManyThatReplaceOneVersionOneWins) {
  if (!storage_->capabilities().put_if_version) GTEST_SKIP() << "not promised by this store";
  constexpr int kWriters = 8;
  constexpr int kRounds = 10;
  ASSERT_TRUE(write("locks/k", "nobody"));
  for (int round = 0; round < kRounds; ++round) {
    const std::string version = version_of("locks/k");
    std::vector<Result<Written>> results(kWriters);
    const auto text = [round](int i) { return fmt::format("writer {} of round {}", i, round); };
    {
      std::vector<std::jthread> writers;
      for (int i = 0; i < kWriters; ++i)
        writers.emplace_back([&, i] {
          results[static_cast<size_t>(i)] = put_if_version(*storage_, "locks/k", text(i), version);
        });
    }
    int winners = 0;
    for (int i = 0; i < kWriters; ++i) {
      const auto& result = results[static_cast<size_t>(i)];
      if (!result) {
        EXPECT_EQ(result.error().code, ErrorCode::kConflict) << to_line(result.error());
        continue;
      }
      ++winners;
      EXPECT_EQ(bytes_of("locks/k"), text(i));
    }
    EXPECT_EQ(winners, 1);
  }
}

TEST_P(Conformance, CountingByReplacementLosesNothing) {
  if (!storage_->capabilities().put_if_version) GTEST_SKIP() << "not promised by this store";
  constexpr int kCounters = 4;
  constexpr int kEach = 12;
  constexpr int kMostTries = 10'000;
  ASSERT_TRUE(write("counter", "0"));
  {
    std::vector<std::jthread> counters;
    for (int i = 0; i < kCounters; ++i)
      counters.emplace_back([&] {
        int done = 0;
        for (int tries = 0; done < kEach && tries < kMostTries; ++tries) {
          const auto seen = storage_->stat("counter");
          const auto bytes = storage_->read("counter", Range::all());
          if (!seen || !bytes) continue;
          const auto counted = put_if_version(*storage_, "counter",
                                              std::to_string(std::stoi(*bytes) + 1), seen->version);
          if (counted) ++done;
          if (!counted && counted.error().code != ErrorCode::kConflict) break;
        }
        EXPECT_EQ(done, kEach);
      });
  }
  EXPECT_EQ(bytes_of("counter"), std::to_string(kCounters * kEach));
}

TEST_P(Conformance, AReaderNeverSeesHalf) {
  if (!storage_->capabilities().atomic_put) GTEST_SKIP() << "not promised by this store";
  constexpr size_t kSize = 300'000;
  ASSERT_TRUE(write("k", std::string(kSize, '0')));
  std::atomic<bool> is_over = false;
  std::atomic<int> seen = 0;
  std::atomic<int> broken = 0;
  std::jthread reader([&] {
    do {
      const auto bytes = storage_->read("k", Range::all());
      const bool is_whole = bytes && bytes->size() == kSize &&
                            bytes->find_first_not_of(bytes->front()) == std::string::npos;
      ++(is_whole ? seen : broken);
    } while (!is_over);
  });
  for (char digit = '1'; digit <= '9'; ++digit) {
    const auto writer = storage_->create("k");
    ASSERT_TRUE(writer);
    for (size_t piece = 0; piece < 3; ++piece)
      ASSERT_TRUE((*writer)->append(std::string(kSize / 3, digit)));
    ASSERT_TRUE((*writer)->commit(Put::kReplace));
  }
  is_over = true;
  reader.join();
  EXPECT_GT(seen, 0);
  EXPECT_EQ(broken, 0);
}

TEST_P(Conformance, ARangeIsCutAtTheEnd) {
  ASSERT_TRUE(write("k", "0123456789"));
  EXPECT_EQ(*storage_->read("k", {3, 4}), "3456");
  EXPECT_EQ(*storage_->read("k", {8, 100}), "89");
  EXPECT_EQ(*storage_->read("k", {10, 1}), "");
  EXPECT_EQ(*storage_->read("k", {1000, 1}), "");
  EXPECT_EQ(*storage_->read("k", {0, 0}), "");
}

TEST_P(Conformance, WhatIsNotThereIsNotFound) {
  ASSERT_TRUE(write("folder/k", "x"));
  for (const std::string_view name : {"k", "folder", "folder/other", "none/k", "folder/k/below"}) {
    EXPECT_EQ(read_failure(name), ErrorCode::kNotFound) << name;
    const auto entry = storage_->stat(name);
    ASSERT_FALSE(entry) << name;
    EXPECT_EQ(entry.error().code, ErrorCode::kNotFound) << name;
    EXPECT_TRUE(storage_->remove(name)) << name;
  }
  EXPECT_EQ(bytes_of("folder/k"), "x");
}

TEST_P(Conformance, WhatWasRemovedIsGoneAndMayComeBack) {
  ASSERT_TRUE(write("a/k", "old"));
  ASSERT_TRUE(storage_->remove("a/k"));
  EXPECT_EQ(read_failure("a/k"), ErrorCode::kNotFound);
  EXPECT_TRUE(names("").empty());
  ASSERT_TRUE(storage_->remove("a/k"));
  ASSERT_TRUE(write("a/k", "new", Put::kIfAbsent));
  EXPECT_EQ(bytes_of("a/k"), "new");
}

TEST_P(Conformance, WhatIsMovedHasTheOtherNameAlone) {
  ASSERT_TRUE(write("in/k", "bytes"));
  const auto moved = move_object(*storage_, "in/k", "done/of/k");
  ASSERT_TRUE(moved) << to_line(moved.error());
  EXPECT_THAT(names(""), ::testing::ElementsAre("done/of/k"));
  EXPECT_EQ(bytes_of("done/of/k"), "bytes");
  const auto again = move_object(*storage_, "in/k", "done/of/k");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kNotFound);
}

TEST_P(Conformance, AMoveReplacesNothingAndGoesOnWhereOneStopped) {
  ASSERT_TRUE(write("in/k", "new"));
  ASSERT_TRUE(write("done/k", "old"));
  const auto refused = move_object(*storage_, "in/k", "done/k");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(bytes_of("in/k"), "new");
  EXPECT_EQ(bytes_of("done/k"), "old");
  // As after a kill between its two steps.
  ASSERT_TRUE(write("done/k", "new"));
  const auto moved = move_object(*storage_, "in/k", "done/k");
  ASSERT_TRUE(moved) << to_line(moved.error());
  EXPECT_THAT(names(""), ::testing::ElementsAre("done/k"));
}

TEST_P(Conformance, ManyAreRemovedInOneCallAndNoOther) {
  const std::vector<std::string> gone = {
      "a",          "b/c", "b/d/e",  "with space & <b>'\".csv", "per%20cent+plus", "new\nline",
      "b/\x01\x7f", " ",   "b/\r\n", "Ünïcödé/日本語/🦆",       "b/\xef\xbf\xbf",  "z"};
  const std::vector<std::string> staying = {"a.b", "b/c0", "with space & "};
  for (const auto& name : gone) ASSERT_TRUE(write(name, "x")) << name;
  for (const auto& name : staying) ASSERT_TRUE(write(name, "x")) << name;
  std::vector<std::string> asked = gone;
  asked.insert(asked.end(), {"is not there", "b/is not there", "nor/is the folder", "a", "b"});
  const auto removed = storage_->remove_all(asked);
  ASSERT_TRUE(removed) << to_line(removed.error());
  EXPECT_EQ(names(""), staying);
  EXPECT_TRUE(storage_->remove_all(asked)) << "again";
  EXPECT_TRUE(storage_->remove_all({}));
  EXPECT_EQ(names(""), staying);
}

TEST_P(Conformance, MoreThanARequestCarriesAreRemoved) {
  std::vector<std::string> all;
  for (int i = 0; i < 1'201; ++i) all.push_back(fmt::format("many/{}/{:04}", i % 3, i));
  {
    std::vector<std::jthread> writers;
    for (size_t thread = 0; thread < 4; ++thread)
      writers.emplace_back([&, thread] {
        for (size_t i = thread; i < all.size(); i += 4) EXPECT_TRUE(write(all[i], ""));
      });
  }
  ASSERT_TRUE(write("many/1/stays", ""));
  const auto removed = storage_->remove_all(all);
  ASSERT_TRUE(removed) << to_line(removed.error());
  EXPECT_THAT(names(""), ::testing::ElementsAre("many/1/stays"));
}

TEST_P(Conformance, OneThatIsNoNameKeepsAllThatWereNamedWithIt) {
  ASSERT_TRUE(write("a", "x"));
  ASSERT_TRUE(write("b", "x"));
  const std::vector<std::string> asked = {"a", "b/../a", "b"};
  const auto removed = storage_->remove_all(asked);
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, ErrorCode::kInvalidConfig);
  EXPECT_THAT(to_line(removed.error()), ::testing::HasSubstr("b/../a"));
  EXPECT_THAT(names(""), ::testing::ElementsAre("a", "b"));
}

TEST_P(Conformance, AListingIsInByteOrderAcrossFolders) {
  const std::vector<std::string> in_order = {"a-b", "a.b", "a/b",   "a/c-d", "a/c/e", "a/c0",
                                             "a0",  "b",   "b.c/d", "é",     "日/本"};
  for (auto name = in_order.rbegin(); name != in_order.rend(); ++name)
    ASSERT_TRUE(write(*name, "x"));
  EXPECT_EQ(names(""), in_order);
  EXPECT_THAT(names("a"),
              ::testing::ElementsAre("a-b", "a.b", "a/b", "a/c-d", "a/c/e", "a/c0", "a0"));
  EXPECT_THAT(names("a/"), ::testing::ElementsAre("a/b", "a/c-d", "a/c/e", "a/c0"));
  EXPECT_THAT(names("a/c"), ::testing::ElementsAre("a/c-d", "a/c/e", "a/c0"));
  EXPECT_THAT(names("b."), ::testing::ElementsAre("b.c/d"));
  EXPECT_THAT(names("b.c/d"), ::testing::ElementsAre("b.c/d"));
  EXPECT_TRUE(names("c").empty());
  EXPECT_TRUE(names("a/b/c").empty());
}

TEST_P(Conformance, AListingGoesOnAfterAnyName) {
  const std::vector<std::string> in_order = {"a-b", "a/b", "a/c/e", "a/d", "a0"};
  for (const auto& name : in_order) ASSERT_TRUE(write(name, "x"));
  for (size_t i = 0; i < in_order.size(); ++i) {
    // After a name that is there, and after one that is not, just behind it.
    for (const std::string& after : {in_order[i], in_order[i] + "\x01"}) {
      const auto page = storage_->list("", after);
      ASSERT_TRUE(page);
      std::vector<std::string> found;
      for (const auto& entry : page->entries) found.push_back(entry.name);
      EXPECT_EQ(found, std::vector(in_order.begin() + static_cast<int64_t>(i) + 1, in_order.end()))
          << "after " << after;
      EXPECT_TRUE(page->is_last);
    }
  }
  const auto within = storage_->list("a/", "a/b");
  ASSERT_TRUE(within);
  ASSERT_EQ(within->entries.size(), 2U);
  EXPECT_EQ(within->entries[0].name, "a/c/e");
}

TEST_P(Conformance, OddNamesAreNamesLikeOthers) {
  const std::vector<std::string> odd = {"with space.csv",
                                        "a'b\"c`d",
                                        "Ünïcödé/日本語/🦆.csv",
                                        "back\\slash",
                                        "per%20cent",
                                        "star*[x]?{y}",
                                        "new\nline\ttab",
                                        ".hidden",
                                        "...",
                                        "a/..b/.c.",
                                        "~",
                                        "-rf",
                                        std::string(255, 'n'),
                                        "$(touch x);`id`",
                                        "a:b|c<d>e&f",
                                        "#frag?query=1",
                                        "d/" + std::string(255, 'm')};
  for (const auto& name : odd) {
    const auto written = write(name, name, Put::kIfAbsent);
    ASSERT_TRUE(written) << to_line(written.error());
  }
  for (const auto& name : odd) EXPECT_EQ(bytes_of(name), name);
  EXPECT_THAT(names(""), ::testing::UnorderedElementsAreArray(odd));
  for (const auto& name : odd) ASSERT_TRUE(storage_->remove(name)) << name;
  EXPECT_TRUE(names("").empty());
}

TEST_P(Conformance, WhatIsNoNameIsRefusedByEveryCall) {
  using std::string_view_literals::operator""sv;
  const std::string too_long(1025, 'n');
  for (const std::string_view name :
       {""sv, "/a"sv, "a/"sv, "a//b"sv, "."sv, ".."sv, "a/../b"sv, "../a"sv, "a/."sv, "a\0b"sv,
        "\xff"sv, "\xc0\xaf"sv, "\xed\xa0\x80"sv, "\xe2\x82"sv, ".weir-tmp-1"sv,
        "a/.weir-tmp-x/b"sv, std::string_view(too_long)}) {
    EXPECT_EQ(read_failure(name), ErrorCode::kInvalidConfig) << name;
    const auto entry = storage_->stat(name);
    ASSERT_FALSE(entry) << name;
    EXPECT_EQ(entry.error().code, ErrorCode::kInvalidConfig) << name;
    const auto writer = storage_->create(name);
    ASSERT_FALSE(writer) << name;
    EXPECT_EQ(writer.error().code, ErrorCode::kInvalidConfig) << name;
    const auto removed = storage_->remove(name);
    ASSERT_FALSE(removed) << name;
    EXPECT_EQ(removed.error().code, ErrorCode::kInvalidConfig) << name;
  }
  for (const std::string_view prefix : {"../"sv, "/"sv, "a/../"sv, "a//"sv, "a\0"sv}) {
    const auto page = storage_->list(prefix, "");
    ASSERT_FALSE(page) << prefix;
    EXPECT_EQ(page.error().code, ErrorCode::kInvalidConfig) << prefix;
  }
}

TEST_P(Conformance, ALargeObjectInUnevenPiecesKeepsItsDigest) {
  Sha256 expected;
  int64_t size_bytes = 0;
  const auto writer = storage_->create("large");
  ASSERT_TRUE(writer);
  for (size_t piece = 1; piece < 3'000'000; piece = piece * 3 + 1) {
    const std::string bytes(piece, static_cast<char>('a' + piece % 26));
    expected.update(bytes);
    size_bytes += static_cast<int64_t>(piece);
    ASSERT_TRUE((*writer)->append(bytes));
  }
  const auto written = (*writer)->commit(Put::kIfAbsent);
  ASSERT_TRUE(written);
  EXPECT_EQ(written->sha256, expected.finish_hex());
  const auto read_back = digest_of(*storage_, "large");
  ASSERT_TRUE(read_back) << to_line(read_back.error());
  EXPECT_EQ(read_back->sha256, written->sha256);
  EXPECT_EQ(read_back->size_bytes, size_bytes);
}

TEST_P(Conformance, AnEmptyObjectIsAnObject) {
  ASSERT_TRUE(write("empty", ""));
  EXPECT_EQ(bytes_of("empty"), "");
  EXPECT_EQ(digest_of(*storage_, "empty")->sha256, sha256_hex(""));
  EXPECT_THAT(names(""), ::testing::ElementsAre("empty"));
}

TEST_P(Conformance, TheEngineOpensWhatTheStoreSaysItCan) {
  ASSERT_TRUE(write("a/k.parquet", "x"));
  const auto uri = storage_->engine_uri("a/k.parquet");
  EXPECT_EQ(uri.has_value(), storage_->capabilities().readable_by_engine);
  if (!uri) {
    EXPECT_EQ(uri.error().code, ErrorCode::kUnsupported);
  }
}

}  // namespace weir::storage
