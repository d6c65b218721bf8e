#pragma once

/// The columns of a database's table against those of the dataset, by its contract: what is read,
/// as which type, and what the dataset's schema is after it.

#include <string>
#include <vector>

#include "database/source.h"
#include "files/header.h"
#include "model/operation.h"

namespace weir::engine::embedded {

struct SourcePlan {
  files::ColumnPlan columns;                 ///< `field_of_column` are places in `read`.
  std::vector<database::SourceColumn> read;  ///< In the order of the stream.
  std::vector<std::string> free_columns;     ///< Taken as text, since nobody said what they are.
};

/// kSchemaDrift by contract, naming column and both types; kInvalidConfig for a timestamp without a
/// zone where no timezone is said; kInvalidData for names that a dataset cannot hold.
Result<SourcePlan> plan_source(const database::Source& source, const model::Target& target,
                               const std::string& timezone);

}  // namespace weir::engine::embedded
