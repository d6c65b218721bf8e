#pragma once

/// Follows columns through DuckDB's plan of a query, as its binder made it and before anything is
/// optimized: names, stars, USING, CTEs and subqueries are resolved there by DuckDB itself.

#include <string>
#include <vector>

#include "base/result.h"
#include "sql/lineage/relation.h"

namespace weir::sql::lineage {

/// A column of a dataset; its place in the list is its number.
struct Field {
  model::DatasetName dataset;
  std::string column;
};

struct Traced {
  Relation result;
  std::vector<Field> fields;
};

/// `plan`: one plan of json_serialize_plan(…, optimize := false). kUnsupported, naming it, for an
/// operator that is not known here, or not in this form.
Result<Traced> trace(const Json& plan);

}  // namespace weir::sql::lineage
