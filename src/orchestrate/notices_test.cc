#include "orchestrate/notices.h"

#include "orchestrate/courier.h"
#include "orchestrate/runner/scripted_runs.h"

namespace weir::orchestrate {
namespace {

using catalog::KeptNotice;
using ::testing::SizeIs;

/// What channels were given, by channel; a channel may be told to fail.
class Post {
 public:
  struct Sent {
    std::string channel;
    notify::Message message;
  };

  std::unique_ptr<notify::Channel> open(const std::string& id) {
    return std::make_unique<PostChannel>(*this, id);
  }
  void break_channel(const std::string& id, ErrorCode code) {
    const std::lock_guard lock(mutex_);
    broken_[id] = code;
  }
  void ask_to_wait(int64_t wait_ms) {
    const std::lock_guard lock(mutex_);
    wait_ms_ = wait_ms;
  }
  void mend() {
    const std::lock_guard lock(mutex_);
    broken_.clear();
    wait_ms_ = 0;
  }
  std::vector<Sent> sent() {
    const std::lock_guard lock(mutex_);
    return sent_;
  }
  std::vector<std::string> events() {
    std::vector<std::string> events;
    for (const auto& each : sent()) events.push_back(each.message.fields.value("event", ""));
    return events;
  }
  int tries() {
    const std::lock_guard lock(mutex_);
    return tries_;
  }

 private:
  class PostChannel final : public notify::Channel {
   public:
    PostChannel(Post& post, std::string id) : post_(post), id_(std::move(id)) {}
    Status send(const notify::Message& message, const Cancel& /*cancel*/) override {
      const std::lock_guard lock(post_.mutex_);
      ++post_.tries_;
      if (post_.broken_.contains(id_))
        return fail(post_.broken_.at(id_), "channel {} is broken", id_);
      post_.sent_.push_back({id_, message});
      return {};
    }
    int64_t asked_to_wait_ms() const override {
      const std::lock_guard lock(post_.mutex_);
      return post_.wait_ms_;
    }

   private:
    Post& post_;
    const std::string id_;
  };

  std::mutex mutex_;
  std::map<std::string, ErrorCode> broken_;
  std::vector<Sent> sent_;
  int tries_ = 0;
  int64_t wait_ms_ = 0;
};

class NoticesOfRuns : public ScriptedRuns {
 protected:
  NoticesOfRuns() {
    pinned_.configuration.project = "market";
    for (const char* id : {"ops", "chat"}) {
      model::Connection connection;
      connection.connection_id = id;
      connection.kind = "webhook";
      pinned_.configuration.connections.push_back(connection);
    }
    services_.channel = [this](const model::Connection& connection) {
      return Result<std::unique_ptr<notify::Channel>>(post_.open(connection.connection_id));
    };
  }

  model::NotificationRule& add_rule(const std::string& id, std::vector<std::string> events,
                                    const std::string& channel = "ops") {
    auto& rule = pinned_.configuration.notifications.emplace_back();
    rule.rule_id = id;
    rule.channel = channel;
    rule.events = std::move(events);
    return rule;
  }
  std::vector<KeptNotice> kept(const std::string& state = "") {
    auto list = catalog_->notices(state, 100);
    EXPECT_TRUE(list) << to_line(list.error());
    return list.value_or(std::vector<KeptNotice>{});
  }
  SendReport send() {
    const Cancel cancel;
    auto report = send_due(services_, pinned_.configuration, cancel);
    EXPECT_TRUE(report) << to_line(report.error());
    return report.value_or(SendReport{});
  }

  Post post_;
};

TEST_F(NoticesOfRuns, FailureIsToldWithWhatToDo) {
  add_task("a_loads");
  add_task("b_cleans");
  script("a_loads", {fail_as(ErrorCode::kInvalidData)});
  script("b_cleans", {fail_as(ErrorCode::kInternal)});
  add_rule("night", {}).link = "https://weir.example/{{ flow }}/{{ run_id }}";
  const auto report = run();
  ASSERT_THAT(post_.sent(), SizeIs(1));
  const notify::Message told = post_.sent().front().message;
  EXPECT_EQ(told.severity, "error");
  EXPECT_EQ(told.subject, "weir FAILED: market/shop, task a_loads (invalid_data)");
  EXPECT_THAT(told.body, HasSubstr("as the test says"));
  EXPECT_THAT(told.body, HasSubstr("To go on: weir retry " + report.run.run_id));
  EXPECT_THAT(told.body, HasSubstr("See: https://weir.example/shop/" + report.run.run_id));
  EXPECT_THAT(told.body, HasSubstr("Failed, too: b_cleans"));
  EXPECT_EQ(told.fields.value("message", ""), "as the test says");
  EXPECT_EQ(kept("sent").front().key, told.key);
}

TEST_F(NoticesOfRuns, ARuleThatNamesAListIsAboutEachOfItsTasks) {
  for (const char* id : {"load[a]", "load[b].ingest", "loading"}) {
    add_task(id);
    script(id, {fail_as(ErrorCode::kInvalidData)});
  }
  const auto told_of = [this](std::vector<std::string> tasks) {
    pinned_.configuration.notifications.clear();
    add_rule("night", {}).tasks = std::move(tasks);
    run();
    std::vector<std::string> subjects;
    for (const auto& notice : kept()) subjects.push_back(notice.task_id);
    return std::ssize(subjects);
  };
  EXPECT_EQ(told_of({"loadin"}), 0);
  EXPECT_EQ(told_of({"load"}), 1);
  EXPECT_EQ(kept().front().task_id, "load[a]");
  EXPECT_EQ(told_of({"load.*"}), 2);
  EXPECT_EQ(told_of({"load[a]"}), 3);
}

TEST_F(NoticesOfRuns, RetriesOfATaskAreToldToNobody) {
  add_task("a").retries = 1;
  script("a", {fail_as(ErrorCode::kUnavailable), succeed()});
  add_rule("night", {});
  EXPECT_EQ(run().run.state, RunState::kSucceeded);
  EXPECT_THAT(kept(), IsEmpty());
}

TEST_F(NoticesOfRuns, FirstSuccessAfterAFailureIsARecovery) {
  add_task("a");
  script("a", {succeed(), fail_as(ErrorCode::kInternal), succeed()});
  add_rule("all", {"failed", "recovered", "succeeded"});
  run();
  run();
  run();
  run();
  EXPECT_THAT(post_.events(), ElementsAre("succeeded", "failed", "recovered", "succeeded"));
}

TEST_F(NoticesOfRuns, RetryThatSucceedsIsARecovery) {
  add_task("a");
  script("a", {fail_as(ErrorCode::kInternal), succeed()});
  add_rule("all", {"failed", "recovered"});
  const auto failed = run();
  retry(failed.run.run_id);
  EXPECT_THAT(post_.events(), ElementsAre("failed", "recovered"));
}

TEST_F(NoticesOfRuns, HoldIsToldAtTheTask) {
  add_task("a_held").template_id = "held";
  add_rule("night", {"held", "failed"});
  const auto report = run();
  ASSERT_THAT(post_.events(), ElementsAre("held"));
  const auto told = post_.sent().front().message;
  EXPECT_EQ(told.fields.value("held_reason", ""), "too_many_deletes");
  EXPECT_THAT(told.body, HasSubstr("weir approve " + report.run.run_id));
  EXPECT_THAT(told.body, HasSubstr("half of the rows are gone"));
}

TEST_F(NoticesOfRuns, DriftHasAnEventOfItsOwnAndIsAFailure) {
  add_task("a");
  script("a", {fail_as(ErrorCode::kSchemaDrift)});
  add_rule("sources", {"schema_drift"}, "chat");
  add_rule("night", {"failed"}, "ops");
  add_rule("both", {"failed", "schema_drift"}, "ops");
  run();
  EXPECT_THAT(post_.events(),
              ::testing::UnorderedElementsAre("schema_drift", "failed", "schema_drift"));
}

TEST_F(NoticesOfRuns, RulesAreOfFlowsAndTasks) {
  add_task("a_loads");
  script("a_loads", {fail_as(ErrorCode::kInternal)});
  add_rule("1", {}).flows = {"sh*"};
  add_rule("2", {}).flows = {"sales"};
  add_rule("3", {}).tasks = {"*_loads"};
  add_rule("4", {}).tasks = {"b_*"};
  add_rule("5", {}).is_enabled = false;
  run();
  std::vector<std::string> rules;
  for (const auto& notice : kept()) rules.push_back(notice.rule_id);
  EXPECT_THAT(rules, UnorderedElementsAre("1", "3"));
}

TEST_F(NoticesOfRuns, ChannelThatFailsHoldsUpNoOtherAndNoRun) {
  add_task("a");
  script("a", {fail_as(ErrorCode::kInternal)});
  add_rule("1", {}, "ops");
  add_rule("2", {}, "chat");
  post_.break_channel("ops", ErrorCode::kUnavailable);
  EXPECT_EQ(run().run.state, RunState::kFailed);
  ASSERT_THAT(post_.sent(), SizeIs(1));
  EXPECT_EQ(post_.sent().front().channel, "chat");
  ASSERT_THAT(kept("waiting"), SizeIs(1));
  const std::string key = kept("waiting").front().key;
  EXPECT_THAT(kept("waiting").front().error_text, HasSubstr("ops is broken"));
  EXPECT_EQ(send().sent, 0) << "its time has not come";
  clock_.advance_ms(10'000);
  post_.mend();
  EXPECT_EQ(send().sent, 1);
  EXPECT_EQ(post_.sent().back().message.key, key) << "the key is the same for every try";
}

TEST_F(NoticesOfRuns, ReceiverIsLeftAloneForAsLongAsItAsks) {
  add_task("a");
  script("a", {fail_as(ErrorCode::kInternal)});
  add_rule("1", {});
  post_.break_channel("ops", ErrorCode::kUnavailable);
  post_.ask_to_wait(90'000);
  run();
  post_.mend();
  clock_.advance_ms(89'000);
  EXPECT_EQ(send().sent, 0) << "its time has not come";
  clock_.advance_ms(1'000);
  EXPECT_EQ(send().sent, 1);
}

TEST_F(NoticesOfRuns, MessageIsGivenUpInTheEnd) {
  add_task("a");
  script("a", {fail_as(ErrorCode::kInternal)});
  add_rule("1", {});
  post_.break_channel("ops", ErrorCode::kUnavailable);
  run();
  while (kept("failed").empty()) {
    ASSERT_LE(post_.tries(), kMostTries);
    clock_.advance_ms(3'600'000);
    send();
  }
  EXPECT_EQ(post_.tries(), kMostTries);
}

TEST_F(NoticesOfRuns, RefusedMessageDoesNotStopTheNext) {
  add_task("a");
  script("a", {fail_as(ErrorCode::kInternal)});
  add_rule("1", {});
  add_rule("2", {});
  post_.break_channel("ops", ErrorCode::kInvalidConfig);
  run();
  EXPECT_EQ(post_.tries(), 2);
  clock_.advance_ms(10'000);
  post_.break_channel("ops", ErrorCode::kUnavailable);
  send();
  EXPECT_EQ(post_.tries(), 3) << "who does not answer is asked once";
}

TEST_F(NoticesOfRuns, RunOfADeadProcessIsTold) {
  add_task("a");
  add_rule("night", {});
  FlowRun dead;
  dead.run_id = "dead";
  dead.flow_id = "shop";
  dead.run_key = "k";
  TaskRun row;
  row.run_id = "dead";
  row.task_id = "a";
  row.state = TaskState::kRunning;
  ASSERT_TRUE(catalog_->start_run(dead, {row}));
  ASSERT_TRUE(catalog_->move_run({"dead", RunState::kQueued}, RunState::kRunning, "", ""));
  ASSERT_TRUE(look_for_silent_runs(services_, pinned_.configuration));
  ASSERT_TRUE(look_for_silent_runs(services_, pinned_.configuration));
  ASSERT_THAT(kept(), SizeIs(1));
  send();
  EXPECT_THAT(post_.sent().front().message.body, HasSubstr("the process that ran it is gone"));
}

TEST_F(NoticesOfRuns, SlowRunIsToldOnceWhileItRuns) {
  add_task("a");
  add_rule("night", {"slow"}).slow_after_ms = 60'000;
  script("a", {[this](const task::Context&) -> Result<model::Outcome> {
           clock_.advance_ms(61'000);
           // The courier looks twice a second; it must see the run while it goes on.
           while (post_.sent().empty()) std::this_thread::yield();
           return model::Outcome{};
         }});
  EXPECT_EQ(run().run.state, RunState::kSucceeded);
  ASSERT_THAT(kept(), SizeIs(1));
  EXPECT_THAT(kept().front().payload.value("body", ""), HasSubstr("has run for 1m1s"));
}

TEST_F(NoticesOfRuns, RunPastItsDeadlineIsLateUntilItEnds) {
  flow().deadline_ms = 3'600'000;
  add_rule("night", {"late"});
  FlowRun run;
  run.run_id = "run";
  run.flow_id = "shop";
  run.state = RunState::kQueued;
  run.logical_time_us = clock_.now_us();
  const auto told = [&] { return notices_of_late(services_, pinned_.configuration, run); };
  clock_.advance_ms(3'600'000);
  EXPECT_THAT(told(), IsEmpty()) << "it has until then";
  clock_.advance_ms(1);
  ASSERT_THAT(told(), SizeIs(1));
  EXPECT_THAT(told().front().payload.value("body", ""), HasSubstr("is late: it is queued"));
  ASSERT_TRUE(catalog_->add_notices(told()));
  ASSERT_TRUE(catalog_->add_notices(told()));
  EXPECT_THAT(kept(), SizeIs(1)) << "asked again it is the same message";
  run.state = RunState::kSucceeded;
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(NoticesOfRuns, MissingFilesAreLateToo) {
  add_rule("night", {"late"});
  const Missing missing{"shop", "fact", "orders-20260105.csv is not there", clock_.now_us()};
  for (int i = 0; i < 2; ++i)
    ASSERT_TRUE(
        catalog_->add_notices(notices_of_missing(services_, pinned_.configuration, missing)));
  ASSERT_THAT(kept(), SizeIs(1));
  const std::string body = kept().front().payload.value("body", "");
  EXPECT_THAT(body, HasSubstr("waits for files"));
  EXPECT_THAT(body, HasSubstr("orders-20260105.csv"));
  EXPECT_THAT(body, HasSubstr("weir arrivals list shop"));
}

TEST_F(NoticesOfRuns, TaskByItselfTellsToo) {
  add_task("a");
  script("a", {fail_as(ErrorCode::kInternal), succeed()});
  add_rule("all", {"failed", "recovered"});
  EXPECT_FALSE(run_alone("a"));
  EXPECT_TRUE(run_alone("a"));
  EXPECT_THAT(post_.events(), ElementsAre("failed", "recovered"));
}

}  // namespace
}  // namespace weir::orchestrate
