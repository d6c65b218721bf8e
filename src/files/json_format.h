#pragma once

/// How a landing file of JSON is written: one document with its records at a place in it, or one
/// record a line.

#include <cstdint>
#include <map>
#include <string>

#include "base/json.h"
#include "base/json_path.h"
#include "base/result.h"

namespace weir::files {

struct JsonFormat {
  JsonPath records;       ///< Of a document: an array, each element a record, or one object.
  bool is_lines = false;  ///< One record a line (JSON lines); blank lines are none.
  /// Columns that stand deeper in a record, by name; every other member is a column of its name.
  std::map<std::string, JsonPath> columns;
  std::string timezone;                         ///< As Dialect::timezone.
  int64_t max_file_bytes = int64_t{256} << 20;  ///< Of a document: it is read as a whole.
  int64_t max_record_bytes = 16 << 20;
};

/// Reads `{records, lines, columns, timezone, max_file_bytes, max_record_bytes}`. kInvalidConfig
/// names the option and its value.
Result<JsonFormat> json_format_from_json(const Json& json);

}  // namespace weir::files
