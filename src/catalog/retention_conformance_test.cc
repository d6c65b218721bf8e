#include "catalog/retention.h"

#include "catalog/conformance.h"

namespace weir::catalog {
namespace {

using ::testing::ElementsAre;

constexpr int64_t kDayUs = 86'400'000'000;

class Old {
 public:
  Old(Catalog& catalog, Place& place, int64_t now_us)
      : catalog_(catalog), place_(place), now_us_(now_us) {}

  /// A run that ended so many days ago, with a task and a line of its log.
  void run(const std::string& id, int64_t days, const std::string& state,
           const std::string& flow_id = "airports", const std::string& version = "") {
    FlowRun run = monday_run(id);
    run.run_id = id;
    run.flow_id = flow_id;
    run.config_hash = version;
    run.created_at_us = now_us_ - days * kDayUs;
    EXPECT_OK(catalog_.start_run(run, {waiting_task(run)}));
    EXPECT_OK(catalog_.add_log(id, "ingest", 1, "info", "a line"));
    EXPECT_OK(place_.run_sql(
        fmt::format("UPDATE flow_run SET state = '{}', finished_at_us = {} WHERE run_id = '{}'",
                    state, run.created_at_us, id)));
  }
  void version(const std::string& hash, int64_t days) {
    EXPECT_OK(catalog_.add_config_version({.hash = hash,
                                           .created_at_us = now_us_ - days * kDayUs,
                                           .author = "",
                                           .reason = "sql",
                                           .content = {}}));
  }

 private:
  Catalog& catalog_;
  Place& place_;
  int64_t now_us_;
};

std::vector<std::string> left(Catalog& catalog) {
  std::vector<std::string> ids;
  for (const char* flow : {"airports", "other"}) {
    const auto runs = catalog.flow_runs(flow, 1000);
    EXPECT_OK(runs);
    for (const auto& run : *runs) ids.push_back(run.run_id);
  }
  std::ranges::sort(ids);
  return ids;
}

TEST_P(Conformance, OldRunsAreForgottenWithAllThatIsTheirs) {
  Old old(*catalog_, *place_, clock_.now_us());
  old.version("used", 300);
  old.version("unused", 300);
  old.version("new", 1);
  old.run("a-success", 200, "succeeded", "airports", "used");
  old.run("b-old", 150, "failed");
  old.run("c-running", 140, "running");
  old.run("d-held", 130, "failed");
  ASSERT_OK(place_->run_sql(
      "INSERT INTO hold (token, run_id, task_id, reason, created_at_us) VALUES ('t', 'd-held', "
      "'ingest', 'r', 1)"));
  old.run("e-old", 120, "cancelled");
  old.run("f-young", 50, "failed");
  old.run("g-newest", 40, "failed");
  old.run("h-newest-of-other", 400, "failed", "other");

  PruneRequest request;
  request.before_us = clock_.now_us() - 90 * kDayUs;
  request.keep = 1;
  request.is_rehearsal = true;
  const auto rehearsed = catalog_->retention().prune(request);
  ASSERT_OK(rehearsed);
  EXPECT_EQ(rehearsed->runs, 2);
  EXPECT_EQ(rehearsed->tasks, 2);
  EXPECT_EQ(rehearsed->log_lines, 2);
  EXPECT_EQ(rehearsed->versions, 1);
  EXPECT_EQ(left(*catalog_).size(), 8u) << "nothing was done";

  request.is_rehearsal = false;
  const auto pruned = catalog_->retention().prune(request);
  ASSERT_OK(pruned);
  EXPECT_EQ(pruned->runs, 2);
  EXPECT_EQ(pruned->tasks, 2);
  EXPECT_EQ(pruned->log_lines, 2);
  EXPECT_EQ(pruned->versions, 1);
  EXPECT_FALSE(pruned->has_more);
  EXPECT_THAT(left(*catalog_), ElementsAre("a-success", "c-running", "d-held", "f-young",
                                           "g-newest", "h-newest-of-other"));
  EXPECT_TRUE(catalog_->task_runs("b-old")->empty());
  EXPECT_EQ(catalog_->task_runs("a-success")->size(), 1u);
  EXPECT_OK(catalog_->config_version("used"));
  EXPECT_OK(catalog_->config_version("new"));
  EXPECT_FAILS(ErrorCode::kNotFound, catalog_->config_version("unused"));
  const auto again = catalog_->retention().prune(request);
  ASSERT_OK(again);
  EXPECT_TRUE(again->is_nothing());
}

TEST_P(Conformance, TheNewestRunsOfAFlowStayAndAllIsDoneByParts) {
  Old old(*catalog_, *place_, clock_.now_us());
  for (int i = 0; i < 8; ++i) old.run(fmt::format("r{}", i), 200 - i, "succeeded");
  PruneRequest request;
  request.before_us = clock_.now_us() - 90 * kDayUs;
  request.keep = 3;
  request.most = 4;
  const auto first = catalog_->retention().prune(request);
  ASSERT_OK(first);
  EXPECT_EQ(first->runs, 4);
  EXPECT_TRUE(first->has_more);
  EXPECT_THAT(left(*catalog_), ElementsAre("r4", "r5", "r6", "r7")) << "the oldest go first";
  const auto second = catalog_->retention().prune(request);
  ASSERT_OK(second);
  EXPECT_EQ(second->runs, 1);
  EXPECT_FALSE(second->has_more);
  EXPECT_THAT(left(*catalog_), ElementsAre("r5", "r6", "r7"));
}

TEST_P(Conformance, AVersionThatWasJustPinnedAgainStays) {
  Old old(*catalog_, *place_, clock_.now_us());
  old.version("again", 300);
  ASSERT_OK(catalog_->add_config_version(
      {.hash = "again", .created_at_us = 0, .author = "", .reason = "sql", .content = {}}));
  PruneRequest request;
  request.before_us = clock_.now_us() - 90 * kDayUs;
  const auto pruned = catalog_->retention().prune(request);
  ASSERT_OK(pruned);
  EXPECT_EQ(pruned->versions, 0) << "its run is about to be there";
  EXPECT_OK(catalog_->config_version("again"));
}

TEST_P(Conformance, MessagesThatWaitStay) {
  const int64_t old_us = clock_.now_us() - 200 * kDayUs;
  for (const char* state : {"waiting", "sent", "failed", "suppressed"})
    ASSERT_OK(place_->run_sql(
        fmt::format("INSERT INTO outbox (notification_rule_id, event, state, created_at_us) VALUES "
                    "('r', 'failed', '{}', {})",
                    state, old_us)));
  PruneRequest request;
  request.before_us = clock_.now_us() - 90 * kDayUs;
  const auto pruned = catalog_->retention().prune(request);
  ASSERT_OK(pruned);
  EXPECT_EQ(pruned->messages, 3);
  const auto again = catalog_->retention().prune(request);
  ASSERT_OK(again);
  EXPECT_EQ(again->messages, 0);
}

}  // namespace
}  // namespace weir::catalog
