#pragma once

/// Whether what runs put into tasks (run_reference.h) can be there: parameters are declared and
/// their defaults fit, files and times are spoken of where runs have them.

#include <string>
#include <vector>

#include "config/places.h"
#include "model/configuration.h"
#include "task/template.h"

namespace weir::config {

/// Adds what is wrong with the declarations of a flow, and with the values that its schedule and
/// its file trigger give.
void lint_flow_params(const model::Flow& flow, const Places& places, Faults& faults);

/// What is wrong with the references of a value of a task, each with a hint; `param` nullptr: SQL.
std::vector<Error> check_run_references(const model::Flow& flow, const task::Param* param,
                                        const Json& value);

}  // namespace weir::config
