#pragma once

/// Options that connections to all servers of databases have.

#include <string>
#include <vector>

#include "base/option_reader.h"

namespace weir::database {

/// A text for a client library, which would end it at a NUL.
OptionReader into_c_text(std::string& to);
/// One of `modes`; never one that gives up encryption without a word.
OptionReader into_sslmode(std::string& to, std::vector<std::string> modes);

}  // namespace weir::database
