#pragma once

/// A whole object, in order, without all of it being in memory.

#include <functional>
#include <string_view>

#include "base/cancel.h"
#include "storage/storage.h"

namespace weir::storage {

/// What a store is, too, that gives the bytes of an object as they come over the line.
class Streamer {
 public:
  virtual ~Streamer() = default;
  /// Gives `take` the bytes of that range, which lies within the object of that Entry, in order and
  /// each once. An error of `take` ends it and is given. After any error what was taken is of no
  /// use. kNotFound; kConflict where the object is of another version by now; kUnsupported where
  /// the server gives no ranges.
  virtual Status stream(const Entry& entry, Range range,
                        const std::function<Status(std::string_view)>& take) = 0;
};

/// Gives `take` the bytes of the object of that Entry, and how many came: fewer than it says where
/// it ends before. Small ones in one request, large ones in pieces, several on their way at once.
/// Whether it changed meanwhile the caller finds out; kConflict where the store noticed.
/// kCancelled.
Result<int64_t> read_through(Storage& storage, const Entry& entry, const Cancel& cancel,
                             const std::function<Status(std::string_view)>& take);

}  // namespace weir::storage
