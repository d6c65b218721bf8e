#include "orchestrate/schedule_source.h"

#include <filesystem>

#include "catalog/conformance.h"

namespace weir::orchestrate {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kMinuteUs = 60'000'000;

class Schedules : public ::testing::Test {
 protected:
  Schedules() {
    char folder[] = "/tmp/weir-schedules-XXXXXX";
    folder_ = mkdtemp(folder);
    auto opened =
        catalog::open_catalog({.url = "sqlite:weir.db", .base_folder = folder_}, clock_, *random_);
    EXPECT_TRUE(opened) << to_line(opened.error());
    catalog_ = *std::move(opened);
  }
  ~Schedules() override { std::filesystem::remove_all(folder_); }

  ScheduleSource source() { return {*catalog_, clock_, *log_, zones_}; }
  static model::Configuration each_minute(const std::string& catchup = "latest") {
    model::Configuration configuration;
    model::Flow& flow = configuration.flows.emplace_back();
    flow.flow_id = "shop";
    flow.schedule = {{"cron", "* * * * *"}, {"catchup", catchup}};
    return configuration;
  }
  std::vector<RunWish> due(ScheduleSource& from) {
    auto wishes = from.due(clock_.now_us());
    EXPECT_TRUE(wishes) << to_line(wishes.error());
    return wishes.value_or(std::vector<RunWish>{});
  }
  int64_t stored_us() {
    const auto states = catalog_->flow_states();
    return states && !states->empty() ? states->front().scheduled_until_us : 0;
  }

  std::string folder_;
  catalog::FakeClock clock_;
  std::unique_ptr<Random> random_ = make_system_random();
  std::unique_ptr<Log> log_ = make_no_log();
  std::unique_ptr<catalog::Catalog> catalog_;
  schedule::Zones zones_;
};

TEST_F(Schedules, AskForWhatIsDueUntilItWasStarted) {
  auto mine = source();
  ASSERT_TRUE(mine.take(each_minute()));
  EXPECT_THAT(due(mine), IsEmpty()) << "known from now on";
  clock_.advance_ms(60'000);
  const auto first = due(mine);
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_EQ(first.front().logical_time_us % kMinuteUs, 0);
  EXPECT_EQ(first.front().interval_end_us - first.front().interval_start_us, kMinuteUs);
  EXPECT_THAT(due(mine), SizeIs(1)) << "nobody said that it was started";
  ASSERT_TRUE(mine.started(first.front(), {}));
  EXPECT_THAT(due(mine), IsEmpty());
  EXPECT_GT(mine.next_us(), clock_.now_us());
}

TEST_F(Schedules, GoOnWhereTheyWereBeforeTheServerWasDown) {
  auto before = source();
  ASSERT_TRUE(before.take(each_minute("all")));
  clock_.advance_ms(3 * 60'000);
  auto after = source();
  ASSERT_TRUE(after.take(each_minute("all")));
  EXPECT_THAT(due(after), SizeIs(3));
}

TEST_F(Schedules, LeaveOutWhatIsTooLateWithoutCatchup) {
  auto mine = source();
  auto daily = each_minute("none");
  daily.flows.front().schedule["cron"] = "0 6 * * *";
  ASSERT_TRUE(mine.take(daily));
  const int64_t known_us = stored_us();
  clock_.advance_ms(int64_t{36} * 3'600'000);
  EXPECT_THAT(due(mine), IsEmpty());
  EXPECT_GT(stored_us(), known_us) << "it is let go for other servers too";
  EXPECT_GT(mine.next_us(), clock_.now_us());
}

TEST_F(Schedules, ThatAnotherServerHasComeFurtherWithHaveNothingToSay) {
  auto mine = source();
  ASSERT_TRUE(mine.take(each_minute()));
  clock_.advance_ms(60'000);
  ASSERT_TRUE(catalog_->note_scheduled({{"shop", clock_.now_us()}}));
  ASSERT_TRUE(mine.take(each_minute()));
  EXPECT_THAT(due(mine), IsEmpty());
  EXPECT_GT(mine.next_us(), clock_.now_us()) << "or it would be asked without a pause";
}

TEST_F(Schedules, OfPausedFlowsWaitAndCatchUp) {
  auto mine = source();
  ASSERT_TRUE(mine.take(each_minute("all")));
  ASSERT_TRUE(catalog_->pause_flow("shop", true, "ann", "the source moves"));
  ASSERT_TRUE(mine.take(each_minute("all")));
  clock_.advance_ms(2 * 60'000);
  EXPECT_THAT(due(mine), IsEmpty());
  ASSERT_TRUE(catalog_->pause_flow("shop", false, "ann", ""));
  ASSERT_TRUE(mine.take(each_minute("all")));
  EXPECT_THAT(due(mine), SizeIs(2));
}

TEST_F(Schedules, ThatCannotBeReadHoldUpNoOther) {
  auto mine = source();
  auto two = each_minute();
  model::Flow& broken = two.flows.emplace_back();
  broken.flow_id = "broken";
  broken.schedule = {{"cron", "61 * * * *"}};
  ASSERT_TRUE(mine.take(two));
  clock_.advance_ms(60'000);
  EXPECT_THAT(due(mine), SizeIs(1));
}

}  // namespace
}  // namespace weir::orchestrate
