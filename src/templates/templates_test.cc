#include "templates/templates.h"

#include <set>

#include <gtest/gtest.h>

namespace weir::templates {
namespace {

// Rules that every template keeps. One loop, so a new template is covered on the day it is added.
TEST(EveryTemplate, KeepsTheContract) {
  std::string previous;
  for (const auto& made : all()) {
    SCOPED_TRACE(made.name);
    EXPECT_LT(previous, made.name) << "names are unique and in order";
    EXPECT_TRUE(made.summary.ends_with('.')) << "the summary is a sentence";
    EXPECT_FALSE(made.examples.empty()) << "a template shows how it is used";
    EXPECT_NE(made.plan == nullptr, made.run == nullptr) << "a template plans or acts, not both";
    EXPECT_EQ(made.plan != nullptr, made.operation.has_value()) << "what it plans is said";
    std::set<std::string> names;
    for (const auto& param : made.params) {
      EXPECT_TRUE(param.doc.ends_with('.')) << param.name;
      EXPECT_TRUE(names.insert(param.name).second) << param.name << " stands twice";
      EXPECT_FALSE(param.is_required && !param.otherwise.is_null()) << param.name;
    }
    for (const auto& example : made.examples) {
      const auto lint = made.lint(example.params);
      EXPECT_TRUE(lint) << example.title << ": " << (lint ? "" : to_line(lint.error()));
    }
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
