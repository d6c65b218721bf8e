#pragma once

/// Errors as JSON, for the last line of a child's standard error: `{"error": {code, message, trail,
/// hint, place}}`.

#include "base/json.h"
#include "base/result.h"

namespace weir::engine {

Json to_json(const Error& error);
/// kInvalidData where it is no such object. A code that is not known here is kInternal, and its
/// text goes into the message.
Result<Error> error_from_json(const Json& json);

/// The error of a child by its last line of standard error; nothing where that is no error line.
std::optional<Error> error_from_line(std::string_view line);
/// That line, without its end.
std::string error_line(const Error& error);

}  // namespace weir::engine
