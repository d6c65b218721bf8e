#pragma once

/// Which flows come due next: their schedules in order of the next logical time, so that a
/// scheduler with many flows looks at those alone whose time has come. It starts nothing.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "schedule/schedule.h"

namespace weir::schedule {

/// Not for use from several threads at once.
class Calendar {
 public:
  struct Entry {
    std::string flow_id;
    int64_t next_us = 0;
  };

  /// Takes a flow in, or anew after its schedule changed. `after_us` is the last logical time that
  /// was started (see Schedule::before_first for none).
  void put(const std::string& flow_id, Schedule schedule, int64_t after_us);
  /// A flow that is not there is none.
  void remove(const std::string& flow_id);
  /// The flow's time was started or left out: the one after it is next.
  void advance(const std::string& flow_id, int64_t after_us);

  size_t size() const { return flows_.size(); }
  /// Nothing for a flow that is not there.
  const Schedule* find(const std::string& flow_id) const;
  /// When to look again; nothing where no time comes any more.
  std::optional<Entry> next() const;
  /// Flows whose next logical time has come, the earliest first, at most `most`. They stay due
  /// until advance() or remove().
  std::vector<Entry> due(int64_t now_us, size_t most) const;

 private:
  struct Kept {
    Schedule schedule;
    std::optional<int64_t> next_us;
  };
  void arrange(const std::string& flow_id, Kept& kept, int64_t after_us);

  std::map<std::string, Kept, std::less<>> flows_;
  std::set<std::pair<int64_t, std::string>> by_time_;  ///< Flows that have a next time.
};

}  // namespace weir::schedule
