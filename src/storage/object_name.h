#pragma once

/// Which names objects may have, beyond storage.h's check_object_name: what the adapters share.

#include <string_view>

#include "base/result.h"

namespace weir::storage {

/// Segments that start so belong to the store: objects that are not whole yet, or never will be.
inline constexpr std::string_view kTemporaryPrefix = ".weir-tmp-";

/// What weir itself keeps in a layer of files, beside the files of the user: no pattern fits it.
inline constexpr std::string_view kOwnFolder = ".weir/";

/// kInvalidConfig where no object's name could start with `prefix`.
Status check_prefix(std::string_view prefix);

}  // namespace weir::storage
