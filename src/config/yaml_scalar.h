#pragma once

/// What a single YAML word means and how a text is quoted: the rules that reader and writer share.

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace weir::config {

/// A plain scalar by YAML 1.2's core schema: null, booleans, integers, floats, else text. Two
/// stricter points: digits with leading zeros are texts, and kInvalidConfig for `.inf`, `.nan` and
/// numbers that do not fit.
Result<Json> plain_scalar(std::string_view text);

/// Offset of the first byte that is no UTF-8 (overlong forms and surrogates are none), if any.
std::optional<size_t> first_invalid_utf8(std::string_view text);

/// The text so that it reads back as a text, on one line, in any context: plain where that is safe
/// for YAML 1.1 and 1.2 readers, else in quotes.
std::string quote_scalar(std::string_view text);

/// Whether the text may be a literal block (`|`): several lines, none of them odd.
bool fits_literal_block(std::string_view text);

}  // namespace weir::config
