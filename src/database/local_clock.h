#pragma once

/// What the clocks of a time zone show, as instants. The zones are DuckDB's, which read files, too:
/// no machine needs zones of its own.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/cancel.h"
#include "base/result.h"

namespace weir::database {

/// Not for several threads at once.
class LocalClock {
 public:
  virtual ~LocalClock() = default;
  /// The UTC microseconds at which a clock there shows `local_us` (microseconds since 1970, as if
  /// it were UTC). Nothing where it never does, since it was put forward; where it does so twice,
  /// the later one: standard time.
  virtual Result<std::optional<int64_t>> utc_of(int64_t local_us) = 0;
};

/// kInvalidConfig for what is no zone of the IANA list.
Result<std::unique_ptr<LocalClock>> open_local_clock(const std::string& zone, const Cancel& cancel);

}  // namespace weir::database
