#pragma once

/// The builtin templates: one file each in this folder, `task::Template <file name>()`. The list is
/// written by CMake from the folder.

#include <span>

#include "task/template.h"

namespace weir::templates {

/// All of them, in order of their names.
std::span<const task::Template> all();

}  // namespace weir::templates
