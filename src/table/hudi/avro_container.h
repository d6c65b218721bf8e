#pragma once

/// Avro object container files with one record, as Hudi keeps plans and metadata of its table
/// services in them (Avro 1.11 specification, "Object Container Files"). Written by Avro's C
/// library; no I/O beyond memory.

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace weir::table {

/// The bytes of a container whose only record is `record`. A union takes its first branch that the
/// value fits; what the record lacks is null. kInternal where it does not fit the schema.
Result<std::string> avro_container(std::string_view schema, const Json& record);

}  // namespace weir::table
