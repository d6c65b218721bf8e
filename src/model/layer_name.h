#pragma once

/// Which words a layer cannot be called: in users' SQL a layer is a schema, and the engine has
/// schemas and catalogs of its own.

#include <string_view>

namespace weir::model {

/// Whether the SQL engine has a schema or catalog of that name, in any case of letters.
bool is_engine_schema(std::string_view layer);

}  // namespace weir::model
