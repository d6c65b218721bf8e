#include "arrivals/event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace weir::arrivals {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kNow = 1'700'000'000'000'000;

Json record(const std::string& name, const std::string& key, const std::string& sequencer) {
  return {{"eventName", name},
          {"eventTime", "2026-01-05T06:00:00.000Z"},
          {"s3",
           {{"bucket", {{"name", "shop"}}},
            {"object", {{"key", key}, {"sequencer", sequencer}, {"eTag", "e1"}}}}}};
}

std::string body_of(const std::vector<Json>& records) { return dump_json({{"Records", records}}); }

std::vector<std::string> files_of(const Result<std::vector<FileEvent>>& events) {
  std::vector<std::string> files;
  if (!events) return {"fault: " + events.error().message};
  for (const auto& event : *events) files.push_back(event.file);
  return files;
}

TEST(ReadEvents, AKeyOfS3IsWrittenAsFormsDo) {
  const auto events =
      read_events(body_of({record("ObjectCreated:Put", "in/f+1%C3%BC%2B.csv", "0A")}), kNow);
  EXPECT_THAT(files_of(events), ElementsAre("s3://shop/in/f 1\u00fc+.csv"));
  EXPECT_EQ(events->front().otherwise, "s3://shop/in/f+1%C3%BC%2B.csv");
  EXPECT_EQ(events->front().id, "s3://shop/in/f 1\u00fc+.csv#0A");
}

TEST(ReadEvents, MinioSaysTheSameWithS3BeforeIt) {
  Json body = {{"EventName", "s3:ObjectCreated:Put"},
               {"Key", "shop/in/a.csv"},
               {"Records", {record("s3:ObjectCreated:Put", "in%2Fa.csv", "17C")}}};
  EXPECT_THAT(files_of(read_events(dump_json(body), kNow)), ElementsAre("s3://shop/in/a.csv"));
}

TEST(ReadEvents, EnvelopesOfSnsAndEventBridgeAreOpened) {
  const Json bridge = {
      {"detail-type", "Object Created"},
      {"source", "aws.s3"},
      {"time", "2026-01-05T06:00:00Z"},
      {"detail",
       {{"bucket", {{"name", "shop"}}}, {"object", {{"key", "in/f+1.csv"}, {"sequencer", "1"}}}}}};
  EXPECT_THAT(files_of(read_events(dump_json(bridge), kNow)), ElementsAre("s3://shop/in/f+1.csv"))
      << "EventBridge writes keys as they are";
  const Json sns = {{"Type", "Notification"}, {"Message", dump_json(bridge)}};
  EXPECT_THAT(files_of(read_events(dump_json(sns), kNow)), ElementsAre("s3://shop/in/f+1.csv"));
  Json deep = sns;
  for (int i = 0; i < 5; ++i) deep = {{"Type", "Notification"}, {"Message", dump_json(deep)}};
  EXPECT_THAT(files_of(read_events(dump_json(deep), kNow)),
              ElementsAre(HasSubstr("too many envelopes")));
}

TEST(ReadEvents, TestsRemovalsAndOtherMattersAreNoFiles) {
  EXPECT_THAT(files_of(read_events(R"({"Service":"Amazon S3","Event":"s3:TestEvent"})", kNow)),
              IsEmpty());
  EXPECT_THAT(files_of(read_events(body_of({record("ObjectRemoved:Delete", "a", "1"),
                                            record("ObjectTagging:Put", "b", "1")}),
                                   kNow)),
              IsEmpty());
  EXPECT_THAT(files_of(read_events(R"({"detail-type":"Object Tags Added","detail":{}})", kNow)),
              IsEmpty());
}

TEST(ReadEvents, OfOneKeyTheLastBySequencerStays) {
  // Shorter sequencers get zeros on their right: 0A1 is before 0A11, and 1 is after both.
  EXPECT_THAT(files_of(read_events(body_of({record("ObjectRemoved:Delete", "a", "0A11"),
                                            record("ObjectCreated:Put", "a", "0A1")}),
                                   kNow)),
              IsEmpty());
  EXPECT_THAT(files_of(read_events(body_of({record("ObjectCreated:Put", "a", "1"),
                                            record("ObjectRemoved:Delete", "a", "0A11")}),
                                   kNow)),
              ElementsAre("s3://shop/a"));
}

TEST(ReadEvents, APlainOneNamesFilesOfALayer) {
  const auto events = read_events(R"({"file": "landing/a.csv"})", kNow);
  EXPECT_THAT(files_of(events), ElementsAre("landing/a.csv"));
  const auto later = read_events(R"({"file": "landing/a.csv"})", kNow + 1);
  EXPECT_NE(events->front().id, later->front().id) << "it may hold something else by then";
  EXPECT_THAT(files_of(read_events(R"({"files": ["landing/a", "landing/b"]})", kNow)),
              ElementsAre("landing/a", "landing/b"));
}

TEST(ReadEvents, OneBodyIsBounded) {
  Json files = Json::array();
  for (int i = 0; i < 10'000; ++i) files.push_back(fmt::format("landing/{}.csv", i));
  const auto most = read_events(dump_json({{"files", files}}), kNow);
  ASSERT_TRUE(most);
  EXPECT_EQ(most->size(), 10'000U);
  files.push_back("landing/one more.csv");
  EXPECT_THAT(files_of(read_events(dump_json({{"files", files}}), kNow)),
              ElementsAre("fault: it holds more than 10000 events"));
}

TEST(ReadEvents, WhatIsNotUnderstoodIsSaid) {
  for (const char* body : {"", "[]", "{}", R"({"file": "a.csv"})", R"({"files": "landing/a"})",
                           R"({"Records": [{}]})", R"({"Records": 3})"}) {
    const auto events = read_events(body, kNow);
    ASSERT_FALSE(events) << body;
    EXPECT_EQ(events.error().code, ErrorCode::kInvalidData) << body;
  }
}

TEST(InboxEvent, ComesBackAsItWas) {
  FileEvent event;
  event.id = "x#1";
  event.file = "s3://shop/a b";
  event.otherwise = "s3://shop/a+b";
  event.sequencer = "1";
  const auto back = file_event(inbox_event(event));
  EXPECT_EQ(back.id, event.id);
  EXPECT_EQ(back.file, event.file);
  EXPECT_EQ(back.otherwise, event.otherwise);
}

}  // namespace
}  // namespace weir::arrivals
