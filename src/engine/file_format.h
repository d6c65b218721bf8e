#pragma once

/// How a landing file is written, as tasks say it: `{csv: {delimiter: ";", …}}`.

#include "base/json.h"
#include "base/result.h"
#include "files/dialect.h"

namespace weir::engine {

/// kInvalidConfig, naming the option and its value, for what cannot be; kUnsupported for formats
/// and encodings that no engine here reads. Nothing said is CSV as RFC 4180 has it.
Result<files::Dialect> read_file_format(const Json& format);

}  // namespace weir::engine
