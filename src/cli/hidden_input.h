#pragma once

/// A secret from standard input: never a word of the command, which everybody on the machine sees.

#include <string>

#include "cli/session.h"

namespace weir::cli {

/// A line that is typed and not shown, or the whole of a pipe or a file but for its last line end.
/// It is redacted from then on. Empty where nothing came.
std::string read_hidden(Session& session, const std::string& what);

}  // namespace weir::cli
