#include "table/hudi/timeline.h"

#include <gtest/gtest.h>

#include "table/hudi/test_table.h"

namespace weir::table {
namespace {

constexpr const char* kFirst = "20261101000000000";
constexpr const char* kSecond = "20261102000000000";
constexpr const char* kThird = "20261103000000000";

TEST(InstantFile, IsNamedAsHudiNamesIt) {
  using State = Instant::State;
  EXPECT_EQ(instant_file(kFirst, "commit", State::kRequested),
            ".hoodie/20261101000000000.commit.requested");
  EXPECT_EQ(instant_file(kFirst, "commit", State::kInflight), ".hoodie/20261101000000000.inflight");
  EXPECT_EQ(instant_file(kFirst, "commit", State::kCompleted), ".hoodie/20261101000000000.commit");
  EXPECT_EQ(instant_file(kFirst, "replacecommit", State::kRequested),
            ".hoodie/20261101000000000.replacecommit.requested");
  EXPECT_EQ(instant_file(kFirst, "replacecommit", State::kInflight),
            ".hoodie/20261101000000000.replacecommit.inflight");
  EXPECT_EQ(instant_file(kFirst, "replacecommit", State::kCompleted),
            ".hoodie/20261101000000000.replacecommit");
  for (const auto state : {State::kRequested, State::kInflight, State::kCompleted}) {
    for (const auto action : {"commit", "replacecommit"}) {
      const auto instant = parse_instant_file(instant_file(kFirst, action, state));
      ASSERT_TRUE(instant);
      EXPECT_EQ(instant->time, kFirst);
      EXPECT_EQ(instant->action, action);
      EXPECT_EQ(instant->state, state);
    }
  }
}

TEST(InstantFile, OtherFilesAreNoInstants) {
  for (const auto name : {".hoodie/hoodie.properties", ".hoodie/.temp/20261101000000000/x",
                          "20261101000000000.commit", ".hoodie/20261101000000000",
                          ".hoodie/20261101000000000.commit.crc", ".hoodie/2026.commit",
                          ".hoodie/20261101000000000_20261101000000001.commit"})
    EXPECT_FALSE(parse_instant_file(name)) << name;
}

Timeline timeline_of(const std::vector<std::string>& files) {
  const auto store = storage::make_memory_storage();
  for (const auto& file : files)
    EXPECT_TRUE(storage::put(*store, ".hoodie/" + file, "", storage::Put::kReplace));
  return *Timeline::load(*store);
}

TEST(Timeline, AnInstantHasTheFarthestOfItsStates) {
  const Timeline timeline = timeline_of(
      {std::string(kFirst) + ".commit.requested", std::string(kFirst) + ".inflight",
       std::string(kFirst) + ".commit", std::string(kSecond) + ".replacecommit.requested",
       std::string(kSecond) + ".replacecommit.inflight", "hoodie.properties",
       ".temp/" + std::string(kThird) + "/a.marker.CREATE"});
  ASSERT_EQ(timeline.instants().size(), 2U);
  EXPECT_EQ(timeline.instants()[0].state, Instant::State::kCompleted);
  EXPECT_EQ(timeline.instants()[1].state, Instant::State::kInflight);
  EXPECT_EQ(timeline.commits().size(), 1U);
  EXPECT_EQ(timeline.pending_commits().size(), 1U);
  EXPECT_EQ(timeline.last_time(), kSecond);
}

TEST(Timeline, FilesOlderThanTheTimelineCountUnlessPending) {
  const Timeline timeline =
      timeline_of({std::string(kFirst) + ".inflight", std::string(kSecond) + ".commit"});
  EXPECT_TRUE(timeline.shows_files_of(kSecond));
  EXPECT_FALSE(timeline.shows_files_of(kFirst)) << "pending";
  EXPECT_TRUE(timeline.shows_files_of("20261031000000000")) << "archived";
  EXPECT_FALSE(timeline.shows_files_of(kThird)) << "newer than all";
}

TEST(Timeline, WithoutACompletedCommitNoFileCounts) {
  const Timeline timeline = timeline_of({std::string(kFirst) + ".inflight"});
  EXPECT_FALSE(timeline.shows_files_of(kFirst));
  EXPECT_FALSE(timeline.shows_files_of("20261031000000000"));
}

const TimelineLayout kLater{2, ".hoodie/timeline/", ".hoodie/timeline/history/"};

Result<Timeline> later_timeline_of(const std::vector<std::string>& files) {
  const auto store = storage::make_memory_storage();
  for (const auto& file : files)
    EXPECT_TRUE(storage::put(*store, ".hoodie/timeline/" + file, "", storage::Put::kReplace));
  return Timeline::load(*store, kLater);
}

TEST(LaterTimeline, CompletedFilesTellWhen) {
  const std::string first = kFirst;
  const auto timeline = later_timeline_of(
      {first + ".commit.requested", first + ".inflight", first + "_" + kSecond + ".commit",
       std::string(kThird) + ".clustering.inflight", "history/manifest_1",
       "history/" + first + "_" + kSecond + "_0.parquet"});
  ASSERT_TRUE(timeline) << to_line(timeline.error());
  ASSERT_EQ(timeline->commits().size(), 1U);
  EXPECT_EQ(timeline->commits()[0].time, kFirst);
  EXPECT_EQ(timeline->commits()[0].completion, kSecond);
  EXPECT_EQ(bound_of(timeline->commits()[0]), kSecond);
  EXPECT_EQ(timeline->instants().size(), 2U);
  EXPECT_TRUE(timeline->pending_commits().empty());
}

TEST(LaterTimeline, OtherNamesAreNoInstants) {
  for (const auto name :
       {"20261101000000000_2026.commit", "20261101000000000_.commit", "_20261101000000000.commit",
        "20261101000000000_20261101000000001_20261101000000002.commit",
        "20261101000000000_x.commit", "20261101000000000_20261101000000001.inflight",
        "20261101000000000_20261101000000001",
        "20261101000000000_20261101000000001.commit.requested", "20261101000000000.",
        "20261101000000000..commit"})
    EXPECT_FALSE(parse_instant_file(std::string(".hoodie/timeline/") + name, kLater)) << name;
}

TEST(Timeline, InstantThatIsCompletedTwiceIsCorrupt) {
  const std::string first = kFirst;
  for (const auto& timeline :
       {later_timeline_of({first + "_" + kSecond + ".commit", first + "_" + kThird + ".commit"}),
        later_timeline_of(
            {first + "_" + kSecond + ".commit", first + "_" + kSecond + ".replacecommit"})}) {
    ASSERT_FALSE(timeline);
    EXPECT_EQ(timeline.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(timeline.error().message.find(kFirst), std::string::npos);
    EXPECT_NE(timeline.error().message.find("twice"), std::string::npos);
  }
}

TEST(Timeline, ActionsThatWeirDoesNotKnowAreRefused) {
  const std::string first = kFirst;
  for (const auto action : {"deltacommit", "teleport"}) {
    const auto timeline = later_timeline_of({first + "_" + kSecond + "." + action});
    ASSERT_FALSE(timeline);
    EXPECT_EQ(timeline.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(timeline.error().message.find(action), std::string::npos);
    EXPECT_FALSE(timeline.error().hint.empty());
    EXPECT_TRUE(later_timeline_of({first + "." + action + ".requested"})) << "it has done nothing";
  }
}

TEST(Timeline, CommitThatASavepointKeepsDoesNotBeginIt) {
  const std::string first = kFirst;
  const Timeline timeline =
      timeline_of({first + ".commit", first + ".savepoint", std::string(kThird) + ".commit"});
  EXPECT_TRUE(timeline.is_archived(kSecond));
  EXPECT_TRUE(timeline.shows_files_of(kFirst));
  EXPECT_FALSE(
      timeline_of({first + ".commit", std::string(kThird) + ".commit"}).is_archived(kSecond));
}

TEST(NextInstant, IsAfterTheLastWhateverTheClockSays) {
  StillClock clock;  // 2026-11-23
  EXPECT_EQ(*next_instant_time(clock, ""), "20261123000000000");
  EXPECT_EQ(*next_instant_time(clock, "20261122235959999"), "20261123000000000");
  EXPECT_EQ(*next_instant_time(clock, "20261123000000000"), "20261123000000001");
  EXPECT_EQ(*next_instant_time(clock, "20281231235959999"), "20290101000000000");
  EXPECT_EQ(*next_instant_time(clock, "20281231235959"), "20281231235959001");
}

}  // namespace
}  // namespace weir::table
