#include "warehouse/columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::warehouse {
namespace {

model::Schema columns(std::vector<std::pair<std::string, std::string>> list) {
  model::Schema schema;
  for (const auto& [name, type] : list) schema.push_back({name, *model::parse_type(type)});
  return schema;
}

TEST(ChangesFor, SameColumnsNeedNone) {
  const auto changes = changes_for(columns({{"id", "bigint"}}), columns({{"id", "bigint"}}));
  ASSERT_TRUE(changes);
  EXPECT_TRUE(changes->empty());
}

TEST(ChangesFor, NewColumnIsAdded) {
  const auto changes =
      changes_for(columns({{"id", "bigint"}}), columns({{"id", "bigint"}, {"city", "varchar"}}));
  ASSERT_TRUE(changes);
  EXPECT_EQ(changes->added, columns({{"city", "varchar"}}));
  EXPECT_TRUE(changes->widened.empty());
}

TEST(ChangesFor, WiderRowsWidenTheTablesColumnUnderItsOwnName) {
  const auto changes = changes_for(columns({{"Id", "integer"}}), columns({{"id", "bigint"}}));
  ASSERT_TRUE(changes);
  EXPECT_EQ(changes->widened, columns({{"Id", "bigint"}}));
  EXPECT_TRUE(changes->added.empty());
}

TEST(ChangesFor, NarrowerRowsFitAsTheyAre) {
  const auto changes = changes_for(columns({{"id", "bigint"}}), columns({{"id", "integer"}}));
  ASSERT_TRUE(changes);
  EXPECT_TRUE(changes->empty());
}

TEST(ChangesFor, ColumnThatOnlyTheTableHasStays) {
  const auto changes =
      changes_for(columns({{"id", "bigint"}, {"note", "varchar"}}), columns({{"id", "bigint"}}));
  ASSERT_TRUE(changes);
  EXPECT_TRUE(changes->empty());
}

TEST(ChangesFor, TypesWithoutACommonOneAreDrift) {
  const auto changes = changes_for(columns({{"id", "bigint"}}), columns({{"id", "varchar"}}));
  ASSERT_FALSE(changes);
  EXPECT_EQ(changes.error().code, ErrorCode::kSchemaDrift);
  EXPECT_THAT(changes.error().message, ::testing::HasSubstr("'id' is bigint"));
}

}  // namespace
}  // namespace weir::warehouse
