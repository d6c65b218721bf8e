#include <unistd.h>

#include "catalog/conformance.h"
#include "catalog/overview.h"
#include "catalog/waiting_starts.h"

namespace weir::catalog {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

WaitingStart monday(const std::string& text = "unavailable: no answer from port 5432") {
  WaitingStart start;
  start.flow_id = "shop";
  start.trigger = "scheduled";
  start.run_key = "scheduled:monday";
  start.logical_time_us = 5;
  start.next_try_us = 7;
  start.error_code = "unavailable";
  start.error_text = text;
  start.error_hint = "look at the database";
  return start;
}

Notice told(const std::string& key) {
  Notice notice;
  notice.key = key;
  notice.rule_id = "night";
  notice.channel = "ops";
  notice.flow_id = "shop";
  notice.event = "failed";
  return notice;
}

TEST_P(Conformance, StartThatFailsIsToldOnceForEachReason) {
  WaitingStarts& starts = catalog_->waiting_starts();
  const int64_t began_us = clock_.now_us();
  ASSERT_EQ(starts.note_waiting_start(monday(), {told("one")}), true);
  clock_.advance_ms(10);
  WaitingStart tuesday = monday("unavailable: no answer from port 6000");
  tuesday.run_key = "scheduled:tuesday";
  ASSERT_EQ(starts.note_waiting_start(tuesday, {told("two")}), false) << "numbers are no reason";
  EXPECT_THAT(*catalog_->notices("", 10), SizeIs(1));
  auto listed = starts.list_waiting_starts();
  ASSERT_OK(listed);
  ASSERT_THAT(*listed, SizeIs(1));
  EXPECT_EQ(listed->front().since_us, began_us);
  EXPECT_EQ(listed->front().tried_at_us, began_us + 10'000);
  EXPECT_EQ(listed->front().tries, 2);
  EXPECT_EQ(listed->front().run_key, "scheduled:tuesday") << "the newest is what it waits with";
  EXPECT_EQ(listed->front().error_text, tuesday.error_text);
  EXPECT_EQ(listed->front().error_hint, "look at the database");
  EXPECT_EQ(listed->front().logical_time_us, 5);
  EXPECT_EQ(listed->front().next_try_us, 7);
  ASSERT_EQ(starts.note_waiting_start(monday("unavailable: the password is wrong"), {told("3")}),
            true);
  EXPECT_THAT(*catalog_->notices("", 10), SizeIs(2));
  listed = starts.list_waiting_starts();
  EXPECT_EQ(listed->front().tries, 3);
  EXPECT_EQ(listed->front().since_us, began_us) << "it has not started meanwhile";
  EXPECT_EQ(catalog_->overview().numbers()->waiting_starts.front().tries, 3);
}

TEST_P(Conformance, RunThatBeginsEndsTheWaitOfItsTriggerAndHasFailedOnce) {
  WaitingStarts& starts = catalog_->waiting_starts();
  WaitingStart of_file = monday();
  of_file.trigger = "file";
  of_file.run_key = "file:a.csv";
  WaitingStart of_other = monday();
  of_other.flow_id = "bank";
  for (const auto& start : {monday(), of_file, of_other})
    ASSERT_EQ(starts.note_waiting_start(start, {}), true);
  FlowRun run = monday_run();
  run.flow_id = "shop";
  run.run_id = "by hand";
  run.run_key = "by hand";
  run.trigger = "manual";
  EXPECT_FALSE(catalog_->start_run(run, {})->run.has_failed) << "it is another run";
  EXPECT_THAT(*starts.list_waiting_starts(), SizeIs(3));
  run.run_id = run.run_key = "scheduled:wednesday";
  run.trigger = "scheduled";
  EXPECT_TRUE(catalog_->start_run(run, {})->run.has_failed) << "recovered, once it succeeds";
  auto left = *starts.list_waiting_starts();
  ASSERT_THAT(left, SizeIs(2));
  EXPECT_EQ(left[0].flow_id, "bank");
  EXPECT_EQ(left[1].trigger, "file");
  run.run_id = "again";
  run.run_key = "file:a.csv";
  run.trigger = "manual";
  EXPECT_TRUE(catalog_->start_run(run, {})->run.has_failed) << "the same run, started by hand";
  run.run_id = run.run_key = "next";
  run.trigger = "scheduled";
  EXPECT_FALSE(catalog_->start_run(run, {})->run.has_failed);
  ASSERT_OK(starts.forget_waiting_start("bank", "scheduled"));
  ASSERT_OK(starts.forget_waiting_start("bank", "scheduled"));
  EXPECT_THAT(*starts.list_waiting_starts(), IsEmpty());
}

TEST_P(Conformance, WaitAndItsNoticeAreOneTransaction) {
  WaitingStarts& starts = catalog_->waiting_starts();
  const auto dies = [](std::string_view sql) {
    if (sql.find("INSERT INTO outbox") != std::string_view::npos) _exit(7);
  };
  const pid_t child = in_child(
      [&](Catalog& mine) {
        static_cast<void>(mine.waiting_starts().note_waiting_start(monday(), {told("one")}));
        return 0;
      },
      dies);
  EXPECT_EQ(wait_for(child), 7);
  EXPECT_THAT(*starts.list_waiting_starts(), IsEmpty()) << "else nobody would ever be told";
}

}  // namespace
}  // namespace weir::catalog
