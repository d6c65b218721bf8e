#pragma once

/// What columns of MySQL and MariaDB become, and how their values stand in a watermark.

#include <optional>
#include <string>

#include "base/result.h"
#include "database/mysql/connection.h"
#include "database/source.h"

namespace weir::database::mysql {

struct MysqlColumn {
  SourceColumn column;
  CellKind kind = CellKind::kText;
  bool is_flag = false;  ///< tinyint and bit(1), which may be declared boolean.
};

/// docs/format/mysql-types.md.
MysqlColumn describe(const Field& field);

/// The column read as another type: exactly, or row by row exactly. Nothing where that cannot be.
std::optional<SourceColumn> fit(const MysqlColumn& own, const model::DataType& type);

/// Of a cursor's column.
enum class CursorKind { kNone, kNumber, kDate, kDateTime, kText };
CursorKind cursor_kind(const MysqlColumn& column);

/// A value of the watermark as a literal that its column is compared with, less `lag` (`10m` for
/// dates, a whole number for numbers; or empty). kInvalidConfig for a lag that does not fit.
Result<std::string> cursor_literal(const Connection& connection, const MysqlColumn& column,
                                   const std::string& value, const std::string& lag);

}  // namespace weir::database::mysql
