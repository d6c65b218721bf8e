#include "table/hudi/under_way.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "table/hudi/test_foreign_table.h"
#include "table/write_rows.h"

namespace weir::table {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kMonday = "20260105000000000";
constexpr const char* kTuesday = "20260106000000000";
constexpr const char* kGroup = "d6c787b6-23de-4b9b-8810-ea7d2aa1f6f9-0";

class UnderWay : public ::testing::Test {
 protected:
  UnderWay() {
    foreign_.add_people(kGroup, kMonday, {{1, "ann", kMonday}});
    foreign_.commit({kMonday, "", {ForeignTable::stat(kGroup, kMonday)}});
    table_ = foreign_.open();
  }

  Result<RowsWritten> write_bob() {
    RowWrite write;
    write.rows = "(SELECT 2::BIGINT AS id, 'bob' AS name)";
    write.schema = people_schema();
    write.token = "rows of bob";
    const auto session = sql::open_session({}, cancel_).value();
    return write_rows(*session, *table_, write, cancel_);
  }

  ForeignTable foreign_{6};
  std::unique_ptr<HudiTable> table_;
  Cancel cancel_;
};

TEST_F(UnderWay, NoRowsOnTopOfAnothersCommit) {
  for (const std::string begun : {".commit.requested", ".inflight", ".replacecommit.requested"}) {
    SCOPED_TRACE(begun);
    const std::string file = std::string(".hoodie/") + kTuesday + begun;
    foreign_.put(file, "");
    ASSERT_TRUE(end_leftovers(*table_));
    const auto before = storage::list_all(foreign_.store(), "").value();
    const auto written = write_bob();
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, ErrorCode::kConflict) << to_line(written.error());
    EXPECT_THAT(written.error().message, HasSubstr(kTuesday));
    EXPECT_EQ(storage::list_all(foreign_.store(), "").value(), before);
    ASSERT_TRUE(foreign_.store().remove(file));
  }
  const auto written = write_bob();
  ASSERT_TRUE(written) << to_line(written.error());
  EXPECT_THAT(snapshot_lines(*table_), ElementsAre("1 ann", "2 bob"));
}

TEST_F(UnderWay, WhatWeirRequestedAndNoMoreIsUndoneInAnothersTable) {
  const auto before = storage::list_all(foreign_.store(), "").value();
  auto dies = table_->prepare(Action::kReplaceCommit).value();
  EXPECT_NE(storage::list_all(foreign_.store(), "").value(), before);
  EXPECT_EQ(end_leftovers(*table_).value(), 1);
  auto after = storage::list_all(foreign_.store(), "").value();
  std::erase_if(after, [](const auto& entry) { return entry.name.contains(".aux/weir/"); });
  EXPECT_EQ(after, before);
  ASSERT_TRUE(write_bob());
}

TEST_F(UnderWay, OtherActionsAreNoMatter) {
  for (const std::string action : {"clean", "rollback", "indexing"})
    foreign_.put(fmt::format(".hoodie/{}.{}.requested", kTuesday, action), "");
  EXPECT_TRUE(check_none_under_way(foreign_.store(), ""));
}

}  // namespace
}  // namespace weir::table
