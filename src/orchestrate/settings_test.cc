#include "orchestrate/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::orchestrate {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

class Settings : public ::testing::Test {
 protected:
  Settings() { flow.flow_id = "shop"; }
  TaskSettings read() {
    const auto settings = task_settings(configuration, flow, task);
    EXPECT_TRUE(settings) << to_line(settings.error());
    return settings.value_or(TaskSettings{});
  }

  model::Configuration configuration;
  model::Flow flow;
  model::Task task;
};

TEST_F(Settings, TaskGoesBeforeFlowAndFlowBeforeProject) {
  configuration.defaults = {{"retries", 1}, {"timeout", "1h"}, {"resources", {{"threads", 1}}}};
  flow.defaults = {{"retries", 2}, {"resources", {{"threads", 2}, {"memory_limit", "1GB"}}}};
  EXPECT_EQ(read().retries, 2);
  EXPECT_EQ(read().timeout_ms, 3'600'000);
  EXPECT_EQ(read().limits.threads, 2);
  task.retries = 3;
  task.resources = {{"threads", 3}};
  EXPECT_EQ(read().retries, 3);
  EXPECT_EQ(read().limits.threads, 3);
  EXPECT_EQ(read().limits.memory_bytes, 1'000'000'000) << "that of the flow";
}

TEST_F(Settings, ProcessMayHaveTwiceTheLimitOfDuckdbUnlessItIsSaid) {
  EXPECT_EQ(read().process_memory_bytes, 0) << "no limit, none of the process";
  task.resources = {{"memory_limit", "64MiB"}};
  EXPECT_EQ(read().process_memory_bytes, (64 + 512) * kMiB);
  task.resources = {{"memory_limit", "2GiB"}};
  EXPECT_EQ(read().process_memory_bytes, 4096 * kMiB);
  flow.defaults = {{"resources", {{"process_memory_limit", "3GiB"}}}};
  EXPECT_EQ(read().process_memory_bytes, 3072 * kMiB);
  EXPECT_EQ(read().limits.memory_bytes, 2048 * kMiB);
}

TEST_F(Settings, WhatDoesNotReadIsNamedWithItsPlace) {
  flow.defaults = {{"resources", {{"process_memory_limit", "lots"}}}};
  const auto settings = task_settings(configuration, flow, task);
  ASSERT_FALSE(settings);
  EXPECT_EQ(settings.error().code, ErrorCode::kInvalidConfig);
  EXPECT_THAT(to_line(settings.error()),
              ::testing::AllOf(::testing::HasSubstr("'lots' is no size"),
                               ::testing::HasSubstr("the defaults of flow 'shop'")));
}

}  // namespace
}  // namespace weir::orchestrate
