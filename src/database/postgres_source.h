#pragma once

/// source.h for PostgreSQL: one snapshot for every connection that reads, pieces that are read in
/// parallel, rows by binary COPY.

#include <memory>

#include "base/result.h"
#include "database/postgres.h"
#include "database/source.h"

namespace weir::database {

/// kNotFound with did-you-mean for a table or column that is not there; kInvalidConfig for a cursor
/// or lag of no use; errors of open_postgres().
Result<std::unique_ptr<Source>> open_postgres_source(const PostgresOptions& options,
                                                     SourceRequest request);

}  // namespace weir::database
