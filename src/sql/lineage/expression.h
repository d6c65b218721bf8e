#pragma once

/// Where the values of a bound expression come from, given the relation that it is computed over.

#include "sql/lineage/relation.h"

namespace weir::sql::lineage {

/// The value of an expression of DuckDB's plan. kUnsupported where it points to a column that is
/// not there or is of another type: then the plan is not read as it was written.
Result<Value> value_of(const Json& expression, const Relation& over);

/// Whether the binder made this aggregate so that a subquery gives one row: its value is that
/// row's.
bool takes_the_one_row(const Json& aggregate, const Json& operation);

/// The text of a field; empty where there is none.
std::string text_of(const Json& object, const char* key);
/// A list in a field; an empty one where there is none.
const Json& list_of(const Json& object, const char* key);
/// A number in a field; kNoIndex where there is none.
inline constexpr uint64_t kNoIndex = ~uint64_t{0};
uint64_t index_of(const Json& object, const char* key);
/// Anything in a field; null where there is none.
const Json& part_of(const Json& object, const char* key);

}  // namespace weir::sql::lineage
