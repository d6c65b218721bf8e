#pragma once

/// How long to wait before trying again, and the waiting: exponential with full jitter, so that
/// many clients that failed together do not come back together. It does not know what may be tried
/// again.

#include <cstdint>
#include <functional>

#include "base/cancel.h"
#include "base/ids.h"

namespace weir::net {

/// Waits, unless cancelled before: then kCancelled. Tests give one that only counts.
using Wait = std::function<Status(int64_t wait_ms, const Cancel& cancel)>;
Wait make_wait();

struct Backoff {
  int64_t first_ms = 100;
  int64_t most_ms = 20'000;

  /// Before the try after `failed_tries` (from 1): anything from 0 to `first_ms` doubled each time,
  /// up to `most_ms`.
  int64_t wait_ms(int failed_tries, Random& random) const;
};

}  // namespace weir::net
