#pragma once

/// Whether the rules of notification make sense: channels that are there and can be opened, events,
/// flows and fields that there are; and where events of lineage go. Part of lint.h.

#include "config/places.h"
#include "model/configuration.h"

namespace weir::config {

/// Adds what is wrong with rules, with `lineage`, and with the options of connections that are
/// channels. `is_of_one_flow`: a name of a flow or task that is not there is no fault.
void lint_notifications(const model::Configuration& configuration, const Places& places,
                        bool is_of_one_flow, Faults& faults);

}  // namespace weir::config
