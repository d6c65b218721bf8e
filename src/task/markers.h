#pragma once

/// Names of the files that say that another one is whole: `{name}.done`, `{stem}.ok`, `_SUCCESS`,
/// each in the folder of the file that it stands for.

#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::task {

/// kInvalidConfig for a text that names no file, or the file itself.
Status check_marker(std::string_view marker);
/// `{name}` is the name without folders, `{stem}` the same without its last extension.
std::string marker_of(std::string_view marker, std::string_view name);
/// Whether each file has one of its own.
bool is_marker_of_each(std::string_view marker);

}  // namespace weir::task
