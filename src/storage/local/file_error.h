#pragma once

/// What an errno of the file system means to a caller: code, path, words of the system, way out.

#include <string_view>

#include "base/result.h"

namespace weir::storage::local {

/// `action` reads as "cannot <action> '<path>'": `open`, `write`, `publish`.
std::unexpected<Error> file_failure(int error_number, std::string_view action,
                                    std::string_view path);

/// Whether a call that changes a name may have had its effect though it failed so: a disk or a
/// server may answer an error after it acted.
bool may_have_acted(int error_number);

}  // namespace weir::storage::local
