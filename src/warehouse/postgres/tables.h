#pragma once

/// What lies in a PostgreSQL database: tables, their columns and types, read from its catalogs.

#include <optional>
#include <string>
#include <vector>

#include "database/postgres.h"
#include "model/schema.h"
#include "warehouse/warehouse.h"

namespace weir::warehouse::postgres {

/// A column as it is there.
struct Column {
  std::string name;
  std::string type;  ///< As format_type writes it.
};

/// The kind of a relation, as pg_class has it: `r` a table, `p` a partitioned one, `v` a view;
/// nothing where there is none. Every name has its schema.
Result<std::optional<char>> kind_of(database::Postgres& connection, const TableName& table);

/// kInvalidConfig for what is there and is no table.
Result<bool> has_table(database::Postgres& connection, const TableName& table);

/// In order. Empty where there is no such table.
Result<std::vector<Column>> columns_of(database::Postgres& connection, const TableName& table);

/// Makes the table take rows of those columns. What only the table has stays. With `is_emptied` a
/// column may change to any type: no row is left. kSchemaDrift names column and types, or the view
/// that stands in the way.
Status fit_columns(database::Postgres& connection, const TableName& table,
                   const model::Schema& rows, bool is_emptied);

}  // namespace weir::warehouse::postgres
