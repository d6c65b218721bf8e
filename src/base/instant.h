#pragma once

/// Instants as text. In weir an instant is UTC microseconds since 1970 (int64), years 0001–9999.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir {

/// RFC 3339 with `Z`; fractions only where they are not zero: `2022-05-12T00:00:00Z`.
std::string format_instant(int64_t at_us);

/// Reads RFC 3339 (an offset is honoured), a date alone (00:00 UTC), and the compact forms of file
/// names: `yyyymmdd`, `yyyymmddHH`, `yyyymmddHHMM`, `yyyymmddHHMMSS`, `yyyymmddTHHMMSS[Z]`.
/// A time without an offset is UTC. kInvalidData for anything else, finer than µs included.
Result<int64_t> parse_instant(std::string_view text);

/// Hudi's instant time `yyyyMMddHHmmssSSS` in UTC, truncated to milliseconds.
std::string format_hudi_instant(int64_t at_us);

/// The end of a duration as users write it: `10s`, `1h`, `250ms`, `1h30m`, `2d`. In milliseconds.
/// kInvalidConfig for anything else.
Result<int64_t> parse_duration_ms(std::string_view text);

/// The shortest text that parse_duration_ms reads back: `90000` is `1m30s`.
std::string format_duration_ms(int64_t duration_ms);

}  // namespace weir
