#include "base/base64.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace weir {
namespace {

TEST(Base64, GivesTheVectorsOfTheStandard) {
  // RFC 4648, section 10.
  for (const auto& [bytes, text] : {std::pair{"", ""},
                                    {"f", "Zg=="},
                                    {"fo", "Zm8="},
                                    {"foo", "Zm9v"},
                                    {"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(base64(bytes), text);
    EXPECT_EQ(*from_base64(text), bytes);
  }
}

RC_GTEST_PROP(Base64, GivesBackWhatWentIn, (const std::string& bytes)) {
  RC_ASSERT(*from_base64(base64(bytes)) == bytes);
}

TEST(Base64, OtherTextsAreRefused) {
  for (const char* text : {"Zg", "Zg=", "Zg==\n", " Zg=", "Z*==", "Zm9v Zm9v"})
    EXPECT_EQ(from_base64(text).error().code, ErrorCode::kInvalidData) << text;
}

}  // namespace
}  // namespace weir
