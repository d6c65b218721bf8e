#pragma once

/// What must change in a warehouse table so that it takes rows with other columns. Pure: two
/// schemas in, a plan out. Names are compared without regard to case, as warehouses do.

#include <string>
#include <vector>

#include "base/result.h"
#include "model/schema.h"

namespace weir::warehouse {

struct ColumnChanges {
  model::Schema added;    ///< In the rows, not in the table.
  model::Schema widened;  ///< The table's columns with the type they need now.

  bool empty() const { return added.empty() && widened.empty(); }
};

/// kSchemaDrift, naming the column and both types, where neither type holds the other's values. A
/// column that only the table has stays, NULL in new rows.
Result<ColumnChanges> changes_for(const model::Schema& table, const model::Schema& rows);

/// The column of that name without regard to case, or nullptr.
const model::Column* find_folded(const model::Schema& schema, std::string_view name);

}  // namespace weir::warehouse
