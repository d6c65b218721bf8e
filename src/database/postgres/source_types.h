#pragma once

/// What columns of PostgreSQL become, and how they are asked for.

#include <cstdint>
#include <optional>
#include <string>

#include "database/postgres_copy.h"
#include "database/source.h"

namespace weir::database::postgres {

/// A type as the server describes it.
struct ServerType {
  std::string name;
  uint32_t element = 0;  ///< Of a true array.
  uint32_t oid = 0;
  int32_t modifier = -1;
};

/// A column, and how it is asked for.
struct PostgresColumn {
  SourceColumn column;
  CopyWire wire = CopyWire::kText;
  bool is_array = false;
  std::string expression;
};

/// docs/format/postgres-types.md. Timestamps without a zone are placed in `timezone`, where one is
/// said.
PostgresColumn describe(const std::string& name, const ServerType& type,
                        const std::string& timezone);

/// The column read as another type: exactly, or row by row exactly where it is a free numeric.
std::optional<PostgresColumn> fit(const PostgresColumn& own, const model::DataType& type);

}  // namespace weir::database::postgres
