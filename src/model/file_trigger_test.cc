#include "model/file_trigger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::model {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

/// `key: message | hint` of each fault.
std::vector<std::string> faults_of(const Json& trigger) {
  std::vector<std::string> lines;
  for (const auto& [key, error] : check_file_trigger(trigger))
    lines.push_back(fmt::format("{}: {} | {}", key, error.message, error.hint));
  return lines;
}

TEST(FileTrigger, ATextAloneIsThePattern) {
  const auto trigger = file_trigger_from_json("landing/*.csv");
  ASSERT_TRUE(trigger);
  EXPECT_THAT(trigger->sources(), ElementsAre(Pair("", "landing/*.csv")));
  EXPECT_FALSE(trigger->settle_ms);
  EXPECT_FALSE(trigger->starts_existing);
  EXPECT_TRUE(trigger->compares_content);
}

TEST(FileTrigger, AllWordsAreRead) {
  const auto trigger = file_trigger_from_json({{"pattern", "landing/*.csv"},
                                               {"batch", "all"},
                                               {"max_files", "50"},
                                               {"settle", "5s"},
                                               {"marker", "{name}.done"},
                                               {"expect", 3},
                                               {"quiet", "1m"},
                                               {"deadline", "2h"},
                                               {"silence", "26h"},
                                               {"poll", "1m"},
                                               {"events", "arrivals"},
                                               {"existing", "process"},
                                               {"identity", "version"},
                                               {"params", {{"day", "x"}}}});
  ASSERT_TRUE(trigger) << to_line(trigger.error());
  EXPECT_TRUE(trigger->is_batch);
  EXPECT_EQ(trigger->max_files, 50) << "a variable brings words";
  EXPECT_EQ(trigger->settle_ms, 5000);
  EXPECT_EQ(trigger->expect, 3);
  EXPECT_EQ(trigger->quiet_ms, 60'000);
  EXPECT_EQ(trigger->silence_ms, 26 * 3'600'000);
  EXPECT_EQ(trigger->poll_ms, 60'000);
  EXPECT_TRUE(trigger->starts_existing);
  EXPECT_FALSE(trigger->compares_content);
  EXPECT_EQ(trigger->params["day"], "x");
}

TEST(FileTrigger, WhatDoesNotReadIsNamed) {
  EXPECT_THAT(faults_of({{"pattern", "landing/*"}, {"setle", "5s"}}),
              ElementsAre("setle: unknown key 'setle' | did you mean 'settle'?"));
  EXPECT_THAT(faults_of({{"pattern", "landing/*"}, {"settle", "soon"}}),
              ElementsAre(HasSubstr("settle: \"soon\" is no time")));
  EXPECT_THAT(faults_of({{"pattern", "landing/*"}, {"poll", "1ms"}}),
              ElementsAre(HasSubstr("poll: \"1ms\" is no time of 1s or more")));
  EXPECT_THAT(faults_of({{"pattern", "landing/*"}, {"batch", "some"}}),
              ElementsAre("batch: \"some\" is not known | write each or all"));
  EXPECT_THAT(faults_of({{"pattern", "landing"}}),
              ElementsAre(HasSubstr("pattern: 'landing' is not a layer and a glob")));
  EXPECT_THAT(faults_of({{"pattern", "landing/*"}, {"batch", "all"}, {"max_files", 0}}),
              ElementsAre(HasSubstr("max_files: 0 is no whole number from 1")));
  EXPECT_THAT(faults_of({{"settle", "1s"}}), ElementsAre(HasSubstr("neither 'pattern' nor 'set'")));
  EXPECT_THAT(faults_of({{"pattern", "a/b"}, {"set", {{"x", "a/c"}}}, {"key", "(?<k>x)"}}),
              ElementsAre(HasSubstr("says 'pattern' and 'set'")));
}

TEST(FileTrigger, WordsThatNeedOthersSayWhich) {
  EXPECT_THAT(faults_of({{"set", {{"a", "l/a"}}}}), ElementsAre(HasSubstr("a set needs a key")));
  EXPECT_THAT(faults_of({{"pattern", "l/*"}, {"key", R"(\d{8})"}}),
              ElementsAre(AllOf(HasSubstr("has no named group"), HasSubstr("(?<day>"))));
  EXPECT_THAT(faults_of({{"pattern", "l/*"}, {"key", "(?<day>"}}),
              ElementsAre(HasSubstr("is broken at offset")));
  EXPECT_THAT(faults_of({{"pattern", "l/*"}, {"key", "(?<d>x)"}, {"batch", "all"}}),
              ElementsAre(HasSubstr("'batch' does not go with 'key'")));
  EXPECT_THAT(faults_of({{"pattern", "l/*"}, {"max_files", 3}}),
              ElementsAre(HasSubstr("'max_files' needs batch: all")));
  EXPECT_THAT(faults_of({{"pattern", "l/*.csv"}, {"control", "l/*.ctl"}}),
              ElementsAre(HasSubstr("'control' needs a key")));
  EXPECT_THAT(faults_of({{"pattern", "l/*"}, {"quiet", "1m"}}),
              ElementsAre(HasSubstr("'quiet' needs a key, or batch: all")));
  EXPECT_THAT(faults_of({{"pattern", "l/*"}, {"expect", 3}}), ElementsAre(HasSubstr("'expect'")));
  EXPECT_THAT(faults_of({{"pattern", "l/*"}, {"batch", "all"}, {"max_files", 2}, {"expect", 3}}),
              ElementsAre(HasSubstr("no run of at most 2 files has 3")));
}

TEST(FileTrigger, FilesThatOnlySayAreNoData) {
  EXPECT_THAT(faults_of({{"pattern", "l/in/*"}, {"marker", "{name}.done"}}),
              ElementsAre(AllOf(HasSubstr("marker: 'l/in/*' takes markers, too"),
                                HasSubstr("'in/x.done' would wait"))));
  EXPECT_THAT(faults_of({{"pattern", "l/in/*.csv"}, {"marker", "{name}.done"}}), IsEmpty());
  EXPECT_THAT(faults_of({{"pattern", "l/*"}, {"marker", "{name}"}}),
              ElementsAre(HasSubstr("is the file itself")));
  EXPECT_THAT(faults_of({{"pattern", "l/*.csv"}, {"marker", "{nmae}.done"}}),
              ElementsAre(HasSubstr("is no name of a marker")));
  EXPECT_THAT(faults_of({{"pattern", "l/*.csv"}, {"marker", "done/{name}"}}),
              ElementsAre(HasSubstr("has no '/'")));
  EXPECT_THAT(faults_of({{"pattern", "l/**"}, {"manifest", "l/*.json"}}),
              ElementsAre(HasSubstr("it would wait for itself")));
  EXPECT_THAT(faults_of({{"pattern", "l/**"}, {"manifest", "other/*.json"}}), IsEmpty());
}

TEST(FileTrigger, AParameterNamesAGroupThatIsThere) {
  EXPECT_THAT(faults_of({{"pattern", "l/*"},
                         {"key", R"((?<day>\d{8}))"},
                         {"params", {{"at", "${trigger.key.dya}"}}}}),
              ElementsAre(AllOf(HasSubstr("the group 'dya', which the key does not have"),
                                HasSubstr("did you mean 'day'?"))));
}

TEST(FileTrigger, VariablesPassUntilTheyAreKnown) {
  EXPECT_THAT(faults_of({{"pattern", "l/*"}, {"settle", "${S}"}, {"existing", "${E:-ignore}"}}),
              IsEmpty());
}

TEST(MarkerName, IsBesideItsFile) {
  EXPECT_EQ(marker_name("{name}.done", "in/a.tar.gz"), "in/a.tar.gz.done");
  EXPECT_EQ(marker_name("{stem}.ok", "in/a.tar.gz"), "in/a.tar.ok");
  EXPECT_EQ(marker_name("_SUCCESS", "in/a.csv"), "in/_SUCCESS");
  EXPECT_EQ(marker_name("{stem}.ok", ".hidden"), ".hidden.ok");
}

TEST(SampleName, FitsItsGlob) {
  EXPECT_EQ(sample_name("in/**/a-[0-9]?.{csv,txt}"), "in/x/a-0x.csv");
}

}  // namespace
}  // namespace weir::model
