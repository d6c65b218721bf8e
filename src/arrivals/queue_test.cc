#include "arrivals/queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/ids.h"

namespace weir::arrivals {
namespace {

/// A queue of bodies that fails as a test says.
class FakeQueue : public Queue {
 public:
  Result<std::vector<Message>> receive(int64_t /*wait_ms*/, const Cancel& /*cancel*/) override {
    return messages;
  }
  Status forget(const std::vector<Message>& given, const Cancel& /*cancel*/) override {
    if (is_down) return fail(ErrorCode::kUnavailable, "no answer");
    forgotten += static_cast<int>(given.size());
    return {};
  }
  std::vector<Message> messages;
  bool is_down = false;
  int forgotten = 0;
};

class TakingIn : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("weir-queue-" + make_uuid4(*random_));
    std::filesystem::create_directories(folder_);
    auto opened = catalog::open_catalog({.url = "sqlite:" + (folder_ / "weir.db").string(),
                                         .base_folder = folder_,
                                         .cancel = nullptr},
                                        *clock_, *random_);
    ASSERT_TRUE(opened) << to_line(opened.error());
    catalog_ = *std::move(opened);
  }
  void TearDown() override {
    catalog_.reset();
    std::filesystem::remove_all(folder_);
  }
  Result<TakenIn> take() { return take_in(queue_, *catalog_, *clock_, 0, cancel_); }

  Cancel cancel_;
  std::unique_ptr<Clock> clock_ = make_system_clock();
  std::unique_ptr<Random> random_ = make_system_random();
  std::filesystem::path folder_;
  std::unique_ptr<catalog::Catalog> catalog_;
  FakeQueue queue_;
};

const std::string kCreated =
    R"({"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},)"
    R"("object":{"key":"a.csv","sequencer":"1"}}}]})";

TEST_F(TakingIn, AMessageLeavesTheQueueOnceItsEventsAreKept) {
  queue_.messages = {{kCreated, "r1"}, {R"({"Event":"s3:TestEvent"})", "r2"}};
  const auto taken = take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->messages, 2);
  EXPECT_EQ(taken->new_events, 1);
  EXPECT_EQ(queue_.forgotten, 2);
}

TEST_F(TakingIn, AQueueThatDoesNotForgetTellsTwiceAndItIsKeptOnce) {
  queue_.messages = {{kCreated, "r1"}};
  queue_.is_down = true;
  EXPECT_FALSE(take());
  EXPECT_EQ(catalog_->waiting_events(10)->size(), 1u) << "kept before the queue was asked";
  queue_.is_down = false;
  EXPECT_EQ(take()->new_events, 0);
  EXPECT_EQ(catalog_->waiting_events(10)->size(), 1u);
}

TEST_F(TakingIn, WhatNobodyUnderstandsIsKeptToo) {
  queue_.messages = {{"not JSON", "r1"}};
  EXPECT_EQ(take()->unreadable, 1);
  const auto kept = catalog_->waiting_events(10);
  ASSERT_EQ(kept->size(), 1u);
  EXPECT_EQ(kept->front().kind, "unreadable");
  EXPECT_EQ(kept->front().payload["body"], "not JSON");
  EXPECT_EQ(queue_.forgotten, 1);
}

TEST_F(TakingIn, ABodyThatIsNotUnderstoodWritesNothing) {
  EXPECT_FALSE(take_body("{}", *catalog_, *clock_));
  EXPECT_TRUE(catalog_->waiting_events(10)->empty());
  EXPECT_EQ(take_body(kCreated, *catalog_, *clock_).value(), 1);
}

TEST(SqsSettings, TheRegionIsThatOfTheUrl) {
  const auto read = read_sqs_settings(
      {{"queue_url", "https://sqs.eu-west-1.amazonaws.com/123456789012/arrivals"}});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->region, "eu-west-1");
  EXPECT_FALSE(read_sqs_settings(Json::object()));
  EXPECT_FALSE(read_sqs_settings({{"queue_url", "arrivals"}}));
  EXPECT_THAT(to_line(read_sqs_settings({{"queue_urll", "x"}}).error()),
              ::testing::HasSubstr("did you mean 'queue_url'"));
}

}  // namespace
}  // namespace weir::arrivals
