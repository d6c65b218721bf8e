#pragma once

/// Which columns of its datasets the columns of a user's SELECT come from. DuckDB's binder is
/// asked, in a session of its own over empty tables: no data is read, and nothing of it is guessed.

#include "model/column_lineage.h"
#include "sql/user_query.h"

namespace weir::sql {

/// `columns`: those of the result that are wanted, each cast to its type as it will be stored. What
/// cannot be told of a column is left out. kUnsupported where nothing can be told of the query,
/// kResourceExhausted where there is too much of it; as open_session and its statements otherwise.
Result<model::ColumnLineage> column_lineage(const std::string& text,
                                            const std::vector<ViewSource>& sources,
                                            const model::Schema& columns, const Cancel& cancel);

}  // namespace weir::sql
