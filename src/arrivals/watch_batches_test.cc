#include "arrivals/pace.h"
#include "arrivals/watching_for_test.h"

namespace weir::arrivals {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Json kPaced = {{"pattern", "landing/in/*.csv"},
                     {"settle", "0s"},
                     {"batch", "all"},
                     {"at_most_every", "10s"},
                     {"poll", "1s"}};

class Batches : public Watching {
 protected:
  /// Starts what is due, and the runs begin. How many were new.
  int begin(const Polled& polled) {
    const int made = start(polled);
    for (const auto& due_run : polled.due) {
      const auto run = catalog_->find_run("sales", due_run.run_key);
      if (run && *run && (*run)->state == catalog::RunState::kQueued) {
        EXPECT_TRUE(catalog_->admit_run(catalog::key_of(**run), 1000));
      }
    }
    return made;
  }
};

TEST_F(Batches, AFileAfterARestStartsAtOnceAndThoseBehindItAreGathered) {
  Watch watching = fresh(kPaced);
  land("in/a.csv");
  const auto first = poll_after(watching, kMinute);
  EXPECT_THAT(due(first), ElementsAre("in/a.csv"));
  begin(first);
  land("in/b.csv");
  const auto second = poll_after(watching, 3 * kSecond);
  EXPECT_THAT(due(second), IsEmpty());
  EXPECT_THAT(why(second), ElementsAre(HasSubstr("the next run may be at")));
  EXPECT_LE(second.next_poll_at_us, clock_.now_us_ + 7 * kSecond);
  land("in/c.csv");
  EXPECT_THAT(due(poll_after(watching, 7 * kSecond - 1)), IsEmpty());
  const auto third = poll_after(watching, 1);
  EXPECT_THAT(due(third), ElementsAre("in/b.csv in/c.csv"));
}

TEST_F(Batches, LooksThatAreLateByAMomentShiftNoTurn) {
  Watch watching = fresh(kPaced);
  clock_.now_us_ += kMinute;
  const int64_t first_us = clock_.now_us_;
  for (int i = 0; i < 50; ++i) {
    land(fmt::format("in/{}.csv", i));
    const auto polled = poll(watching);
    ASSERT_EQ(polled.due.size(), 1U) << i;
    begin(polled);
    // The next look is at the turn, or half a second late.
    clock_.now_us_ = first_us + (i + 1) * 10 * kSecond + i % 2 * kSecond / 2;
  }
  EXPECT_EQ(runs(), 50U);
}

TEST_F(Batches, OneRunIsBoundedAndTheRestIsOfTheNextOldestFirst) {
  Json trigger = kPaced;
  trigger["max_files"] = 2;
  Watch watching = fresh(trigger);
  for (const char* name : {"in/z.csv", "in/y.csv", "in/x.csv"}) land(name);
  const auto first = poll_after(watching, kMinute);
  ASSERT_THAT(due(first), ElementsAre("in/x.csv in/y.csv")) << "seen at once: by name";
  begin(first);
  // What is newer does not push back what waits, whatever its name.
  poll_after(watching, kSecond);
  for (const char* name : {"in/a.csv", "in/b.csv"}) land(name);
  const auto second = poll_after(watching, 9 * kSecond);
  EXPECT_THAT(due(second), ElementsAre("in/a.csv in/z.csv"));
  begin(second);
  EXPECT_THAT(due(poll_after(watching, 10 * kSecond)), ElementsAre("in/b.csv"));
}

TEST_F(Batches, BytesBoundARunAndALargeFileIsARunOfItsOwn) {
  Watch watching = fresh(
      {{"pattern", "landing/in/*.csv"}, {"settle", "0s"}, {"batch", "all"}, {"max_bytes", 10}});
  land("in/a.csv", "1234");
  land("in/b.csv", "123456");
  land("in/c.csv", "1");
  land("in/d.csv", "12345678901234567890");
  EXPECT_THAT(due(poll_after(watching, kMinute)),
              ElementsAre("in/a.csv in/b.csv", "in/c.csv", "in/d.csv"));
}

TEST_F(Batches, ATurnOutlivesTheServerAndIsOneForAllServers) {
  Watch one = fresh(kPaced);
  Watch two = watch(kPaced);
  poll(two);
  land("in/a.csv");
  begin(poll_after(one, kMinute));
  land("in/b.csv");
  // One that was there, and one that starts anew.
  EXPECT_THAT(due(poll_after(two, 5 * kSecond)), IsEmpty());
  Watch three = watch(kPaced);
  EXPECT_THAT(due(poll(three)), IsEmpty());
  clock_.now_us_ += 5 * kSecond;
  const auto by_two = poll(two);
  const auto by_three = poll(three);
  EXPECT_THAT(due(by_two), ElementsAre("in/b.csv"));
  EXPECT_THAT(due(by_three), ElementsAre("in/b.csv"));
  EXPECT_EQ(begin(by_two) + begin(by_three), 1);
}

TEST_F(Batches, WhileTheRunBeforeHasNotBegunWhatComesIsGathered) {
  Watch watching = fresh(kPaced);
  land("in/a.csv");
  const auto first = poll_after(watching, kMinute);
  ASSERT_EQ(first.due.size(), 1U);
  land("in/b.csv");
  const auto second = poll_after(watching, kMinute);
  EXPECT_THAT(due(second), ElementsAre("in/a.csv")) << "nobody has started it";
  EXPECT_THAT(why(second), ElementsAre(HasSubstr("the run before has not begun")));
  start(second);
  land("in/c.csv");
  EXPECT_THAT(due(poll_after(watching, kMinute)), IsEmpty()) << "it is queued";
  const auto run = catalog_->find_run("sales", first.due[0].run_key);
  ASSERT_TRUE(run && *run);
  ASSERT_TRUE(*catalog_->admit_run(catalog::key_of(**run), 1));
  EXPECT_THAT(due(poll_after(watching, kMinute)), ElementsAre("in/b.csv in/c.csv"));
}

TEST(Pace, AClockThatWasSetBackHoldsNobodyUp) {
  const Pace pace{10 * kSecond, 1000 * kSecond};
  EXPECT_EQ(pace.next_us(1001 * kSecond), 1010 * kSecond);
  EXPECT_EQ(pace.next_us(995 * kSecond), 1010 * kSecond) << "another server's clock";
  EXPECT_EQ(pace.next_us(20 * kSecond), 20 * kSecond);
}

TEST(Pace, ARehearsalGathersAndBoundsAsTheWatchDoes) {
  model::FileTrigger settings;
  settings.is_batch = true;
  settings.at_most_every_ms = 10'000;
  settings.max_files = 3;
  std::vector<int64_t> times;
  for (const int64_t second : {100, 101, 102, 103, 104, 150, 151})
    times.push_back(second * kSecond);
  std::vector<std::string> lines;
  for (const auto& batch : rehearse_batches(settings, times))
    lines.push_back(fmt::format("{}: {}", batch.at_us / kSecond, batch.files));
  EXPECT_THAT(lines, ElementsAre("100: 1", "110: 3", "120: 1", "150: 1", "160: 1"));
}

}  // namespace
}  // namespace weir::arrivals
