#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "table/hudi/bucket_hash.h"
#include "table/hudi/test_foreign_table.h"
#include "table/services.h"

namespace weir::table {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kTime = "20260101000000000";

std::string group_of(int32_t bucket) {
  return fmt::format("{:08}-e0f0-4afc-a697-ac1b9f15c56f-0", bucket);
}

/// A file of people as ForeignTable makes it, with record keys of their own: it has the time there.
void add_keys(ForeignTable& foreign, const std::string& group, const std::vector<std::string>& keys,
              const std::string& partition = "") {
  std::string rows;
  for (size_t i = 0; i < keys.size(); ++i)
    rows += fmt::format(R"({}{{"id": {}, "name": "x"}})", rows.empty() ? "" : ", ", i);
  foreign.add_file({group, kTime, partition}, keys,
                   {arrow::field("id", arrow::int64()), arrow::field("name", arrow::utf8())},
                   "[" + rows + "]");
}

struct People {
  explicit People(const std::map<std::string, std::string>& properties = {})
      : foreign(6, properties) {}
  /// Keys from `first` to `last` in the files of that many buckets.
  void add(int32_t buckets, int first, int last, const std::string& partition = "") {
    std::map<int32_t, std::vector<std::string>> files;
    for (int id = first; id < last; ++id) {
      const std::string key = fmt::format("kéy {}", id);
      files[bucket_of(java_hash(KeyFields{key}), buckets)].push_back(key);
    }
    for (auto& [bucket, keys] : files) {
      if (partition.empty() && bucket == 1) keys.insert(keys.end(), strays.begin(), strays.end());
      add_keys(foreign, group_of(bucket), keys, partition);
      stats.push_back(ForeignTable::stat(group_of(bucket), kTime, "", partition));
    }
  }
  Buckets check() {
    foreign.commit({kTime, "", stats});
    const auto table = foreign.open();
    const auto found = check_buckets(*table, table->snapshot().value(), Cancel());
    EXPECT_TRUE(found) << to_line(found.error());
    return found.value_or(Buckets{});
  }
  ForeignTable foreign;
  std::vector<WriteStat> stats;
  std::vector<std::string> strays;
};

TEST(BucketCheck, FindsEachRowWhereItsHashSays) {
  People people;
  people.add(7, 0, 200);
  people.add(3, 200, 260, "city=oslo");
  const Buckets found = people.check();
  EXPECT_THAT(found.partitions, ElementsAre("", "city=oslo"));
  EXPECT_EQ(found.rows, 260);
  EXPECT_THAT(found.misplaced, IsEmpty());
}

TEST(BucketCheck, NamesRowsThatLieElsewhere) {
  People people;
  std::string stray = "stray 0";
  for (int i = 0; bucket_of(java_hash(KeyFields{stray}), 4) != 3; ++i)
    stray = fmt::format("stray {}", i);
  people.strays = {stray};
  people.add(4, 0, 100);
  const Buckets found = people.check();
  ASSERT_THAT(found.misplaced, SizeIs(1));
  EXPECT_EQ(found.misplaced[0].file, ForeignTable::file_of(group_of(1), kTime));
  EXPECT_EQ(found.misplaced[0].rows, 1);
  EXPECT_EQ(found.misplaced[0].key, stray);
  EXPECT_EQ(found.misplaced[0].bucket, 1);
  EXPECT_EQ(found.misplaced[0].belongs, 3);
}

TEST(BucketCheck, BelievesTheProperties) {
  const std::map<std::string, std::string> eight = {{"hoodie.bucket.index.num.buckets", "8"}};
  People people(eight);
  people.add(4, 0, 100);
  const Buckets found = people.check();
  int64_t rows = 0;
  for (const auto& misplaced : found.misplaced) rows += misplaced.rows;
  EXPECT_GT(rows, 20);
  EXPECT_LT(rows, 80);
}

TEST(BucketCheck, SeesNoneWhereThereAreNone) {
  People people;
  add_keys(people.foreign, "d6c787b6-23de-4b9b-8810-ea7d2aa1f6f9-0", {"1", "2"});
  people.stats = {ForeignTable::stat("d6c787b6-23de-4b9b-8810-ea7d2aa1f6f9-0", kTime)};
  const Buckets found = people.check();
  EXPECT_THAT(found.partitions, IsEmpty());
  EXPECT_EQ(found.rows, 0);
}

}  // namespace
}  // namespace weir::table
