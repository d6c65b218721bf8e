#include "arrivals/watching_for_test.h"

namespace weir::arrivals {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_F(Watching, AFileThatCameStartsOneRunWithItsName) {
  Watch watch = fresh(kEach);
  land("in/a.csv", "1");
  land("in/a.txt", "1");
  EXPECT_THAT(due(poll(watch)), IsEmpty()) << "it is not time to list";
  const auto polled = poll_after(watch, kMinute);
  ASSERT_THAT(due(polled), ElementsAre("in/a.csv"));
  EXPECT_EQ(polled.due[0].params["trigger.file"], "landing/in/a.csv");
  EXPECT_EQ(polled.due[0].params["trigger.files"], Json::array({"landing/in/a.csv"}));
  EXPECT_EQ(polled.due[0].files[0].sha256, sha256_hex("1"));
  EXPECT_TRUE(polled.due[0].run_key.starts_with("file:"));
  EXPECT_EQ(start(polled), 1);
  EXPECT_THAT(due(poll_after(watch, kMinute)), IsEmpty());
  EXPECT_EQ(runs(), 1u);
}

TEST_F(Watching, ADecidedRunIsHandedOutUntilItIsThere) {
  Watch first = fresh(kEach);
  land("in/a.csv");
  const auto polled = poll_after(first, kMinute);
  ASSERT_EQ(polled.due.size(), 1u);
  // The server dies here. Another one comes up.
  Watch second = watch(kEach);
  const auto again = poll(second);
  ASSERT_EQ(again.due.size(), 1u);
  EXPECT_EQ(again.due[0].run_key, polled.due[0].run_key);
  EXPECT_EQ(again.due[0].params, polled.due[0].params);
  EXPECT_EQ(start(again) + start(polled), 1);
  Watch third = watch(kEach);
  EXPECT_THAT(due(poll(third)), IsEmpty()) << "a restart starts nothing anew";
}

TEST_F(Watching, TwoServersDecideOneRun) {
  Watch one = fresh(kEach);
  Watch two = watch(kEach);
  poll(two);
  land("in/a.csv");
  land("in/b.csv");
  clock_.now_us_ += kMinute;
  const auto first = poll(one);
  const auto second = poll(two);
  EXPECT_EQ(start(first) + start(second), 2);
  const Json all = {{"pattern", "landing/in/*.csv"}, {"settle", "0s"}, {"batch", "all"}};
  Watch three = watch(all);
  Watch four = watch(all);
  poll(three);
  poll(four);
  land("in/c.csv");
  clock_.now_us_ += kMinute;
  const auto third = poll(three);
  land("in/d.csv");  // The other one sees more than the first did.
  const auto fourth = poll(four);
  EXPECT_THAT(due(third), ElementsAre("in/c.csv"));
  EXPECT_THAT(due(fourth), UnorderedElementsAre("in/c.csv", "in/d.csv"));
  EXPECT_EQ(start(third) + start(fourth), 2);
}

TEST_F(Watching, OldFilesAreIgnoredUnlessAskedFor) {
  land("in/old.csv");
  Watch ignoring = fresh(kEach);
  EXPECT_THAT(due(poll_after(ignoring, kMinute)), IsEmpty());
  land("in/old.csv", "again");
  EXPECT_THAT(due(poll_after(ignoring, kMinute)), ElementsAre("in/old.csv")) << "it came anew";
}

TEST_F(Watching, OldFilesOfANewPatternAreOldToo) {
  Watch first = fresh(kEach);
  land("in/missed.csv");  // While nobody looked.
  land("other/old.csv");
  Watch wider = watch({{"pattern", "landing/**/*.csv"}, {"settle", "0s"}});
  EXPECT_THAT(due(poll(wider)), IsEmpty()) << "of the pattern all files are old";
}

TEST_F(Watching, ExistingProcessStartsOldFiles) {
  land("in/old.csv");
  Json trigger = kEach;
  trigger["existing"] = "process";
  Watch watching = watch(trigger);
  EXPECT_THAT(due(poll(watching)), ElementsAre("in/old.csv"));
}

TEST_F(Watching, TheSameBytesAgainAreNoNewFileAndOthersAre) {
  Watch watching = fresh(kEach);
  land("in/a.csv", "1");
  start(poll_after(watching, kMinute));
  land("in/a.csv", "1");
  EXPECT_THAT(due(poll_after(watching, kMinute)), IsEmpty());
  land("in/a.csv", "2");
  const auto changed = poll_after(watching, kMinute);
  EXPECT_THAT(due(changed), ElementsAre("in/a.csv"));
  EXPECT_EQ(start(changed), 1);
  land("in/b.csv", "1");
  EXPECT_THAT(due(poll_after(watching, kMinute)), ElementsAre("in/b.csv")) << "another name";
}

TEST_F(Watching, ByVersionEachPutIsANewFile) {
  Json trigger = kEach;
  trigger["identity"] = "version";
  Watch watching = fresh(trigger);
  land("in/a.csv", "1");
  const auto first = poll_after(watching, kMinute);
  EXPECT_EQ(first.due[0].files[0].sha256, "") << "it is not read";
  start(first);
  land("in/a.csv", "1");
  const auto second = poll_after(watching, kMinute);
  EXPECT_EQ(start(second), 1);
}

TEST_F(Watching, AFileRestsForTheSettleTime) {
  Watch watching = fresh({{"pattern", "landing/in/*.csv"}, {"settle", "10s"}});
  land("in/a.csv", "ha");
  const auto seen = poll_after(watching, kMinute);
  EXPECT_THAT(due(seen), IsEmpty());
  EXPECT_THAT(why(seen), ElementsAre(HasSubstr("must rest until")));
  EXPECT_EQ(seen.next_poll_at_us, clock_.now_us() + 10 * kSecond);
  land("in/a.csv", "half and more");
  EXPECT_THAT(due(poll_after(watching, 10 * kSecond)), IsEmpty()) << "it grew meanwhile";
  EXPECT_THAT(due(poll_after(watching, 9 * kSecond)), IsEmpty());
  EXPECT_THAT(due(poll_after(watching, kSecond)), ElementsAre("in/a.csv"));
}

TEST_F(Watching, AClockThatIsSetBackDelaysAndNoMore) {
  Watch watching = fresh({{"pattern", "landing/in/*.csv"}, {"settle", "10s"}, {"poll", "30s"}});
  land("in/a.csv");
  poll_after(watching, kMinute);
  clock_.now_us_ -= int64_t{3600} * 24 * 365 * kSecond;
  Watch restarted = watch({{"pattern", "landing/in/*.csv"}, {"settle", "10s"}});
  poll(restarted);
  EXPECT_THAT(due(poll_after(restarted, 10 * kSecond)), ElementsAre("in/a.csv"));
}

TEST_F(Watching, AFileThatIsGoneStartsNothing) {
  Watch watching = fresh({{"pattern", "landing/in/*.csv"}, {"settle", "10s"}});
  land("in/a.csv");
  poll_after(watching, kMinute);
  ASSERT_TRUE(landing_->remove("in/a.csv"));
  EXPECT_THAT(due(poll_after(watching, kMinute)), IsEmpty());
  EXPECT_THAT(catalog_->arrivals("sales")->files, IsEmpty());
}

TEST_F(Watching, FilesThatWereAwayForAWhileAreNotNew) {
  land("in/old.csv");
  Watch watching = fresh(kEach);
  land("in/a.csv");
  start(poll_after(watching, kMinute));
  const auto bytes = landing_->stat("in/a.csv");
  // The folder was not mounted for a minute: nothing was there.
  ASSERT_TRUE(landing_->remove("in/a.csv"));
  EXPECT_THAT(due(poll_after(watching, kMinute)), IsEmpty());
  land("in/a.csv");
  EXPECT_THAT(due(poll_after(watching, kMinute)), IsEmpty()) << "the same bytes came back";
}

TEST_F(Watching, AMarkerSaysThatItsFileIsWhole) {
  Watch watching =
      fresh({{"pattern", "landing/in/*.csv"}, {"settle", "0s"}, {"marker", "{stem}.done"}});
  land("in/a.csv");
  land("in/b.csv");
  const auto seen = poll_after(watching, kMinute);
  EXPECT_THAT(due(seen), IsEmpty());
  EXPECT_THAT(why(seen), ElementsAre("landing/in/a.csv: its marker 'a.done' is not there",
                                     HasSubstr("its marker 'b.done'")));
  land("in/a.done", "");
  EXPECT_THAT(due(poll_after(watching, kMinute)), ElementsAre("in/a.csv"));
  land("in/b.done", "");
  watching.wake("landing/in/b.done");
  EXPECT_THAT(due(poll(watching)), UnorderedElementsAre("in/a.csv", "in/b.csv"));
}

TEST_F(Watching, ABatchTakesAllThatWaits) {
  Watch watching = fresh(
      {{"pattern", "landing/in/*.csv"}, {"settle", "0s"}, {"batch", "all"}, {"max_files", 3}});
  for (const char* name : {"a", "b", "c", "d", "e"}) land(fmt::format("in/{}.csv", name), name);
  const auto polled = poll_after(watching, kMinute);
  EXPECT_THAT(due(polled), UnorderedElementsAre("in/a.csv in/b.csv in/c.csv", "in/d.csv in/e.csv"));
  EXPECT_FALSE(polled.due[0].params.contains("trigger.file"));
  EXPECT_EQ(start(polled), 2);
  land("in/a.csv", "a");
  land("in/f.csv", "f");
  EXPECT_THAT(due(poll_after(watching, kMinute)), ElementsAre("in/f.csv"));
}

TEST_F(Watching, ABatchWaitsForItsNumberAndForQuiet) {
  Watch watching = fresh({{"pattern", "landing/in/*.csv"},
                          {"settle", "0s"},
                          {"batch", "all"},
                          {"expect", 2},
                          {"quiet", "5m"}});
  land("in/a.csv");
  EXPECT_THAT(why(poll_after(watching, kMinute)), ElementsAre(HasSubstr("1 of 2 files are there")));
  land("in/b.csv");
  const auto both = poll_after(watching, kMinute);
  EXPECT_THAT(why(both), ElementsAre(HasSubstr("nothing more may come until")));
  EXPECT_THAT(due(poll_after(watching, 4 * kMinute)), IsEmpty());
  EXPECT_THAT(due(poll_after(watching, kMinute)), ElementsAre("in/a.csv in/b.csv"));
}

}  // namespace
}  // namespace weir::arrivals
