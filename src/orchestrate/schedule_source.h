#pragma once

/// Runs that are due by the clock.

#include <memory>
#include <string>
#include <vector>

#include "orchestrate/coordinator.h"
#include "schedule/calendar.h"

namespace weir::orchestrate {

/// The schedules of the enabled flows of a configuration, as far as the catalog says that they have
/// come. Paused flows have none; what passed while they were paused is caught up with, or not, as
/// their schedule says, once they are resumed.
class ScheduleSource final : public RunSource {
 public:
  ScheduleSource(catalog::Catalog& catalog, Clock& clock, Log& log, schedule::Zones& zones)
      : catalog_(catalog), clock_(clock), log_(log), zones_(zones) {}

  /// Another configuration, or other flows are paused: flows keep how far they have come.
  Status take(const model::Configuration& configuration);

  Result<std::vector<RunWish>> due(int64_t now_us) override;
  Status started(const RunWish& wish, const catalog::FlowRun& run) override;
  int64_t next_us() const override;

  /// How long the one that waits longest has been due; 0: nothing is.
  int64_t lag_us(int64_t now_us) const;

 private:
  catalog::Catalog& catalog_;
  Clock& clock_;
  Log& log_;
  schedule::Zones& zones_;
  schedule::Calendar calendar_;
  std::map<std::string, int64_t> until_us_;  ///< How far each flow has come.
  std::map<std::string, Json> written_;      ///< The schedules as they were read.
};

}  // namespace weir::orchestrate
