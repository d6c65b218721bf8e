#pragma once

/// Standard Base64 with padding (RFC 4648, section 4).

#include <string>
#include <string_view>

#include "base/result.h"

namespace weir {

std::string base64(std::string_view bytes);
/// kInvalidData where the text is none: another character, a length that is no multiple of four.
Result<std::string> from_base64(std::string_view text);

}  // namespace weir
