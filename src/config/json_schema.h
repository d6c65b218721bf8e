#pragma once

/// The JSON Schema of weir's YAML files, for editors: made of the same declarations as the reader
/// and of the parameters of templates, so it is never behind.

#include <span>

#include "base/json.h"
#include "task/template.h"

namespace weir::config {

/// One schema (draft 2020-12) for weir.yaml and the files of flows/: `weir schema` prints it.
Json json_schema(std::span<const task::Template> builtin);

/// A parameter as a schema: type, range, choices, meaning. Variables (`${ }`) pass everywhere.
Json json_schema(const task::Param& param);

}  // namespace weir::config
