#pragma once

/// The configuration tables as data, and the way between their rows and model::Configuration. Pure:
/// no database. Both the tables and YAML come by here, so `plan` compares like with like.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "model/configuration.h"

namespace weir::catalog {

/// What a column holds, beyond its SQL type.
enum class ColumnKind {
  kText,
  kInteger,
  kBoolean,
  kJson,      ///< TEXT with JSON
  kDuration,  ///< TEXT like `10s`, `1h30m`
  kSchema,    ///< TEXT: `icao varchar, elevation double`, a JSON list or a JSON object of columns
  kNames,     ///< TEXT: `icao, iata` or a JSON list of names
};

struct ConfigColumn {
  std::string name;
  ColumnKind kind = ColumnKind::kText;
  Json otherwise = "";       ///< The default; null: NULL.
  bool is_required = false;  ///< Has no default.
};

struct ConfigTable {
  std::string name;
  std::vector<std::string> key;       ///< Columns of the primary key, all text.
  std::vector<ConfigColumn> columns;  ///< Without the key and `managed_by`.
};

/// Parents before children.
const std::vector<ConfigTable>& config_tables();
const ConfigTable* find_config_table(std::string_view name);

/// A row in normal form: every column that is not NULL; JSON parsed, durations shortest, columns
/// as model::to_json(Schema), names as a JSON list. Equal rows are equal values, however they were
/// written. kInvalidConfig names table, key and column.
Result<ConfigRow> normal_form(ConfigRow row);

/// The rows of a configuration in normal form, in the order of config_tables(), then by key.
std::vector<ConfigRow> rows_of(const model::Configuration& configuration,
                               const std::string& managed_by);

enum class RowsOf {
  kProject,
  kOneFlow,  ///< And of what belongs to it; pools and whatever else it refers to are elsewhere.
};

/// What the rows (in normal form) say. kInvalidConfig names table, key and column of a row that
/// cannot be read or that refers to a row that is not there.
Result<model::Configuration> configuration_of(const std::vector<ConfigRow>& rows,
                                              RowsOf rows_of = RowsOf::kProject);

/// `table 'task', row 'airports/ingest'`: how messages name a row.
std::string describe(const ConfigRow& row);

}  // namespace weir::catalog
