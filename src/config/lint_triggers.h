#pragma once

/// Whether the file triggers of a configuration can work: their words go together, and what they
/// name is there.

#include "config/places.h"
#include "model/configuration.h"

namespace weir::config {

/// Adds what is wrong to `faults`.
void lint_file_triggers(const model::Configuration& configuration, const Places& places,
                        Faults& faults);

}  // namespace weir::config
