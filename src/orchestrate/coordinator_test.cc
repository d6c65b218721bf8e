#include "orchestrate/coordinator.h"

#include <deque>

#include "orchestrate/runner/scripted_runs.h"

namespace weir::orchestrate {
namespace {

/// Takes every launch, and ends none before it is told to.
class HoldingExecutor final : public Executor {
 public:
  int64_t room() const override { return 4 - count(); }
  void start(TaskLaunch launch) override { launched.push_back(std::move(launch)); }
  void cancel(const std::string& run_id, const std::string&) override {
    cancelled.push_back(run_id);
  }
  std::vector<TaskExit> finished() override { return std::exchange(exits, {}); }
  int64_t count() const override { return std::ssize(launched); }
  void wait_ms(int64_t) override {}
  void wake() override {}

  std::vector<TaskLaunch> launched;
  std::vector<std::string> cancelled;
  std::vector<TaskExit> exits;
};

/// Asks for what it is told to, until it was started.
class WishList final : public RunSource {
 public:
  Result<std::vector<RunWish>> due(int64_t) override {
    ++times_asked;
    if (failure) return std::unexpected(*failure);
    return wishes;
  }
  Status started(const RunWish& wish, const FlowRun&) override {
    std::erase_if(wishes, [&](const RunWish& each) { return each.run_key == wish.run_key; });
    return {};
  }
  int64_t next_us() const override { return wishes.empty() && !failure ? INT64_MAX : 0; }

  std::vector<RunWish> wishes;
  std::optional<Error> failure;
  int times_asked = 0;
};

class CoordinatorTest : public ScriptedRuns {
 protected:
  CoordinatorTest() {
    add_task("work");
    clock_.advance_ms(1);
  }
  static RunWish wish(const std::string& flow_id, const std::string& run_key) {
    return {.flow_id = flow_id, .run_key = run_key, .trigger = "scheduled"};
  }
  std::unique_ptr<Coordinator> coordinator(const std::string& server_id = "one") {
    const Pinning pinning{
        .head = [this](const RunWish& of) -> Result<std::shared_ptr<const Pinned>> {
          ++pins_;
          clock_.advance_ms(pin_takes_ms_);
          if (const auto fault = unpinnable_.find(of.flow_id); fault != unpinnable_.end())
            return std::unexpected(fault->second);
          return std::make_shared<const Pinned>(pinned_);
        },
        .version = [this](const std::string&) { return std::make_shared<const Pinned>(pinned_); },
        .rules =
            [this] { return std::make_shared<const model::Configuration>(pinned_.configuration); }};
    return std::make_unique<Coordinator>(services_, pinning, executor_,
                                         std::vector<RunSource*>{&source_},
                                         CoordinatorOptions{.server_id = server_id});
  }
  std::vector<FlowRun> runs() { return *catalog_->flow_runs("", 100); }
  std::vector<std::string> keys() {
    std::vector<std::string> keys;
    for (const auto& run : runs()) keys.push_back(run.run_key);
    std::ranges::sort(keys);
    return keys;
  }
  FlowRun run_of(const std::string& key) {
    for (const auto& run : runs())
      if (run.run_key == key) return run;
    ADD_FAILURE() << "no run " << key;
    return {};
  }

  /// Another server of that name is at work.
  void let_live(const std::string& server_id) {
    const auto lease = catalog_->take_lease(std::string(catalog::kServerLease) + server_id,
                                            server_id, 3'600'000, 0);
    ASSERT_TRUE(lease && *lease);
  }

  /// Two flows, and who is told of them.
  void tell_the_night() {
    pinned_.configuration.flows.push_back(flow());
    pinned_.configuration.flows.back().flow_id = "bank";
    pinned_.configuration.flows.back().tasks.clear();
    model::NotificationRule rule;
    rule.rule_id = "night";
    rule.channel = "log";
    pinned_.configuration.notifications = {rule};
  }
  std::vector<catalog::KeptNotice> told() {
    std::vector<catalog::KeptNotice> told = *catalog_->notices("", 100);
    std::ranges::sort(told, {}, &catalog::KeptNotice::outbox_id);
    return told;
  }
  std::vector<catalog::WaitingStart> waiting() {
    return *catalog_->waiting_starts().list_waiting_starts();
  }

  HoldingExecutor executor_;
  WishList source_;
  std::map<std::string, Error> unpinnable_;
  int64_t pin_takes_ms_ = 0;
  int pins_ = 0;
};

Error no_answer(const std::string& what = "the database does not answer") {
  return Error{ErrorCode::kUnavailable, what, {}, "look at it", {}};
}

TEST_F(CoordinatorTest, StartsWhatIsDueOnceAndDrivesIt) {
  source_.wishes = {wish("shop", "monday")};
  const auto mine = coordinator();
  ASSERT_TRUE(mine->step());
  ASSERT_TRUE(mine->step());
  EXPECT_THAT(keys(), ElementsAre("monday"));
  ASSERT_EQ(executor_.launched.size(), 1U);
  EXPECT_EQ(executor_.launched.front().row.task_id, "work");
  EXPECT_EQ(run_of("monday").state, RunState::kRunning);
}

TEST_F(CoordinatorTest, FlowThatCannotStartHoldsUpNoOtherAndIsAskedForAgain) {
  pinned_.configuration.flows.emplace_back().flow_id = "off";
  pinned_.configuration.flows.back().is_enabled = false;
  source_.wishes = {wish("off", "off monday"), wish("off", "off tuesday"), wish("shop", "monday")};
  const auto mine = coordinator();
  ASSERT_TRUE(mine->step());
  EXPECT_THAT(keys(), ElementsAre("monday"));
  EXPECT_EQ(source_.wishes.size(), 2U) << "nothing of it was let go";
  ASSERT_TRUE(mine->step());
  EXPECT_EQ(source_.times_asked, 1) << "not without a pause";
  pinned_.configuration.flows.back().is_enabled = true;
  clock_.advance_ms(1000);
  ASSERT_TRUE(mine->step());
  EXPECT_THAT(keys(), ElementsAre("monday", "off monday", "off tuesday"));
}

TEST_F(CoordinatorTest, WhatCannotBePinnedIsToldOnceAndStartsOnceItCan) {
  tell_the_night();
  unpinnable_ = {{"shop", no_answer()}};
  source_.wishes = {wish("shop", "monday"), wish("bank", "payday")};
  const auto mine = coordinator();
  ASSERT_TRUE(mine->step());
  EXPECT_THAT(keys(), ElementsAre("payday")) << "others start";
  ASSERT_EQ(told().size(), 1U);
  EXPECT_EQ(told()[0].event, "failed");
  EXPECT_EQ(told()[0].flow_id, "shop");
  EXPECT_EQ(told()[0].run_id, "");
  EXPECT_THAT(
      told()[0].payload["body"].get<std::string>(),
      AllOf(HasSubstr("Flow 'shop'"), HasSubstr("cannot start, and is tried again by itself"),
            HasSubstr("the database does not answer"), HasSubstr("Help: look at it")));
  ASSERT_EQ(waiting().size(), 1U);
  EXPECT_EQ(waiting()[0].run_key, "monday");
  EXPECT_EQ(waiting()[0].error_code, "unavailable");
  for (int i = 0; i < 100; ++i) {
    clock_.advance_ms(1000);
    ASSERT_TRUE(mine->step());
  }
  EXPECT_EQ(told().size(), 1U);
  EXPECT_LT(waiting()[0].tries, 9) << "pauses double";
  EXPECT_GT(waiting()[0].tries, 5);
  unpinnable_ = {{"shop", no_answer("the password is wrong")}};
  clock_.advance_ms(60'000);
  ASSERT_TRUE(mine->step());
  ASSERT_EQ(told().size(), 2U) << "another reason";
  unpinnable_.clear();
  clock_.advance_ms(60'000);
  ASSERT_TRUE(mine->step());
  EXPECT_THAT(keys(), ElementsAre("monday", "payday"));
  EXPECT_THAT(waiting(), IsEmpty());
  EXPECT_TRUE(run_of("monday").has_failed) << "so its success is a recovery";
  EXPECT_FALSE(run_of("payday").has_failed);
}

TEST_F(CoordinatorTest, RunsBehindOneThatCannotStartAreNotLostAndComeInOrder) {
  tell_the_night();
  unpinnable_ = {{"shop", no_answer()}};
  source_.wishes = {wish("shop", "1"), wish("shop", "2"), wish("shop", "3")};
  const auto mine = coordinator();
  ASSERT_TRUE(mine->step());
  EXPECT_EQ(pins_, 1) << "the first stands for those behind it";
  unpinnable_.clear();
  ASSERT_TRUE(mine->step());
  EXPECT_THAT(keys(), IsEmpty()) << "not before its pause is over";
  mine->retry_starts();
  clock_.advance_ms(1000);
  ASSERT_TRUE(mine->step());
  EXPECT_THAT(keys(), ElementsAre("1", "2", "3"));
  EXPECT_EQ(told().size(), 1U);
}

TEST_F(CoordinatorTest, PauseBetweenTriesIsAMinuteAtMostAndNoneOnceSomethingIsMended) {
  tell_the_night();
  unpinnable_ = {{"shop", no_answer()}};
  source_.wishes = {wish("shop", "monday")};
  const auto mine = coordinator();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(mine->step());
    clock_.advance_ms(1000);
  }
  const int before = pins_;
  for (int i = 0; i < 600; ++i) {
    ASSERT_TRUE(mine->step());
    clock_.advance_ms(1000);
  }
  EXPECT_GE(pins_ - before, 9);
  EXPECT_LE(pins_ - before, 11);
  mine->retry_starts();
  const int then = pins_;
  ASSERT_TRUE(mine->step());
  EXPECT_EQ(pins_, then + 1);
}

TEST_F(CoordinatorTest, OneThatTakesLongToFailLetsOthersAndTheLeaseHaveTheirTurn) {
  tell_the_night();
  unpinnable_ = {{"shop", no_answer()}, {"bank", no_answer()}};
  pin_takes_ms_ = 5000;
  source_.wishes = {wish("shop", "monday"), wish("bank", "payday")};
  const auto mine = coordinator();
  const auto next_us = mine->step();
  ASSERT_TRUE(next_us);
  EXPECT_EQ(pins_, 1);
  EXPECT_LE(*next_us, clock_.now_us()) << "the others come at once";
  ASSERT_TRUE(mine->step());
  EXPECT_EQ(waiting().size(), 2U);
}

TEST_F(CoordinatorTest, ServersThatTryTheSameStartTellOnce) {
  tell_the_night();
  unpinnable_ = {{"shop", no_answer()}};
  source_.wishes = {wish("shop", "monday")};
  const auto first = coordinator("one");
  const auto second = coordinator("two");
  ASSERT_TRUE(first->step());
  ASSERT_TRUE(second->step());
  EXPECT_EQ(pins_, 2);
  EXPECT_EQ(told().size(), 1U);
  EXPECT_EQ(waiting()[0].tries, 2);
}

TEST_F(CoordinatorTest, FlowThatWasSwitchedOffSinceItCameDueIsNoFault) {
  tell_the_night();
  pinned_.configuration.flows.back().is_enabled = false;
  source_.wishes = {wish("bank", "payday")};
  const auto mine = coordinator();
  ASSERT_TRUE(mine->step());
  EXPECT_THAT(waiting(), IsEmpty());
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(CoordinatorTest, WhatIsDueIsNotKnownForNow) {
  source_.failure = fail(ErrorCode::kUnavailable, "no listing").error();
  source_.wishes = {wish("shop", "monday")};
  const auto mine = coordinator();
  const auto next_us = mine->step();
  ASSERT_TRUE(next_us) << "a source is not the catalog";
  EXPECT_GT(*next_us, clock_.now_us());
  source_.failure.reset();
  clock_.advance_ms(1000);
  ASSERT_TRUE(mine->step());
  EXPECT_THAT(keys(), ElementsAre("monday"));
}

TEST_F(CoordinatorTest, TwoOfOneNameAreNotTwoServers) {
  const auto first = coordinator();
  ASSERT_TRUE(first->step());
  const auto second = coordinator();
  const auto refused = second->step();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
}

TEST_F(CoordinatorTest, DrainedItStartsNothingAndLeavesItsRunsToOthers) {
  source_.wishes = {wish("shop", "monday")};
  const auto first = coordinator();
  ASSERT_TRUE(first->step());
  source_.wishes = {wish("shop", "tuesday")};
  first->drain();
  ASSERT_TRUE(first->step());
  EXPECT_THAT(keys(), ElementsAre("monday"));
  EXPECT_FALSE(first->is_idle());
  executor_.launched.clear();
  ASSERT_TRUE(first->leave());
  const auto second = coordinator("two");
  ASSERT_TRUE(second->step());
  ASSERT_TRUE(second->step());
  EXPECT_EQ(run_of("monday").server_id, "two");
  EXPECT_THAT(keys(), ElementsAre("monday", "tuesday"));
}

TEST_F(CoordinatorTest, RunThatAnotherTookIsLetGo) {
  source_.wishes = {wish("shop", "monday")};
  const auto mine = coordinator();
  ASSERT_TRUE(mine->step());
  ASSERT_EQ(mine->count_runs(), 1);
  const FlowRun run = run_of("monday");
  let_live("two");
  ASSERT_TRUE(catalog_->claim_run({run.run_id, run.state, run.epoch}, "two"));
  clock_.advance_ms(1000);
  ASSERT_TRUE(mine->step());
  EXPECT_EQ(mine->count_runs(), 0);
  EXPECT_EQ(run_of("monday").state, RunState::kRunning);
}

TEST_F(CoordinatorTest, CancelledWhileItRunsItAsksItsTasksToStop) {
  source_.wishes = {wish("shop", "monday")};
  const auto mine = coordinator();
  ASSERT_TRUE(mine->step());
  const std::string run_id = run_of("monday").run_id;
  ASSERT_TRUE(catalog_->request_cancel(run_id));
  clock_.advance_ms(1000);
  ASSERT_TRUE(mine->step());
  EXPECT_THAT(executor_.cancelled, ElementsAre(run_id));
}

TEST_F(CoordinatorTest, KilledForALimitBeforeItBeganItIsNotLaunchedAgain) {
  source_.wishes = {wish("shop", "monday")};
  const auto mine = coordinator();
  ASSERT_TRUE(mine->step());
  ASSERT_EQ(executor_.launched.size(), 1U);
  TaskExit exit{.run_id = run_of("monday").run_id,
                .task_id = "work",
                .how = TaskExit::How::kLost,
                .error = fail(ErrorCode::kResourceExhausted, "it used 29 MB").error(),
                .usage = {}};
  const auto lose = [&] {
    executor_.launched.clear();
    executor_.exits = {exit};
    ASSERT_TRUE(mine->step());
    clock_.advance_ms(60'000);
    ASSERT_TRUE(mine->step());
  };
  lose();
  ASSERT_EQ(executor_.launched.size(), 1U) << "who killed it may not do so again";
  exit.is_over_limit = true;
  lose();
  EXPECT_TRUE(executor_.launched.empty());
  EXPECT_EQ(run_of("monday").state, RunState::kFailed);
}

TEST_F(CoordinatorTest, OverlapCancelEndsTheRunThatCameBeforeWhateverItsId) {
  flow().overlap = model::Overlap::kCancel;
  FlowRun before = catalog::FlowRun{};
  before.run_id = "zzzz";
  before.flow_id = "shop";
  before.run_key = "before";
  before.trigger = "manual";
  before.is_served = true;
  before.created_at_us = clock_.now_us() - 1;
  ASSERT_TRUE(catalog_->start_run(before, {}));
  ASSERT_TRUE(*catalog_->admit_run({"zzzz"}, 1));
  let_live("two");
  ASSERT_TRUE(catalog_->claim_run({"zzzz", RunState::kRunning, 0}, "two"));
  source_.wishes = {wish("shop", "monday")};
  const auto mine = coordinator();
  ASSERT_TRUE(mine->step());
  EXPECT_TRUE(run_of("before").cancel_requested);
  EXPECT_EQ(run_of("monday").state, RunState::kQueued);
}

}  // namespace
}  // namespace weir::orchestrate
