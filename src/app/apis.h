#pragma once

/// The APIs behind connections of kind `http`, with the secrets of the project.

#include <string>

#include "app/stores.h"
#include "task/template.h"

namespace weir::app {

/// A connection is opened once and shared by all tasks, so that they keep its pace together. What
/// is relative in it counts from `base_folder`. What `ground` holds outlives the function.
task::OpenApi make_apis(std::string base_folder, std::string secrets_file,
                        FindConnections connections, StoresGround ground);

}  // namespace weir::app
