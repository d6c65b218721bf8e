#pragma once

/// A whole object in pieces, in order, several of them on their way at once.

#include <functional>
#include <string_view>

#include "base/cancel.h"
#include "storage/storage.h"

namespace weir::storage {

/// Gives `take` the first `size_bytes` of the object, and how many came: fewer where it ends
/// before. Whether it changed meanwhile the caller finds out. kCancelled.
Result<int64_t> read_through(Storage& storage, std::string_view name, int64_t size_bytes,
                             const Cancel& cancel,
                             const std::function<Status(std::string_view)>& take);

}  // namespace weir::storage
