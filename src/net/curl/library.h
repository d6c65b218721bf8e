#pragma once

/// What every use of libcurl begins with.

#include <string>

#include "base/result.h"

namespace weir::net {

Status start_library();

/// The file of authorities: the one given, else the system's. kInvalidConfig where the one given
/// cannot be read.
Result<std::string> authorities(std::string ca_file);

}  // namespace weir::net
