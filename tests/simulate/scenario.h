#pragma once

/// What a seed is about: flows, what starts them, how many servers, and how bad the day is.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dice.h"
#include "model/configuration.h"
#include "orchestrate/services.h"

namespace weir::simulate {

struct PlannedTask {
  std::string id;
  std::vector<std::string> needs;
  model::RunIf run_if = model::RunIf::kAllSucceeded;
  int64_t retries = 0;
  int64_t retry_delay_ms = 0;
  std::string pool;
};
struct PlannedFlow {
  std::string id;
  int64_t max_active_runs = 1;
  model::Overlap overlap = model::Overlap::kQueue;
  std::vector<PlannedTask> tasks;  ///< What one needs stands before it.
};
struct PlannedWish {
  int64_t time_us = 0;  ///< From the beginning.
  std::string flow_id;
  std::string run_key;
};

/// How often something goes wrong, each time it could.
struct Weather {
  double unavailable = 0;  ///< A call fails before anything happened.
  double lost_answer = 0;  ///< It happened, and nobody is told.
  double pause = 0;        ///< The process sleeps at a call, often for longer than its lease.
  double crash = 0;        ///< It dies there.
  double slow = 0;         ///< A call takes seconds.
  double cut = 0;          ///< Its network is gone for a while.
  double task_dies = 0;    ///< A task's process is killed while it works.
  double watch_hangs = 0;  ///< A task works on while its lease is not renewed.
  double task_fails = 0;
};

struct Plan {
  std::vector<PlannedFlow> flows;
  std::map<std::string, int64_t> pools;
  std::vector<PlannedWish> wishes;  ///< In order of time.
  int64_t length_us = 0;
  int64_t servers = 1;
  int64_t slots = 4;
  int64_t lease_ms = 30'000;
  int64_t look_ms = 1000;
  int64_t most_skew_ms = 0;
  int64_t longest_task_ms = 0;
  int64_t people = 0;  ///< How many things they do.
  Weather weather;

  const PlannedFlow* find_flow(const std::string& id) const;
};

Plan make_plan(Dice& dice);
std::shared_ptr<const orchestrate::Pinned> pin(const Plan& plan);

}  // namespace weir::simulate
