#include "base/nearest.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

const std::vector<std::string> kWords = {"from", "to", "mode", "deletes", "max_deleted_percent"};

TEST(Nearest, FindsTheWordThatWasMeant) {
  EXPECT_EQ(nearest("form", kWords), "from") << "a swap counts one";
  EXPECT_EQ(nearest("delete", kWords), "deletes");
  EXPECT_EQ(nearest("max_delted_percnt", kWords), "max_deleted_percent");
  EXPECT_EQ(did_you_mean("form", kWords), "did you mean 'from'?");
}

TEST(Nearest, IsSilentWhereNothingIsNear) {
  EXPECT_EQ(nearest("schedule", kWords), "");
  EXPECT_EQ(nearest("ab", kWords), "");
  EXPECT_EQ(nearest("x", {}), "");
  EXPECT_EQ(nearest(std::string(1'000'000, 'x'), kWords), "");
  EXPECT_EQ(did_you_mean("schedule", kWords), "");
}

}  // namespace
}  // namespace weir
