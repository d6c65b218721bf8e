#include "templates/templates.h"

#include <gtest/gtest.h>

#include "task/contract.h"

namespace weir::templates {
namespace {

// Rules that every template keeps. One loop, so a new template is covered on the day it is added.
TEST(EveryTemplate, KeepsTheContract) {
  std::string previous;
  for (const auto& made : all()) {
    SCOPED_TRACE(made.name);
    EXPECT_LT(previous, made.name) << "names are unique and in order";
    const auto kept = task::check_contract(made);
    EXPECT_TRUE(kept) << (kept ? "" : to_line(kept.error()));
    for (const auto& param : made.params)
      EXPECT_FALSE(param.is_required && !param.otherwise.is_null()) << param.name;
    previous = made.name;
  }
}

TEST(EveryTemplate, RefusesWhatItDoesNotKnowAndWhatIsMissing) {
  for (const auto& made : all()) {
    SCOPED_TRACE(made.name);
    Json params = made.examples.front().params;
    params["no_such_parameter"] = 1;
    const auto unknown = made.lint(params);
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, ErrorCode::kInvalidConfig);
    EXPECT_NE(unknown.error().message.find("no_such_parameter"), std::string::npos);
    for (const auto& param : made.params) {
      if (!param.is_required) continue;
      Json without = made.examples.front().params;
      without.erase(param.name);
      EXPECT_FALSE(made.lint(without)) << param.name;
    }
  }
}

}  // namespace
}  // namespace weir::templates
