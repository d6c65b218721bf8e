#include "templates/templates.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

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

// What a parameter says of itself holds for its default.
TEST(EveryTemplate, TakesItsOwnDefaults) {
  for (const auto& made : all()) {
    SCOPED_TRACE(made.name);
    Json params = made.examples.front().params;
    for (const auto& param : made.params) {
      if (!param.is_required && !params.contains(param.name)) params[param.name] = param.otherwise;
    }
    const auto lint = made.lint(params);
    EXPECT_TRUE(lint) << (lint ? "" : to_line(lint.error()));
  }
}

// What it does is shown in a flow case, whose runner does it twice and kills it.
TEST(EveryTemplate, HasFlowCasesOfItsName) {
  const char* source = std::getenv("WEIR_SOURCE");
  ASSERT_NE(source, nullptr) << "set WEIR_SOURCE to the repository, as ctest does";
  const auto folder = std::filesystem::path(source) / "tests" / "flows" / "templates";
  for (const auto& made : all()) {
    const auto file = folder / (made.name + ".flow");
    std::ifstream stream(file);
    const std::string text(std::istreambuf_iterator<char>(stream), {});
    EXPECT_NE(text.find("template: " + made.name), std::string::npos)
        << "write the cases of " << made.name << ": " << file;
  }
}

TEST(EveryTemplate, RefusesWhatItDoesNotKnowAndWhatIsMissing) {
  for (const auto& made : all()) {
    SCOPED_TRACE(made.name);
    Json params = made.examples.front().params;
    params["no_such_parameter"] = 1;
    const auto unknown = made.lint(params);
    ASSERT_FALSE(unknown) << "an unknown parameter is refused";
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
