#include "database/mysql/types.h"

#include <algorithm>
#include <charconv>

#include "base/instant.h"

namespace weir::database::mysql {
namespace {

using model::DataType;
using model::TypeKind;

constexpr unsigned int kBinaryCharset = 63;
constexpr int kMostDigits = 38;
constexpr unsigned int kMostBytesOfCharacter = 4;  // of utf8mb4, in which lengths come

DataType plain(TypeKind kind) { return {kind, 0, 0, {}}; }
DataType decimal(int precision, int scale) { return {TypeKind::kDecimal, precision, scale, {}}; }

bool is_unsigned(const Field& field) { return (field.flags & UNSIGNED_FLAG) != 0; }

std::string signed_name(const char* name, const Field& field) {
  return is_unsigned(field) ? fmt::format("{} unsigned", name) : name;
}

std::string timed_name(const char* name, const Field& field) {
  const unsigned int digits = field.decimals > 6 ? 0 : field.decimals;
  return digits == 0 ? name : fmt::format("{}({})", name, digits);
}

MysqlColumn column_of(std::string type_name, CellKind kind, DataType type) {
  MysqlColumn column;
  column.column.type_name = std::move(type_name);
  column.column.type = std::move(type);
  column.kind = kind;
  return column;
}

MysqlColumn whole(const char* name, const Field& field, bool is_wide) {
  const auto kind = is_unsigned(field) ? CellKind::kUnsigned : CellKind::kInteger;
  return column_of(signed_name(name, field), kind,
                   plain(is_wide ? TypeKind::kBigint : TypeKind::kInteger));
}

MysqlColumn numeric(const Field& field) {
  const int scale = static_cast<int>(field.decimals);
  const int precision =
      static_cast<int>(field.length) - (scale > 0 ? 1 : 0) - (is_unsigned(field) ? 0 : 1);
  auto column =
      column_of(signed_name(fmt::format("decimal({},{})", precision, scale).c_str(), field),
                CellKind::kNumeric, plain(TypeKind::kVarchar));
  if (precision <= kMostDigits && scale <= precision)
    column.column.type = decimal(std::max(precision, 1), scale);
  else
    column.column.is_free = true;
  return column;
}

MysqlColumn bits(const Field& field) {
  const auto count = static_cast<int>(field.length);
  auto type = plain(TypeKind::kBoolean);
  if (count > 1) type = plain(count <= 31 ? TypeKind::kInteger : TypeKind::kBigint);
  if (count > 63) type = decimal(20, 0);
  auto column = column_of(fmt::format("bit({})", count), CellKind::kUnsigned, std::move(type));
  column.is_flag = count == 1;
  return column;
}

MysqlColumn letters(const Field& field) {
  if ((field.flags & ENUM_FLAG) != 0)
    return column_of("enum", CellKind::kText, plain(TypeKind::kVarchar));
  if ((field.flags & SET_FLAG) != 0)
    return column_of("set", CellKind::kText, plain(TypeKind::kVarchar));
  if (field.data_type == "uuid") return column_of("uuid", CellKind::kText, plain(TypeKind::kUuid));
  if (!field.data_type.empty() && field.data_type != "json")
    return column_of(field.data_type, CellKind::kText, plain(TypeKind::kVarchar));
  const bool is_long = field.type == MYSQL_TYPE_BLOB || field.type == MYSQL_TYPE_TINY_BLOB ||
                       field.type == MYSQL_TYPE_MEDIUM_BLOB || field.type == MYSQL_TYPE_LONG_BLOB;
  const bool is_fixed = field.type == MYSQL_TYPE_STRING;
  if (field.charset == kBinaryCharset)
    return column_of(
        is_long ? "blob" : fmt::format("{}({})", is_fixed ? "binary" : "varbinary", field.length),
        CellKind::kBytes, plain(TypeKind::kBlob));
  return column_of(is_long ? "text"
                           : fmt::format("{}({})", is_fixed ? "char" : "varchar",
                                         field.length / kMostBytesOfCharacter),
                   CellKind::kText, plain(TypeKind::kVarchar));
}

MysqlColumn natural_of(const Field& field) {
  switch (field.type) {
    case MYSQL_TYPE_TINY: {
      auto column = whole("tinyint", field, false);
      column.is_flag = true;
      return column;
    }
    case MYSQL_TYPE_SHORT: return whole("smallint", field, false);
    case MYSQL_TYPE_INT24: return whole("mediumint", field, false);
    case MYSQL_TYPE_YEAR: return column_of("year", CellKind::kUnsigned, plain(TypeKind::kInteger));
    case MYSQL_TYPE_LONG: return whole("int", field, is_unsigned(field));
    case MYSQL_TYPE_LONGLONG: {
      auto column = whole("bigint", field, true);
      if (is_unsigned(field)) column.column.type = decimal(20, 0);
      return column;
    }
    case MYSQL_TYPE_FLOAT: return column_of("float", CellKind::kFloat, plain(TypeKind::kFloat));
    case MYSQL_TYPE_DOUBLE: return column_of("double", CellKind::kDouble, plain(TypeKind::kDouble));
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL: return numeric(field);
    case MYSQL_TYPE_BIT: return bits(field);
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE: return column_of("date", CellKind::kDate, plain(TypeKind::kDate));
    case MYSQL_TYPE_TIME:
      return column_of(timed_name("time", field), CellKind::kTime, plain(TypeKind::kTime));
    case MYSQL_TYPE_TIMESTAMP:
      return column_of(timed_name("timestamp", field), CellKind::kDateTime,
                       plain(TypeKind::kTimestamp));
    case MYSQL_TYPE_DATETIME: {
      auto column = column_of(timed_name("datetime", field), CellKind::kDateTime,
                              plain(TypeKind::kTimestamp));
      column.column.is_zoneless = true;
      return column;
    }
    case MYSQL_TYPE_JSON: return column_of("json", CellKind::kText, plain(TypeKind::kVarchar));
    case MYSQL_TYPE_GEOMETRY:
      return column_of("geometry", CellKind::kBytes, plain(TypeKind::kBlob));
    case MYSQL_TYPE_NULL: return column_of("null", CellKind::kText, plain(TypeKind::kVarchar));
    default: return letters(field);
  }
}

std::optional<int64_t> number_of(std::string_view text) {
  int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
}

std::unexpected<Error> unfit(const std::string& lag, const MysqlColumn& column) {
  return fail_with_hint(ErrorCode::kInvalidConfig,
                        fmt::format("lag '{}' fits no cursor '{}' of type {}", lag,
                                    column.column.name, column.column.type_name),
                        "a duration goes with a timestamp or a date, a whole number with a number");
}

Result<std::string> time_literal(const MysqlColumn& column, const std::string& value,
                                 const std::string& lag) {
  // The first day that MySQL takes for one.
  constexpr int64_t kFirstDayUs = -62'135'596'800'000'000;
  constexpr size_t kLengthOfDate = 10;
  std::string text = value;
  if (text.size() > kLengthOfDate) text[kLengthOfDate] = 'T';
  const auto at = parse_instant(text);
  if (!at)
    return fail(ErrorCode::kInvalidConfig, "the watermark '{}' of cursor '{}' is no {}", value,
                column.column.name, column.column.type_name);
  int64_t from_us = *at;
  if (!lag.empty() && lag != "0") {
    const auto ms = parse_duration_ms(lag);
    if (!ms) return unfit(lag, column);
    from_us = std::max(kFirstDayUs, from_us - *ms * 1000);
  }
  Cell cell;
  cell.kind = CellKind::kDateTime;
  cell.time = civil_of(from_us);
  return fmt::format("TIMESTAMP'{}'", text_of(cell));
}

}  // namespace

MysqlColumn describe(const Field& field) {
  MysqlColumn column = natural_of(field);
  column.column.name = field.name;
  return column;
}

std::optional<SourceColumn> fit(const MysqlColumn& own, const DataType& type) {
  if (own.column.type == type) return own.column;
  if (!can_become(own.kind, type)) return std::nullopt;
  SourceColumn other = own.column;
  other.type = type;
  other.is_free = false;
  const bool is_boolean = type.kind == TypeKind::kBoolean;
  if (is_boolean && !own.is_flag) return std::nullopt;
  const bool is_taken = type.kind == TypeKind::kVarchar || own.column.is_free || is_boolean ||
                        model::widens(own.column.type, type) ||
                        // bit(1) is a number, too
                        (own.is_flag && own.column.type.kind == TypeKind::kBoolean);
  return is_taken ? std::optional(other) : std::nullopt;
}

CursorKind cursor_kind(const MysqlColumn& column) {
  const auto& name = column.column.type_name;
  switch (column.kind) {
    case CellKind::kInteger:
    case CellKind::kUnsigned:
      return name.starts_with("bit") ? CursorKind::kNone : CursorKind::kNumber;
    case CellKind::kDouble:
    case CellKind::kNumeric: return CursorKind::kNumber;
    case CellKind::kDate: return CursorKind::kDate;
    case CellKind::kDateTime: return CursorKind::kDateTime;
    case CellKind::kText:
      return name.starts_with("varchar") || name.starts_with("char") || name == "uuid"
                 ? CursorKind::kText
                 : CursorKind::kNone;
    default: return CursorKind::kNone;
  }
}

Result<std::string> cursor_literal(const Connection& connection, const MysqlColumn& column,
                                   const std::string& value, const std::string& lag) {
  const bool has_lag = !lag.empty() && lag != "0";
  switch (cursor_kind(column)) {
    case CursorKind::kDate:
    case CursorKind::kDateTime: return time_literal(column, value, lag);
    case CursorKind::kNumber: {
      if (!is_number(value))
        return fail(ErrorCode::kInvalidConfig, "the watermark '{}' of cursor '{}' is no number",
                    value, column.column.name);
      if (!has_lag) {
        const bool is_exact =
            column.kind != CellKind::kDouble || value.find('e') != std::string::npos;
        return is_exact ? value : value + "e0";
      }
      const auto number = number_of(lag);
      if (!number || *number < 0 || column.kind == CellKind::kDouble) return unfit(lag, column);
      // A decimal: what is below an unsigned number is none.
      return fmt::format("({} - {})", value.find('.') == std::string::npos ? value + ".0" : value,
                         *number);
    }
    default: break;
  }
  if (has_lag) return unfit(lag, column);
  return connection.quoted(value);
}

}  // namespace weir::database::mysql
