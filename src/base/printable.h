#pragma once

/// Text of unknown origin (a header of a file, a name, a line of YAML) on its way to a terminal.

#include <string>
#include <string_view>

namespace weir {

/// The text with one U+FFFD for each byte that is no UTF-8 and for each control character but line
/// ends and tabs, those that turn the direction among them: nothing in it moves the cursor or
/// changes colours, and columns stay columns.
std::string printable(std::string_view text);

}  // namespace weir
