// What commits record of the keys in a file, and that writers leave files alone by it.

#include "table/hudi/key_ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "table/hudi/test_table.h"
#include "table/write_rows.h"

namespace weir::table {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Ranges of what a query gives, taken in pieces of two rows.
std::vector<KeyRange> ranges_of(const std::string& query, const std::vector<std::string>& columns) {
  const Cancel cancel;
  const auto session = sql::open_session({}, cancel).value();
  const auto reader = session->stream(query).value();
  std::unique_ptr<KeyRangesOfFile> ranges;
  while (const auto batch = reader->next().value()) {
    if (!ranges) ranges = std::make_unique<KeyRangesOfFile>(*batch->schema(), columns);
    for (int64_t i = 0; i < batch->num_rows(); i += 2)
      EXPECT_TRUE(ranges->take(batch->Slice(i, 2)->columns()));
  }
  return ranges->ranges().value();
}

TEST(KeyRanges, AreOrderedAsTheirTypesAre) {
  EXPECT_THAT(
      ranges_of(
          "SELECT * FROM (VALUES (9, 10::BIGINT, 1.50::DECIMAL(20,2), DATE '1582-10-14', 'b'), "
          "(-10, NULL, -12.25, DATE '2026-01-02', 'é'), (100, 9, 3, DATE '0999-12-31', 'B')) "
          "v(i, l, d, t, s)",
          {"i", "l", "d", "t", "s"}),
      ElementsAre(KeyRange{"i", "-10", "100"}, KeyRange{"l", "9", "10"},
                  KeyRange{"d", "-12.25", "3.00"}, KeyRange{"t", "0999-12-31", "2026-01-02"},
                  KeyRange{"s", "B", "é"}));
}

TEST(KeyRanges, AreLeftOutWhereTheyCannotBeTold) {
  EXPECT_THAT(
      ranges_of("SELECT true AS b, NULL::INTEGER AS n, repeat('x', 257) AS s, 'a' || chr(0) "
                "AS z",
                {"b", "n", "s", "z", "absent"}),
      IsEmpty());
  EXPECT_THAT(ranges_of("SELECT repeat('x', 256) AS s", {"s"}), ::testing::SizeIs(1));
}

class FarFiles : public ::testing::Test {
 protected:
  FarFiles() {
    TableOptions options;
    options.name = "rows";
    options.record_key = {"id"};
    options.partition_by = {"city"};
    options.schema = {{"id", model::parse_type("bigint").value(), true},
                      {"city", model::parse_type("varchar").value(), true}};
    table_ = create_table(test_.context, options).value();
    EXPECT_TRUE(upsert("SELECT id, 'Oslo' AS city FROM range(10, 20) t(id)"));
    EXPECT_TRUE(upsert("SELECT id, 'Bergen' AS city FROM range(100, 110) t(id)"));
  }

  Result<RowsWritten> upsert(const std::string& query) {
    RowWrite write;
    write.rows = "(" + query + ")";
    write.schema = {{"id", model::parse_type("bigint").value(), true},
                    {"city", model::parse_type("varchar").value(), true}};
    write.token = query;
    const auto session = sql::open_session({}, cancel_).value();
    return write_rows(*session, *table_, write, cancel_);
  }

  std::unique_ptr<storage::Storage> store_ = storage::make_memory_storage();
  TestContext test_{*store_};
  Cancel cancel_;
  std::unique_ptr<HudiTable> table_;
};

TEST_F(FarFiles, AreNotOpened) {
  const auto snapshot = table_->snapshot().value();
  for (const auto& slice : snapshot.slices) {
    if (slice.partition != "city=Bergen") continue;
    ASSERT_TRUE(storage::put(*store_, slice.name, "no Parquet", storage::Put::kReplace));
  }
  const auto near = upsert("SELECT 15::BIGINT AS id, 'Oslo' AS city");
  ASSERT_TRUE(near) << to_line(near.error());
  EXPECT_EQ(near->updated, 1);
  EXPECT_EQ(near->rows, 20);
  const auto far = upsert("SELECT 100::BIGINT AS id, 'Bergen' AS city");
  ASSERT_FALSE(far);
  EXPECT_THAT(to_line(far.error()), HasSubstr("Bergen"));
}

TEST_F(FarFiles, TheFirstAndTheLastKeyAreInTheRange) {
  for (const int id : {10, 19, 100, 109}) {
    const auto written = upsert(fmt::format("SELECT {}::BIGINT AS id, 'Oslo' AS city", id));
    ASSERT_TRUE(written) << to_line(written.error());
    EXPECT_EQ(written->updated, 1) << id;
    EXPECT_EQ(written->rows, 20) << id;
  }
  const auto around = upsert("SELECT unnest([5, 500]::BIGINT[]) AS id, 'Oslo' AS city");
  ASSERT_TRUE(around) << to_line(around.error());
  EXPECT_EQ(around->inserted, 2);
}

}  // namespace
}  // namespace weir::table
