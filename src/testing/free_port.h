#pragma once

namespace weir::testing {

/// A port of 127.0.0.1 that was free a moment ago; 0 where there is none.
int free_port();

}  // namespace weir::testing
