#include "config/for_each_patterns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::config {
namespace {

using ::testing::HasSubstr;

model::Task task_over(const Json& files) {
  model::Task task;
  task.flow_id = "shop";
  task.task_id = "load";
  task.for_each = {{"files", files}};
  return task;
}

FilePattern pattern_of(const Json& files) {
  auto pattern = file_pattern(task_over(files));
  EXPECT_TRUE(pattern && *pattern) << (pattern ? "" : to_line(pattern.error()));
  return **std::move(pattern);
}

std::string fault_of_files(const Json& files) {
  const auto pattern = file_pattern(task_over(files));
  return pattern ? "" : pattern.error().message;
}

TEST(FilePattern, ATextAloneIsThePattern) {
  const FilePattern pattern = pattern_of("landing/dump/*.csv");
  EXPECT_EQ(pattern.pattern, "landing/dump/*.csv");
  EXPECT_EQ(pattern.max_files, kMostEachValues);
  EXPECT_EQ(pattern.if_none, IfNone::kSucceed);
  EXPECT_EQ(words_of(pattern), "landing/dump/*.csv");
  model::Task other;
  other.for_each = {"a", "b"};
  EXPECT_EQ(file_pattern(other)->has_value(), false);
}

TEST(FilePattern, FilesOfTheEventMayHaveAPatternForOtherRuns) {
  const FilePattern pattern = pattern_of("${trigger.files:-landing/dump/*.csv}");
  ASSERT_TRUE(pattern.of_trigger);
  EXPECT_EQ(pattern.pattern, "landing/dump/*.csv");
  EXPECT_TRUE(pattern_of("${trigger.files}").pattern.empty());
  EXPECT_EQ(words_of(pattern_of("${trigger.files}")), "${trigger.files}");
  EXPECT_THAT(fault_of_files("${trigger.key.day}"), HasSubstr("is no file"));
}

TEST(FilePattern, ListIsBoundedAndAnEmptyOneIsWhatItSays) {
  const FilePattern few = pattern_of({{"pattern", "landing/*.csv"}, {"max_files", 2}});
  EXPECT_EQ(refusal_of(few, 0), "");
  EXPECT_EQ(refusal_of(few, 2), "");
  EXPECT_EQ(refusal_of(few, 3), "'landing/*.csv' finds more files than 2");
  const FilePattern some = pattern_of({{"pattern", "landing/*.csv"}, {"if_none", "fail"}});
  EXPECT_EQ(refusal_of(some, 0), "no file fits 'landing/*.csv'");
  EXPECT_EQ(refusal_of(some, 1), "");
  const FilePattern skipped = pattern_of({{"pattern", "landing/*.csv"}, {"if_none", "skip"}});
  EXPECT_EQ(skipped.if_none, IfNone::kSkip);
  EXPECT_EQ(refusal_of(skipped, 0), "");
}

TEST(FilePattern, FileHasItsPartsAndThoseOfItsKey) {
  const FilePattern pattern = pattern_of(
      {{"pattern", "landing/dump/*/*.csv"}, {"key", R"(dump/(?<region>\w+)/(?<day>\d+))"}});
  const auto value = each_of_file(pattern, "landing/dump/eu/2026.part.csv");
  ASSERT_TRUE(value && *value);
  EXPECT_EQ((**value)["file"], "landing/dump/eu/2026.part.csv");
  EXPECT_EQ((**value)["name"], "2026.part.csv");
  EXPECT_EQ((**value)["stem"], "2026.part");
  EXPECT_EQ((**value)["region"], "eu");
  EXPECT_EQ((**value)["day"], "2026");
  EXPECT_THAT((**value)["id"].get<std::string>(), ::testing::StartsWith("eu_2026.part.csv-"))
      << "what all names have in common is no part of the id";
  EXPECT_EQ(each_of_file(pattern, "landing/dump/eu/none.csv")->has_value(), false);
  const FilePattern plain = pattern_of("landing/*");
  EXPECT_EQ((**each_of_file(plain, "landing/.hidden"))["stem"], ".hidden");
  EXPECT_EQ((**each_of_file(plain, "landing/a.csv"))["id"], "a.csv");
  EXPECT_EQ((**each_of_file(pattern_of("${trigger.files}"), "landing/in/a.csv"))["id"],
            (**each_of_file(plain, "landing/in/a.csv"))["id"]);
}

TEST(FilePattern, FaultsNameTheWord) {
  EXPECT_EQ(fault_of_files(5), "'files' is 5");
  EXPECT_EQ(fault_of_files(Json::object()), "'files' has no 'pattern'");
  EXPECT_EQ(fault_of_files({{"pattern", "landing/*"}, {"mex_files", 1}}),
            "for_each has no 'mex_files'");
  for (const Json& most : {Json(0), Json(-1), Json(kMostEachValues + 1), Json("many"), Json(1.5)})
    EXPECT_THAT(fault_of_files({{"pattern", "landing/*"}, {"max_files", most}}),
                HasSubstr("'max_files' is"))
        << most;
  EXPECT_EQ(fault_of_files({{"pattern", "landing/*"}, {"max_files", kMostEachValues}}), "");
  EXPECT_EQ(fault_of_files({{"pattern", "landing/*"}, {"if_none", "warn"}}),
            "'if_none' is \"warn\"");
  EXPECT_EQ(fault_of_files({{"pattern", "landing/*"}, {"key", 1}}), "'key' is 1");
  EXPECT_EQ(fault_of_files({{"pattern", "landing/*"}, {"key", R"(\d+)"}}),
            R"(key '\d+' has no named group)");
  for (const std::string taken : {"id", "file", "name", "stem"})
    EXPECT_EQ(fault_of_files({{"pattern", "landing/*"}, {"key", "(?<" + taken + ">x)"}}),
              fmt::format("a group of the key cannot be called '{}'", taken));
}

}  // namespace
}  // namespace weir::config
