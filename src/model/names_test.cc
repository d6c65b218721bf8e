#include "model/names.h"

#include <gtest/gtest.h>

namespace weir::model {
namespace {

TEST(ColumnName, HoldsWhatAvroHolds) {
  for (const char* name : {"id", "_x", "A9", "order_id"}) EXPECT_TRUE(is_column_name(name)) << name;
  for (const char* name : {"", "9a", "Order ID", "größe", "a-b", "a.b"})
    EXPECT_FALSE(is_column_name(name)) << name;
}

TEST(ColumnName, IsProposedLikeTheText) {
  EXPECT_EQ(plain_column_name("Order ID"), "order_id");
  EXPECT_EQ(plain_column_name("  No. "), "no");
  EXPECT_EQ(plain_column_name("2nd"), "column_2nd");
  EXPECT_EQ(plain_column_name("\xe4\xbe\xa1"), "column");
  EXPECT_EQ(plain_column_name("_x"), "_x");
  for (const char* text : {"Order ID", "2nd", "", "_", "-9-", "größe"})
    EXPECT_TRUE(is_column_name(plain_column_name(text))) << text;
}

}  // namespace
}  // namespace weir::model
