#include "cli/serving/usage_totals.h"

#include <gtest/gtest.h>

namespace weir::cli {
namespace {

catalog::TaskRun ended(const std::string& template_id, int64_t cpu_ms, int64_t megabytes) {
  catalog::TaskRun row;
  row.template_id = template_id;
  row.cpu_ms = cpu_ms;
  row.peak_memory_bytes = megabytes * 1'000'000;
  return row;
}

TEST(UsageTotals, AddUpByFlowAndTemplate) {
  UsageTotals totals;
  totals.note("shop", ended("check", 10, 40));
  totals.note("shop", ended("check", 5, 100));
  totals.note("sales", ended("check", 1, 90'000));
  totals.note("sales", ended("transform", 0, 0));
  const auto now = totals.now();
  EXPECT_EQ(now.by_flow.at({"shop", "check"}).attempts, 2);
  EXPECT_EQ(now.by_flow.at({"shop", "check"}).cpu_ms, 15);
  EXPECT_EQ(now.by_flow.at({"sales", "transform"}).attempts, 1);
  const auto& peaks = now.by_template.at("check");
  EXPECT_EQ(peaks.count, 3);
  EXPECT_EQ(peaks.sum_bytes, 90'140'000'000);
  EXPECT_EQ(peaks.buckets[0], 1);
  EXPECT_EQ(peaks.buckets[1], 2) << "a bound is part of its bucket";
  EXPECT_EQ(peaks.buckets.back(), 2) << "beyond all bounds";
  EXPECT_FALSE(now.by_template.contains("transform")) << "nobody knows what a thread has";
}

TEST(UsageTotals, ManyFlowsStandUnderOneName) {
  UsageTotals totals;
  for (size_t i = 0; i < UsageTotals::kMostPairs + 50; ++i)
    totals.note("flow_" + std::to_string(i), ended("check", 1, 1));
  totals.note("flow_7", ended("check", 1, 1));
  const auto now = totals.now();
  EXPECT_EQ(now.by_flow.size(), UsageTotals::kMostPairs + 1);
  EXPECT_EQ(now.by_flow.at({UsageTotals::kOthers, UsageTotals::kOthers}).attempts, 50);
  EXPECT_EQ(now.by_flow.at({"flow_7", "check"}).attempts, 2) << "who was there before stays";
}

}  // namespace
}  // namespace weir::cli
