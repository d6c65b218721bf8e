#include <unistd.h>

#include "catalog/conformance.h"

namespace weir::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

Notice night(const std::string& key, const std::string& subject_key = "shop/load/internal") {
  Notice notice;
  notice.key = key;
  notice.rule_id = "night";
  notice.channel = "ops";
  notice.run_id = "r";
  notice.flow_id = "shop";
  notice.event = "failed";
  notice.payload = {{"subject", "weir FAILED"}};
  notice.subject_key = subject_key;
  return notice;
}

std::vector<std::string> states(Catalog& catalog) {
  std::vector<std::string> states;
  const auto all = catalog.notices("", 100);
  if (!all) return {to_line(all.error())};
  for (const auto& notice : *all) states.push_back(notice.state);
  return states;
}

FlowRun running(Catalog& catalog) {
  const auto started = catalog.start_run(monday_run(), {waiting_task(monday_run())});
  EXPECT_OK(started);
  EXPECT_OK(catalog.move_run({started->run.run_id, RunState::kQueued}, RunState::kRunning, "", ""));
  return started->run;
}

TEST_P(Conformance, NoticeComesWithTheStateItTellsOf) {
  const FlowRun run = running(*catalog_);
  const auto lost = catalog_->move_run({run.run_id, RunState::kQueued}, RunState::kFailed,
                                       "internal", "x", {night("lost")});
  EXPECT_FAILS(ErrorCode::kConflict, lost);
  EXPECT_THAT(states(*catalog_), IsEmpty()) << "what did not happen is told to nobody";
  ASSERT_OK(catalog_->move_run({run.run_id, RunState::kRunning}, RunState::kFailed, "internal", "x",
                               {night("kept")}));
  TaskRun held = waiting_task(run);
  held.state = TaskState::kHeld;
  ASSERT_OK(catalog_->move_task(held, {TaskState::kWaiting, 0, 0}, {night("held")}));
  EXPECT_FAILS(ErrorCode::kConflict,
               catalog_->move_task(held, {TaskState::kWaiting, 0, 0}, {night("again")}));
  const auto due = catalog_->due_notices(10);
  ASSERT_OK(due);
  ASSERT_THAT(*due, SizeIs(2));
  EXPECT_EQ(due->front().key, "kept");
  EXPECT_EQ(due->front().payload, Json({{"subject", "weir FAILED"}}));
  EXPECT_EQ(due->back().key, "held");
}

TEST_P(Conformance, NoProcessSeesTheStateWithoutItsNotice) {
  const FlowRun run = running(*catalog_);
  // Dies at the statement that follows the change of state.
  const auto dies = [](std::string_view sql) {
    if (sql.find("INSERT INTO outbox") != std::string_view::npos) _exit(7);
  };
  const pid_t child = in_child(
      [&](Catalog& mine) {
        static_cast<void>(mine.move_run({run.run_id, RunState::kRunning}, RunState::kFailed,
                                        "internal", "x", {night("n")}));
        return 0;
      },
      dies);
  EXPECT_EQ(wait_for(child), 7);
  EXPECT_EQ(catalog_->flow_run(run.run_id)->state, RunState::kRunning);
  EXPECT_THAT(states(*catalog_), IsEmpty());
}

TEST_P(Conformance, NoticeOfAKnownKeyIsTheSame) {
  ASSERT_OK(catalog_->add_notices({night("n"), night("n")}));
  ASSERT_OK(catalog_->add_notices({night("n")}));
  EXPECT_THAT(states(*catalog_), ElementsAre("waiting"));
}

TEST_P(Conformance, NoticeIsTriedUntilItIsSentOrGivenUp) {
  ASSERT_OK(catalog_->add_notices({night("a"), night("b")}));
  const auto due = catalog_->due_notices(10);
  ASSERT_OK(due);
  const int64_t a = due->front().outbox_id;
  const int64_t b = due->back().outbox_id;
  ASSERT_OK(catalog_->note_try(a, "nobody answers", clock_.now_us() + 10'000'000));
  ASSERT_OK(catalog_->note_try(b, "", 0));
  EXPECT_THAT(*catalog_->due_notices(10), IsEmpty());
  clock_.advance_ms(10'000);
  const auto again = catalog_->due_notices(10);
  ASSERT_OK(again);
  ASSERT_THAT(*again, SizeIs(1));
  EXPECT_EQ(again->front().attempts, 1);
  EXPECT_EQ(again->front().error_text, "nobody answers");
  ASSERT_OK(catalog_->note_try(a, "nobody answers", 0));
  EXPECT_THAT(states(*catalog_), ElementsAre("sent", "failed"));
  ASSERT_OK(catalog_->note_try(b, "a late answer", 0));
  EXPECT_EQ(catalog_->notices("sent", 10)->front().sent_at_us, clock_.now_us() - 10'000'000);
  EXPECT_EQ(catalog_->count_notices().value_or(std::map<std::string, int64_t>{}),
            (std::map<std::string, int64_t>{{"failed", 1}, {"sent", 1}}));
  EXPECT_EQ(catalog_->revive_notices().value_or(-1), 1);
  EXPECT_THAT(*catalog_->due_notices(10), SizeIs(1));
}

TEST_P(Conformance, NoticesAreLimitedByRuleAndEvent) {
  const auto limited = [](const std::string& key) {
    Notice notice = night(key);
    notice.at_most = 2;
    notice.per_ms = 1000;
    return notice;
  };
  for (const char* key : {"1", "2", "3", "4"}) ASSERT_OK(catalog_->add_notices({limited(key)}));
  EXPECT_THAT(states(*catalog_), ElementsAre("suppressed", "suppressed", "waiting", "waiting"));
  Notice other = limited("5");
  other.event = "recovered";
  ASSERT_OK(catalog_->add_notices({other}));
  EXPECT_EQ(states(*catalog_).front(), "waiting") << "another event has a limit of its own";
  clock_.advance_ms(1001);
  ASSERT_OK(catalog_->add_notices({limited("6")}));
  const auto newest = catalog_->notices("", 1);
  ASSERT_OK(newest);
  EXPECT_EQ(newest->front().state, "waiting");
  EXPECT_EQ(newest->front().payload.value("suppressed", 0), 2) << "it says what was left out";
}

TEST_P(Conformance, SameFailureIsToldOnceWithinItsTime) {
  const auto dedup = [](const std::string& key, const std::string& subject_key) {
    Notice notice = night(key, subject_key);
    notice.dedup_ms = 1000;
    return notice;
  };
  ASSERT_OK(catalog_->add_notices({dedup("1", "load")}));
  ASSERT_OK(catalog_->add_notices({dedup("2", "load"), dedup("3", "ingest")}));
  EXPECT_THAT(states(*catalog_), ElementsAre("waiting", "suppressed", "waiting"));
  clock_.advance_ms(1001);
  ASSERT_OK(catalog_->add_notices({dedup("4", "load")}));
  EXPECT_EQ(states(*catalog_).front(), "waiting");
}

TEST_P(Conformance, RunRemembersThatItHasFailed) {
  const FlowRun run = running(*catalog_);
  ASSERT_OK(
      catalog_->move_run({run.run_id, RunState::kRunning}, RunState::kFailed, "internal", "x"));
  EXPECT_FALSE(catalog_->flow_run(run.run_id)->has_failed);
  ASSERT_OK(catalog_->move_run({run.run_id, RunState::kFailed}, RunState::kQueued, "", ""));
  ASSERT_OK(catalog_->move_run({run.run_id, RunState::kQueued}, RunState::kRunning, "", ""));
  EXPECT_TRUE(catalog_->flow_run(run.run_id)->has_failed);
}

TEST_P(Conformance, EventsOfLineageKeepTheirOrderAndGoOnceTheyAreTold) {
  const auto event = [](const std::string& key) {
    Notice notice = night(key);
    notice.event = std::string(kLineageEvent);
    notice.channel = "marquez";
    return notice;
  };
  ASSERT_OK(catalog_->add_notices({event("start"), night("mail")}));
  EXPECT_THAT(*catalog_->due_channels(), UnorderedElementsAre("marquez", "ops"));
  ASSERT_OK(catalog_->defer_events("marquez", "it is down", clock_.now_us() + 1'000'000));
  ASSERT_OK(catalog_->add_notices({event("complete")}));
  EXPECT_THAT(*catalog_->due_notices(10, "marquez"), IsEmpty()) << "not before the first";
  EXPECT_THAT(*catalog_->due_notices(10), SizeIs(1)) << "mails are no concern of it";
  clock_.advance_ms(1000);
  const auto due = catalog_->due_notices(10, "marquez");
  ASSERT_THAT(*due, SizeIs(2));
  EXPECT_EQ(due->front().key, "start");
  EXPECT_EQ(due->front().attempts, 1);
  ASSERT_OK(catalog_->note_try(due->front().outbox_id, "", 0));
  EXPECT_THAT(*catalog_->notices("", 10), SizeIs(2)) << "what was told is not kept";
  EXPECT_EQ(catalog_->forget_events(clock_.now_us() + 1).value_or(-1), 1);
  EXPECT_THAT(*catalog_->notices("", 10), SizeIs(1)) << "the mail stays";
}

}  // namespace
}  // namespace weir::catalog
