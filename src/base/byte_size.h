#pragma once

/// Sizes as people write them.

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace weir {

/// `512MB`, `2GiB`, `1500000`: bytes. kInvalidConfig.
Result<int64_t> parse_bytes(std::string_view text);

}  // namespace weir
