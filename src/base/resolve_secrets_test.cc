#include "base/resolve_secrets.h"

#include <gmock/gmock.h>

namespace weir {
namespace {

/// A password that was rotated after it was asked for, and a server that takes the new one alone.
class Rotation : public ::testing::Test {
 protected:
  Result<int> open(const Json& options) {
    given_.push_back(options.at("password"));
    if (given_.back() == "new") return 1;
    return fail(code_, "no entry");
  }
  Result<int> open() {
    return open_with_secrets(secrets_, {{"password", "secret://db"}}, cancel_,
                             [this](const Json& options) { return open(options); });
  }

  ErrorCode code_ = ErrorCode::kDenied;
  std::string kept_ = "old";
  std::string newest_ = "new";
  Cancel cancel_;
  std::vector<std::string> given_;
  ResolveSecrets secrets_{[this](const Json& options, const Cancel&) -> Result<Json> {
                            Json with_values = options;
                            with_values["password"] = kept_;
                            return with_values;
                          },
                          [this](const Json&) { kept_ = newest_; }};
};

TEST_F(Rotation, DeniedIsTriedOnceMoreWithWhatIsThereNow) {
  EXPECT_TRUE(open());
  EXPECT_THAT(given_, ::testing::ElementsAre("old", "new"));
}

TEST_F(Rotation, WrongPasswordIsNotSentTwice) {
  newest_ = "old";
  EXPECT_FALSE(open());
  EXPECT_THAT(given_, ::testing::ElementsAre("old"));
}

TEST_F(Rotation, OtherErrorsSayNothingOfThePassword) {
  code_ = ErrorCode::kUnavailable;
  EXPECT_FALSE(open());
  EXPECT_THAT(given_, ::testing::ElementsAre("old"));
}

TEST_F(Rotation, OptionsWithoutAKeeperGoAsTheyAre) {
  secrets_ = {};
  EXPECT_FALSE(open());
  EXPECT_THAT(given_, ::testing::ElementsAre("secret://db"));
}

}  // namespace
}  // namespace weir
