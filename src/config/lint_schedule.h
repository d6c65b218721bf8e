#pragma once

/// Whether a flow's schedule names times that there are: its cron, zone, period and bounds. Part of
/// lint.h.

#include "config/places.h"
#include "model/configuration.h"
#include "schedule/zone.h"

namespace weir::config {

/// Adds what is wrong with the schedule of a flow. A fault within a cron text is shown at the words
/// at fault, where the text stands on one line.
void lint_schedule(const model::Configuration& configuration, const model::Flow& flow,
                   const Places& places, schedule::Zones& zones, Faults& faults);

/// Adds what is wrong with the calendars.
void lint_calendars(const model::Configuration& configuration, const Places& places,
                    Faults& faults);

}  // namespace weir::config
