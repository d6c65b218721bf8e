#pragma once

/// The shapes of what goes in and comes out, as JSON Schemas by name, and the check of a value
/// against the part of JSON Schema that they use.

#include <string>

#include "base/json.h"
#include "base/result.h"

namespace weir::server {

/// `{"Run": {…}, …}`; references are `#/components/schemas/<name>`.
const Json& schemas();

/// kInvalidData names the field. Knows type (one or several), enum, pattern-free texts with
/// maxLength, minimum, maximum, properties, required, additionalProperties (false or a schema) and
/// items.
Status check_shape(const Json& schema, const Json& value, const std::string& name);

/// Schemas of parameters.
Json text_schema(int64_t max_length = 500);
Json number_schema(int64_t least, int64_t greatest, int64_t otherwise);
Json choice_schema(const std::vector<std::string>& choices);

}  // namespace weir::server
