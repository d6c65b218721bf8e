#pragma once

/// Whether the rules of notification make sense: channels that are there and can be opened, events,
/// flows and fields that there are; and where events of lineage go. Part of lint.h.

#include "config/places.h"
#include "model/configuration.h"

namespace weir::config {

/// Adds what is wrong with rules, with `lineage`, and with the options of connections that are
/// channels.
void lint_notifications(const model::Configuration& configuration, const Places& places,
                        Faults& faults);

}  // namespace weir::config
