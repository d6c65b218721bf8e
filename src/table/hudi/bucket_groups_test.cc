#include "table/hudi/bucket_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "table/hudi/test_foreign_table.h"
#include "table/write_rows.h"

namespace weir::table {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kBucket0 = "00000000-8aa3-423b-944c-d5e1171d3cd1-0";
constexpr const char* kBucket3 = "00000003-e0f0-4afc-a697-ac1b9f15c56f-0";
constexpr const char* kOther = "d6c787b6-23de-4b9b-8810-ea7d2aa1f6f9-0";

FileSlice slice(const std::string& group, const std::string& sha256 = "") {
  FileSlice slice;
  slice.file_group_id = group;
  slice.sha256 = sha256;
  return slice;
}

TEST(BucketGroups, AreToldByTheirIds) {
  EXPECT_TRUE(check_no_buckets({}));
  EXPECT_TRUE(check_no_buckets({slice(kOther)}));
  EXPECT_TRUE(check_no_buckets({slice(kBucket0), slice(kOther)}))
      << "beside another Spark itself cannot go on with buckets";
  EXPECT_TRUE(check_no_buckets({slice("12345678-23de-4b9b-8810-ea7d2aa1f6f9-0")}))
      << "digits by chance";
  EXPECT_TRUE(check_no_buckets({slice("0000000a-23de-4b9b-8810-ea7d2aa1f6f9-0")}));
  EXPECT_TRUE(check_no_buckets({slice("00000003")}));
  EXPECT_TRUE(check_no_buckets({slice(kBucket0, "sha of weir's own file")}));
  const auto refused = check_no_buckets({slice(kBucket0), slice(kBucket3)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(refused.error().message, HasSubstr("hoodie.index.type BUCKET"));
  EXPECT_THAT(refused.error().message, HasSubstr(kBucket0));
}

TEST(BucketGroups, MayBeThoseOfSomePartitionsOnly) {
  const auto in = [](const std::string& partition, const std::string& group) {
    FileSlice each = slice(group);
    each.partition = partition;
    return each;
  };
  const std::vector<FileSlice> mixed = {in("city=oslo", kOther), in("city=rome", kBucket0),
                                        in("city=rome", kBucket3)};
  EXPECT_THAT(bucket_partitions(mixed), ElementsAre("city=rome"));
  EXPECT_FALSE(check_no_buckets(mixed));
  EXPECT_FALSE(check_no_buckets(
      {in("city=oslo", kBucket0), in("city=rome", kBucket0), in("city=bonn", kOther)}));
  EXPECT_TRUE(check_no_buckets({in("city=oslo", kBucket0), in("city=rome", kOther)}))
      << "one alone may be so by chance";
  EXPECT_TRUE(check_no_buckets({in("city=oslo", kBucket0), in("city=oslo", kOther),
                                in("city=rome", kOther), in("city=rome", kBucket3)}));
}

TEST(BucketGroups, TakeNoRows) {
  ForeignTable foreign(6);
  foreign.add_people(kBucket3, "20260101000000000", {{1, "ann", "20260101000000000"}});
  foreign.commit({"20260101000000000", "", {ForeignTable::stat(kBucket3, "20260101000000000")}});
  const auto before = storage::list_all(foreign.store(), "").value();
  const auto table = foreign.open();
  const Cancel cancel;
  const auto session = sql::open_session({}, cancel).value();
  for (const auto operation : {RowOperation::kInsert, RowOperation::kUpsert, RowOperation::kDelete,
                               RowOperation::kOverwritePartitions, RowOperation::kOverwriteTable}) {
    RowWrite write;
    write.operation = operation;
    write.rows = "(SELECT 2::BIGINT AS id, 'bob' AS name)";
    write.schema = people_schema();
    write.token = "rows of bob";
    const auto written = write_rows(*session, *table, write, cancel);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, ErrorCode::kUnsupported) << to_line(written.error());
    EXPECT_THAT(written.error().message, HasSubstr("BUCKET"));
  }
  EXPECT_EQ(storage::list_all(foreign.store(), "").value(), before);
  EXPECT_THAT(snapshot_lines(*table), ElementsAre("1 ann"));
}

}  // namespace
}  // namespace weir::table
