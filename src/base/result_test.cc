#include "base/result.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(ErrorCode, EveryTextIsUniqueAndReadsBack) {
  std::set<std::string_view> texts;
  for (const ErrorCode code : all_error_codes()) {
    EXPECT_TRUE(texts.insert(to_text(code)).second) << to_text(code);
    EXPECT_EQ(error_code_from_text(to_text(code)), code);
  }
  EXPECT_EQ(texts.size(), static_cast<size_t>(ErrorCode::kInternal) + 1);
  EXPECT_EQ(error_code_from_text("no_such_code"), std::nullopt);
}

TEST(ErrorCode, OnlyWhatExitsWith75IsRetried) {
  for (const ErrorCode code : all_error_codes())
    EXPECT_EQ(is_retried(code), exit_status(code) == 75) << to_text(code);
  EXPECT_EQ(exit_status(ErrorCode::kCancelled), 130);
  EXPECT_EQ(exit_status(ErrorCode::kSchemaDrift), 4);
}

Result<int> half_of(int number) {
  if (number % 2 != 0)
    return fail_with_hint(ErrorCode::kInvalidData, fmt::format("{} is odd", number),
                          "give an even one");
  return number / 2;
}

Result<int> quarter_of(int number) {
  WEIR_ASSIGN(const int half, half_of(number));
  WEIR_TRY(half_of(half));
  return while_doing(half_of(half), "halving again");
}

TEST(Result, TheFirstErrorLeavesTheFunction) {
  EXPECT_EQ(quarter_of(8), 2);
  EXPECT_EQ(quarter_of(7).error().message, "7 is odd");
  EXPECT_EQ(quarter_of(6).error().message, "3 is odd");
}

TEST(Error, ALineHoldsTrailAndHint) {
  Error error = half_of(3).error();
  error = std::move(error).while_doing("counting").while_doing("loading 'k'");
  EXPECT_EQ(to_line(error),
            "invalid_data: 3 is odd, while counting, while loading 'k' | hint: give an even one");
}

TEST(Error, ATerminalShowsTheWordsAtFault) {
  const Error error =
      Error{ErrorCode::kInvalidConfig, "unknown parameter 'form'", {}, {}, std::nullopt}
          .at({"flow.yaml", 14, 3, "  form: landing/", 4})
          .while_doing("validating")
          .with_hint("did you mean 'from'?");
  EXPECT_EQ(to_terminal(error),
            "error: unknown parameter 'form'\n"
            "  flow.yaml:14:3:    form: landing/\n"
            "                     ^^^^\n"
            "  while validating\n"
            "  help: did you mean 'from'?\n");
}

TEST(Error, NothingInItMovesATerminalsCursor) {
  const Error error = Error{ErrorCode::kInvalidConfig, "header '\x1B[2J'", {}, {}, std::nullopt}.at(
      {"a.yaml", 1, 4, "a:\t\xEB\x1B", 1});
  EXPECT_EQ(to_terminal(error),
            "error: header '\uFFFD[2J'\n"
            "  a.yaml:1:4:  a: \uFFFD\uFFFD\n"
            "                  ^\n");
}

}  // namespace
}  // namespace weir
