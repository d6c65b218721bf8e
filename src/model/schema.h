#pragma once

/// Columns and their types as weir knows them, between DuckDB, Arrow, Avro and the text that users
/// write. No data, no I/O.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace weir::model {

enum class TypeKind {
  kBoolean,
  kInteger,  ///< 32 bits; narrower integers of a source are widened to it.
  kBigint,   ///< 64 bits
  kHugeint,  ///< Computed only: decimal(38,0) where it is stored.
  kFloat,
  kDouble,
  kDecimal,  ///< precision 1–38, scale 0–precision
  kVarchar,
  kBlob,
  kDate,
  kTime,       ///< Microseconds of the day.
  kTimestamp,  ///< UTC microseconds: weir knows no zone-less instants once data is raw.
  kUuid,
  kList,    ///< one child
  kStruct,  ///< named children
  kMap,     ///< two children: key, value
};

struct Column;

struct DataType {
  TypeKind kind = TypeKind::kVarchar;
  int precision = 0;  ///< kDecimal only.
  int scale = 0;      ///< kDecimal only.
  std::vector<Column> children;

  bool operator==(const DataType& other) const;
};

struct Column {
  std::string name;
  DataType type;
  bool is_nullable = true;

  bool operator==(const Column& other) const = default;
};

inline bool DataType::operator==(const DataType& other) const {
  return kind == other.kind && precision == other.precision && scale == other.scale &&
         children == other.children;
}

/// Columns in order. Names are unique without regard to case (DuckDB and Spark fold it).
using Schema = std::vector<Column>;

/// Reads DuckDB's names and their aliases, any case: `varchar|text|string, int|integer|int4,
/// bigint|int8|long, double|float8, float|real, decimal(p,s)|numeric(p,s), boolean|bool, date,
/// time, timestamp|timestamptz|timestamp with time zone, blob|bytea, uuid, T[], struct(a T, …),
/// map(K, V)`. smallint and tinyint become integer, hugeint stays. kInvalidConfig, with
/// did-you-mean.
Result<DataType> parse_type(std::string_view text);

/// The canonical text, lower case: parse_type reads it back to an equal value.
std::string to_text(const DataType& type);

/// The type as DuckDB spells it in a cast: kTimestamp is TIMESTAMPTZ.
std::string to_duckdb(const DataType& type);

/// A schema as JSON, `[{"name": …, "type": …, "nullable": true}]`, and back (kInvalidData).
Json to_json(const Schema& schema);
Result<Schema> schema_from_json(const Json& json);

/// The column of that name (exact), or nullptr.
const Column* find_column(const Schema& schema, std::string_view name);

/// Whether every value of `from` is a value of `to` (int→bigint, float→double, decimal growing in
/// both integer and fraction digits, an equal type). Used for schema evolution.
bool widens(const DataType& from, const DataType& to);

/// The columns of every `<dataset>__rejected`.
const Schema& rejected_schema();

/// An SQL identifier in double quotes, for DuckDB, SQLite and PostgreSQL. The one quoting function.
std::string quote_name(std::string_view name);
/// An SQL string literal in single quotes. NUL must not be in it (kInvalidData is the caller's).
std::string quote_text(std::string_view text);

}  // namespace weir::model
