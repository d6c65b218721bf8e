#pragma once

/// A record that is not loaded, and why. Reason codes are stored: never rename one.

#include <cstdint>
#include <string>
#include <string_view>

#include "model/schema.h"

namespace weir::files {

/// Where a record stands in its file, in the file's own bytes.
struct RecordPlace {
  int64_t record = 0;  ///< From 1; the header is not counted.
  int64_t line = 0;    ///< From 1, in the whole file.
  int64_t byte_offset = 0;
  int64_t byte_length = 0;  ///< Without its line end.
};

/// Reasons: `wrong_type`, `out_of_range`, `scale_overflow`, `finer_than_microsecond`,
/// `nonexistent_time`, `too_few_fields`, `too_many_fields`, `unclosed_quote`, `invalid_quote`,
/// `invalid_utf8`, and of JSON `invalid_json`, `not_an_object`, `duplicate_key`.
struct Reject {
  std::string reason;
  std::string column;   ///< Empty where the record as a whole is at fault.
  std::string message;  ///< `"ten" is no decimal(10,2)`
  RecordPlace place;
  std::string raw;     ///< The record's original bytes.
  std::string values;  ///< JSON object: column to text, as far as the record could be split.
};

/// What to say of a value with that reason.
std::string message_of(std::string_view reason, std::string_view text, const model::DataType& type);

}  // namespace weir::files
