#pragma once

/// How a run's instants are written into texts: `%Y%m%d`.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir {

/// kInvalidConfig for what format_time does not know.
Status check_time_format(std::string_view format);

/// `%Y %m %d %H %M %S %j %z %%` and plain text. `at_us` is UTC; it is written as clocks show it
/// that are `offset_s` from there. The format must have been checked.
std::string format_time(std::string_view format, int64_t at_us, int64_t offset_s);

}  // namespace weir
