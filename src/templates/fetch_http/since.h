#pragma once

/// The parameter of a fetch by which an API gives only what is new: how its value is read out of
/// answers, compared, moved back by a lag and written. Pure.

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/json_path.h"
#include "base/result.h"

namespace weir::templates {

struct Since {
  enum class Form {
    kRfc3339,  ///< `2026-11-27T06:00:00Z`
    kDate,     ///< `2026-11-27`
    kUnix,     ///< seconds
    kUnixMs,
    kNumber,  ///< a whole number, like an id
  };
  std::string parameter;
  std::optional<JsonPath> value;  ///< Nothing: the logical time of the fetch before.
  Form form = Form::kRfc3339;
  int64_t lag = 0;               ///< Microseconds, of kNumber: ones.
  std::optional<int64_t> first;  ///< A point; without it the first fetch asks for everything.
};

/// Reads `{parameter, value, as, lag, first}`. kInvalidConfig names what is wrong.
Result<Since> read_since(const Json& said);

/// A point in microseconds, or as a number: what `as` says of it. kInvalidData.
Result<int64_t> read_point(Since::Form form, const Json& value);
std::string write_point(Since::Form form, int64_t point);

/// The greatest point of an answer, or nothing: NULLs do not count.
Result<std::optional<int64_t>> greatest_point(const Since& since, const Json& answer);

}  // namespace weir::templates
