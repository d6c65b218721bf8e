#pragma once

/// Rows as the test vectors write them (JSON with one key that names the type), written by the
/// CanonicalWriter under test.

#include <string>

#include "base/json.h"
#include "model/canonical.h"

namespace weir::testing {

/// The canonical bytes of such a row, version byte included.
std::string write_typed_row(const Json& row);

}  // namespace weir::testing
