#pragma once

/// A rehearsal: what would start when, wait and end, were runs asked for at the times given. The
/// rules are those of servers: overlap and max_active_runs of flows, needs and run_if of tasks,
/// slots of pools. It has no clock, reads nothing and changes nothing; every task is taken to
/// succeed after the time that it is given.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/configuration.h"

namespace weir::orchestrate {

struct RehearsedFlow {
  model::Flow flow;
  std::map<std::string, int64_t> duration_ms;  ///< Of its tasks; 0 for those that are not named.
};

struct RehearsedWish {
  std::string flow_id;
  int64_t at_us = 0;
  std::string cause;  ///< For people.
};

struct RehearsalLimits {
  std::map<std::string, int64_t> pools;  ///< Slots. A pool that is not named has no limit.
  int64_t slots = 0;                     ///< Tasks at once, of all servers together; 0: no limit.
};

enum class RehearsedEnd { kSucceeded, kSkipped, kRefused, kCancelled };
std::string_view to_text(RehearsedEnd end);

struct RehearsedRun {
  RehearsedWish wish;
  RehearsedEnd end = RehearsedEnd::kSucceeded;
  int64_t started_at_us = 0;  ///< 0: it never ran.
  int64_t ended_at_us = 0;
  int64_t for_slots_us = 0;  ///< What its tasks waited for slots, added up.
  std::string remark;        ///< Whom it gave way to; empty where it did not.
};

/// The runs in the order of their wishes. Wishes of flows that are not among `flows` are left out.
/// A run that is cancelled stops at once.
std::vector<RehearsedRun> rehearse(const std::vector<RehearsedFlow>& flows,
                                   std::vector<RehearsedWish> wishes,
                                   const RehearsalLimits& limits);

}  // namespace weir::orchestrate
