#include "base/option_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using ::testing::HasSubstr;

TEST(OptionReader, TakesNumbersAndFlagsAsWordsToo) {
  int tries = 0;
  int64_t port = 0;
  bool is_on = false;
  for (const Json& options : {Json{{"tries", 8}, {"port", 587}, {"on", true}},
                              Json{{"tries", "8"}, {"port", "587"}, {"on", "true"}}}) {
    tries = 0;
    port = 0;
    is_on = false;
    ASSERT_TRUE(read_options(
        "x", options,
        {{"tries", into_number(tries, 1)}, {"port", into_port(port)}, {"on", into_flag(is_on)}}));
    EXPECT_EQ(tries, 8);
    EXPECT_EQ(port, 587);
    EXPECT_TRUE(is_on);
  }
}

TEST(OptionReader, NamesTheOptionAtFault) {
  int tries = 0;
  int64_t port = 0;
  bool is_on = false;
  for (const Json& options :
       {Json{{"tries", 0}}, Json{{"tries", "8x"}}, Json{{"tries", 1.5}},
        Json{{"tries", "99999999999"}}, Json{{"port", 65'536}}, Json{{"port", ""}}, Json{{"on", 1}},
        Json{{"on", "yes"}}, Json{{"trys", 1}}}) {
    const auto read = read_options(
        "x", options,
        {{"tries", into_number(tries, 1)}, {"port", into_port(port)}, {"on", into_flag(is_on)}});
    ASSERT_FALSE(read) << dump_json(options);
    EXPECT_EQ(read.error().code, ErrorCode::kInvalidConfig);
    EXPECT_THAT(read.error().message, HasSubstr(options.begin().key()));
  }
}

}  // namespace
}  // namespace weir
