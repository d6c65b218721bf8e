#pragma once

/// JSON as text (RFC 8259), looked at without building values: where each value begins and ends, so
/// that numbers stay the digits that they are and a record can be told by its bytes.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace weir::files {

/// A value within a text.
struct JsonSpan {
  size_t begin = 0;
  size_t end = 0;
  char kind = 0;  ///< `{ [ "`, `0` for a number, `t f n`.
  std::string_view in(std::string_view text) const { return text.substr(begin, end - begin); }
};

/// The place behind blanks.
size_t skip_blanks(std::string_view text, size_t at);

/// Checks the value that begins at `at` (behind blanks) to its end. Nothing, with `fault_at` set,
/// where it is none, or deeper than 256 levels.
std::optional<JsonSpan> read_value(std::string_view text, size_t at, size_t& fault_at);

/// Of values that read_value passed. Either ends early where the function says false.
void each_member(std::string_view text, const JsonSpan& object,
                 const std::function<bool(std::string name, const JsonSpan& value)>& take);
void each_element(std::string_view text, const JsonSpan& array,
                  const std::function<bool(const JsonSpan& value)>& take);

/// The characters that a string means; nothing for half a surrogate pair.
std::optional<std::string> unescaped(std::string_view quoted);

}  // namespace weir::files
