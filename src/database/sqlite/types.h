#pragma once

/// What columns of SQLite become. A column there has a declared type that binds no value: each
/// value has a storage class of its own, and one that is not the column's is refused.

#include <optional>
#include <string>

#include <sqlite3.h>

#include "database/cell.h"
#include "database/source.h"

namespace weir::database::sqlite {

/// What is expected in a column, by its declared type.
enum class Class {
  kAny,  ///< Nothing is declared, or nothing that says anything.
  kInteger,
  kFlag,
  kReal,
  kDecimal,
  kText,
  kBlob,
  kDate,
  kDateTime,
  kTime,
  kUuid,
};

struct SqliteColumn {
  SourceColumn column;
  Class expected = Class::kAny;
};

/// docs/format/sqlite-types.md. `declared` is empty for an expression.
SqliteColumn describe(const std::string& name, const std::string& declared);

/// The column read as another type, row by row exactly. Nothing where that cannot be.
std::optional<SqliteColumn> fit(const SqliteColumn& own, const model::DataType& type);

/// The value of a column as what is expected there; kMisfit where it is of another class. Its text
/// lives until the next row, or in `scratch`.
Cell cell_of(sqlite3_stmt& statement, int place, const SqliteColumn& column, std::string& scratch);

/// The shortest decimal number that is read back as the same: `0.1`, `5.0`, `1e+300`.
std::string real_text(double value);

/// `2024-02-29`, `2024-02-29 12:00`, `2024-02-29T12:00:00.123456`, with or without `Z` or `+02:00`;
/// nothing for any other text.
struct ReadTime {
  CivilTime time;
  int fraction_digits = 0;
  bool has_clock = false;
  std::optional<int> offset_minutes;
};
std::optional<ReadTime> read_time(std::string_view text);

}  // namespace weir::database::sqlite
