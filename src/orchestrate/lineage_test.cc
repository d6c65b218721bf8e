#include "orchestrate/lineage.h"

#include "orchestrate/courier.h"
#include "orchestrate/runner/scripted_runs.h"

namespace weir::orchestrate {
namespace {

using ::testing::SizeIs;

/// Takes events, or answers as it is told; thread-safe.
class Receiver {
 public:
  using Answer = std::function<std::optional<ErrorCode>(const std::string& event)>;

  /// `answer` says of an event (`START shop.a`) how it fails; nothing: it is taken.
  void answer(Answer answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  std::vector<std::string> taken() {
    const std::lock_guard lock(mutex_);
    return taken_;
  }
  /// Whole events, also those that it did not take.
  std::vector<Json> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  Json last(const std::string& event) {
    Json found;
    for (const Json& each : asked())
      if (word_of(each) == event) found = each;
    return found;
  }
  int64_t times(const std::string& event) {
    return std::ranges::count(asked(), event, &Receiver::word_of);
  }

  std::unique_ptr<notify::Channel> open() { return std::make_unique<Line>(*this); }

 private:
  class Line final : public notify::Channel {
   public:
    explicit Line(Receiver& receiver) : receiver_(receiver) {}
    Status send(const notify::Message& message, const Cancel& /*cancel*/) override {
      return receiver_.take(message.event);
    }

   private:
    Receiver& receiver_;
  };

  static std::string word_of(const Json& event) {
    return event.at("eventType").get<std::string>() + " " +
           event.at("job").at("name").get<std::string>();
  }

  Status take(const Json& event) {
    const std::lock_guard lock(mutex_);
    asked_.push_back(event);
    const auto failure = answer_ ? answer_(word_of(event)) : std::nullopt;
    if (failure) return fail(*failure, "the receiver says no");
    taken_.push_back(word_of(event));
    return {};
  }

  std::mutex mutex_;
  Answer answer_;
  std::vector<std::string> taken_;
  std::vector<Json> asked_;
};

class LineLog final : public Log {
 public:
  void write(LogLevel level, std::string_view message) override {
    const std::lock_guard lock(mutex_);
    if (level >= LogLevel::kWarning) lines_.emplace_back(message);
  }
  std::vector<std::string> lines_with(const std::string& word) {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> found;
    for (const auto& line : lines_)
      if (line.contains(word)) found.push_back(line);
    return found;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

class LineageOfRuns : public ScriptedRuns {
 protected:
  LineageOfRuns() {
    pinned_.configuration.project = "market";
    pinned_.configuration.lineage.to = "marquez";
    model::Connection connection;
    connection.connection_id = "marquez";
    connection.kind = "webhook";
    pinned_.configuration.connections.push_back(connection);
    services_.log = &log_;
    services_.channel = [this](const model::Connection&) {
      return Result<std::unique_ptr<notify::Channel>>(receiver_.open());
    };
  }

  void send() {
    const Cancel cancel;
    const auto report = send_due(services_, pinned_.configuration, cancel);
    EXPECT_TRUE(report) << to_line(report.error());
  }

  Receiver receiver_;
  LineLog log_;
};

TEST_F(LineageOfRuns, EventsComeInTheOrderInWhichThingsHappened) {
  add_task("a");
  add_task("b", {"a"});
  run();
  EXPECT_THAT(receiver_.taken(), ElementsAre("START shop", "START shop.a", "COMPLETE shop.a",
                                             "START shop.b", "COMPLETE shop.b", "COMPLETE shop"));
}

TEST_F(LineageOfRuns, EachAttemptIsARunOfItsOwnThatSaysWhyItEnded) {
  add_task("a").retries = 1;
  script("a", {fail_as(ErrorCode::kUnavailable), succeed()});
  run();
  EXPECT_THAT(receiver_.taken(), ElementsAre("START shop", "START shop.a", "FAIL shop.a",
                                             "START shop.a", "COMPLETE shop.a", "COMPLETE shop"));
  const Json failed = receiver_.last("FAIL shop.a")["run"];
  const Json done = receiver_.last("COMPLETE shop.a")["run"];
  EXPECT_NE(failed["runId"], done["runId"]);
  EXPECT_THAT(failed["facets"]["errorMessage"]["message"].get<std::string>(),
              HasSubstr("as the test says"));
  EXPECT_EQ(failed["facets"]["weir"]["error_code"], "unavailable");
  EXPECT_FALSE(done["facets"].contains("errorMessage"));
}

TEST_F(LineageOfRuns, CancelledIsAborted) {
  add_task("a");
  add_task("b", {"a"});
  Signal started;
  script("a", {wait_for_cancel(started)});
  Cancel cancel;
  std::jthread person([&] {
    started.wait();
    cancel.cancel("a person stopped it");
  });
  run("", cancel);
  send();
  EXPECT_THAT(receiver_.taken(),
              ElementsAre("START shop", "START shop.a", "ABORT shop.a", "ABORT shop"));
}

TEST_F(LineageOfRuns, ARunWhoseProcessIsGoneIsAbortedAsItWasPinned) {
  add_task("a");
  catalog::ConfigVersion version;
  version.hash = "pinned";
  version.reason = "apply";
  version.content = {{"format", 1},
                     {"configuration", model::to_json(pinned_.configuration)},
                     {"files", Json::object()}};
  ASSERT_TRUE(catalog_->add_config_version(version));
  catalog::FlowRun dead;
  dead.run_id = "01a22100-0000-7000-8000-000000000001";
  dead.flow_id = "shop";
  dead.run_key = "monday";
  dead.config_hash = version.hash;
  dead.state = catalog::RunState::kRunning;
  catalog::TaskRun row;
  row.run_id = dead.run_id;
  row.task_id = "a";
  row.template_id = "work";
  row.state = catalog::TaskState::kRunning;
  row.attempt = 1;
  ASSERT_TRUE(catalog_->start_run(dead, {row}));
  const auto cancelled = cancel_run(services_, dead.run_id);
  ASSERT_TRUE(cancelled) << to_line(cancelled.error());
  EXPECT_EQ(cancelled->state, catalog::RunState::kCancelled);
  send();
  EXPECT_THAT(receiver_.taken(), ElementsAre("ABORT shop.a", "ABORT shop"));
}

TEST_F(LineageOfRuns, HeldIsAborted) {
  add_task("a").template_id = "held";
  run();
  EXPECT_THAT(receiver_.taken(),
              ElementsAre("START shop", "START shop.a", "ABORT shop.a", "ABORT shop"));
}

TEST_F(LineageOfRuns, WhatCameWithoutAnAnswerComesAgainAsTheSame) {
  add_task("a");
  bool is_first = true;
  receiver_.answer([&](const std::string& event) -> std::optional<ErrorCode> {
    if (event != "START shop.a" || !std::exchange(is_first, false)) return std::nullopt;
    return ErrorCode::kOutcomeUnknown;
  });
  run();
  EXPECT_THAT(receiver_.taken(), ElementsAre("START shop")) << "what follows waits for it";
  clock_.advance_ms(10'000);
  send();
  EXPECT_THAT(receiver_.taken(),
              ElementsAre("START shop", "START shop.a", "COMPLETE shop.a", "COMPLETE shop"));
  std::vector<Json> both;
  for (const Json& event : receiver_.asked())
    if (event["eventType"] == "START" && event["job"]["name"] == "shop.a") both.push_back(event);
  ASSERT_THAT(both, SizeIs(2));
  EXPECT_EQ(both[0], both[1]);
}

TEST_F(LineageOfRuns, AnEventThatIsRefusedIsGivenUpByItselfWithALineInTheLog) {
  add_task("a");
  receiver_.answer([](const std::string& event) -> std::optional<ErrorCode> {
    if (event != "COMPLETE shop.a") return std::nullopt;
    return ErrorCode::kInvalidConfig;
  });
  run();
  EXPECT_THAT(receiver_.taken(), ElementsAre("START shop", "START shop.a", "COMPLETE shop"))
      << "a refusal says nothing of the next event";
  for (int64_t hour = 0; hour < 2 * kMostTries; ++hour) {
    const bool is_over = receiver_.times("COMPLETE shop.a") >= kMostTries;
    EXPECT_EQ(log_.lines_with("given up").size(), is_over ? 1U : 0U);
    clock_.advance_ms(3'600'000);
    send();
  }
  EXPECT_EQ(receiver_.times("COMPLETE shop.a"), kMostTries);
  EXPECT_THAT(log_.lines_with("given up"),
              ElementsAre(AllOf(HasSubstr("lineage COMPLETE shop.a"), HasSubstr("'marquez'"),
                                HasSubstr("16 times"), HasSubstr("the receiver says no"))));
  const auto left = catalog_->due_notices(100, "marquez");
  ASSERT_TRUE(left);
  EXPECT_THAT(*left, IsEmpty());
}

TEST_F(LineageOfRuns, ARefusalHoldsUpNoneOfTheOthers) {
  add_task("a");
  receiver_.answer([](const std::string&) { return std::optional(ErrorCode::kUnavailable); });
  run();
  receiver_.answer([](const std::string& event) -> std::optional<ErrorCode> {
    if (event != "START shop.a") return std::nullopt;
    return ErrorCode::kInvalidConfig;
  });
  clock_.advance_ms(10'000);
  send();
  EXPECT_THAT(receiver_.taken(), ElementsAre("START shop", "COMPLETE shop.a", "COMPLETE shop"));
}

TEST_F(LineageOfRuns, EventsThatNobodyTakesForAWeekAreGivenUpWithALineInTheLog) {
  add_task("a");
  receiver_.answer([](const std::string&) { return std::optional(ErrorCode::kUnavailable); });
  run();
  const auto asked = receiver_.asked().size();
  clock_.advance_ms(int64_t{6} * 24 * 3'600'000);
  send();
  EXPECT_EQ(receiver_.asked().size(), asked + 1) << "one is tried, and the others wait for it";
  EXPECT_THAT(log_.lines_with("given up"), IsEmpty());
  clock_.advance_ms(int64_t{25} * 3'600'000);
  receiver_.answer({});
  send();
  EXPECT_THAT(receiver_.taken(), IsEmpty());
  EXPECT_THAT(log_.lines_with("given up"), ElementsAre(HasSubstr("4 events of lineage")));
}

}  // namespace
}  // namespace weir::orchestrate
