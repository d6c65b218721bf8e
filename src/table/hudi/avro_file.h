#pragma once

/// Avro object container files as Hudi keeps them on its timeline (table versions 8 and 9), read
/// into JSON. A reader of hostile bytes: nothing is allocated by what a length says, and a schema
/// that could cost more than its data is refused. It writes nothing, resolves no reader's schema
/// and knows no compression (Hudi uses none here). No I/O. Why not a library: docs/adr/0011.

#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace weir::table {

/// Whether the bytes begin as an Avro container does.
bool is_avro_file(std::string_view bytes);

/// Every record of the file: records and maps as objects (fields that are null left out), arrays as
/// arrays, a union as its value, bytes and fixed as text. kCorrupt, naming `file`, where the bytes
/// do not hold together; kUnsupported for a compressed file and for a recursive schema.
Result<std::vector<Json>> read_avro_file(std::string_view bytes, std::string_view file);

}  // namespace weir::table
