#pragma once

/// How a landing file is written, as tasks say it: `{csv: {delimiter: ";", …}}` or
/// `{json: {records: $.data}}`.

#include <variant>

#include "base/json.h"
#include "base/result.h"
#include "files/dialect.h"
#include "files/json_format.h"

namespace weir::engine {

using FileFormat = std::variant<files::Dialect, files::JsonFormat>;

/// kInvalidConfig, naming the option and its value, for what cannot be; kUnsupported for formats
/// and encodings that no engine here reads. Nothing said is CSV as RFC 4180 has it.
Result<FileFormat> read_file_format(const Json& format);

}  // namespace weir::engine
