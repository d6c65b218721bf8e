#include "database/sqlite/types.h"

#include <cctype>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace weir::database::sqlite {
namespace {

using model::DataType;
using model::TypeKind;

DataType plain(TypeKind kind) { return {kind, 0, 0, {}}; }

std::string upper(std::string_view text) {
  std::string folded;
  for (const char c : text)
    folded += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return folded;
}

/// The numbers of `DECIMAL(10,2)`.
struct Digits {
  int precision = 0;
  int scale = 0;
};
std::optional<Digits> digits_of(std::string_view declared) {
  const auto open = declared.find('(');
  if (open == std::string_view::npos) return std::nullopt;
  Digits digits;
  const char* at = declared.data() + open + 1;
  const char* end = declared.data() + declared.size();
  const auto skip = [&] {
    while (at != end && *at == ' ') ++at;
  };
  skip();
  const auto precision = std::from_chars(at, end, digits.precision);
  if (precision.ec != std::errc()) return std::nullopt;
  at = precision.ptr;
  skip();
  if (at != end && *at == ',') {
    ++at;
    skip();
    const auto scale = std::from_chars(at, end, digits.scale);
    if (scale.ec != std::errc()) return std::nullopt;
  }
  constexpr int kMostDigits = 38;
  const bool is_sane = digits.precision >= 1 && digits.precision <= kMostDigits &&
                       digits.scale >= 0 && digits.scale <= digits.precision;
  return is_sane ? std::optional(digits) : std::nullopt;
}

/// "Determination Of Column Affinity" of SQLite's manual, and names that say more than that.
Class class_of(const std::string& declared) {
  const auto holds = [&](std::string_view part) {
    return declared.find(part) != std::string::npos;
  };
  const std::string word = declared.substr(0, declared.find_first_of(" ("));
  if (holds("INT")) return Class::kInteger;
  if (holds("CHAR") || holds("CLOB") || holds("TEXT")) return Class::kText;
  if (holds("BLOB")) return Class::kBlob;
  if (holds("REAL") || holds("FLOA") || holds("DOUB")) return Class::kReal;
  if (word == "BOOL" || word == "BOOLEAN") return Class::kFlag;
  if (word == "DECIMAL" || word == "NUMERIC") return Class::kDecimal;
  if (word == "DATE") return Class::kDate;
  if (word == "DATETIME" || word == "TIMESTAMP") return Class::kDateTime;
  if (word == "TIME") return Class::kTime;
  if (word == "UUID") return Class::kUuid;
  if (word == "JSON") return Class::kText;
  return Class::kAny;
}

DataType type_of(Class expected) {
  switch (expected) {
    case Class::kInteger: return plain(TypeKind::kBigint);
    case Class::kFlag: return plain(TypeKind::kBoolean);
    case Class::kReal: return plain(TypeKind::kDouble);
    case Class::kBlob: return plain(TypeKind::kBlob);
    case Class::kDate: return plain(TypeKind::kDate);
    case Class::kDateTime: return plain(TypeKind::kTimestamp);
    case Class::kTime: return plain(TypeKind::kTime);
    case Class::kUuid: return plain(TypeKind::kUuid);
    default: return plain(TypeKind::kVarchar);
  }
}

/// What is expected where such a type is declared in the dataset.
std::optional<Class> class_for(const DataType& type) {
  switch (type.kind) {
    case TypeKind::kVarchar: return Class::kAny;
    case TypeKind::kBoolean: return Class::kFlag;
    case TypeKind::kInteger:
    case TypeKind::kBigint: return Class::kInteger;
    case TypeKind::kDouble: return Class::kReal;
    case TypeKind::kDecimal: return Class::kDecimal;
    case TypeKind::kBlob: return Class::kBlob;
    case TypeKind::kDate: return Class::kDate;
    case TypeKind::kTimestamp: return Class::kDateTime;
    case TypeKind::kTime: return Class::kTime;
    case TypeKind::kUuid: return Class::kUuid;
    default: return std::nullopt;
  }
}

/// Whether values of a column that holds the one may all be of the other.
bool may_be(Class own, Class other) {
  if (own == other || own == Class::kAny || other == Class::kAny) return true;
  switch (own) {
    case Class::kInteger:
      return other == Class::kFlag || other == Class::kDecimal || other == Class::kReal;
    case Class::kFlag: return other == Class::kInteger;
    case Class::kReal: return other == Class::kDecimal;
    case Class::kDecimal: return other == Class::kInteger || other == Class::kReal;
    case Class::kText:
      return other == Class::kDate || other == Class::kDateTime || other == Class::kTime ||
             other == Class::kUuid;
    // SQLite keeps times as texts, as seconds since 1970 or as Julian days.
    case Class::kDate:
    case Class::kDateTime:
    case Class::kTime: return other == Class::kInteger || other == Class::kReal;
    default: return false;
  }
}

class TimeReader {
 public:
  explicit TimeReader(std::string_view text) : rest_(text) {}
  bool number(size_t digits, uint32_t& value) {
    if (rest_.size() < digits) return false;
    value = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return false;
      value = value * 10 + static_cast<uint32_t>(rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return true;
  }
  bool mark(std::string_view one_of) {
    if (rest_.empty() || one_of.find(rest_[0]) == std::string_view::npos) return false;
    last_ = rest_[0];
    rest_.remove_prefix(1);
    return true;
  }
  char last() const { return last_; }
  bool is_over() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  char last_ = 0;
};

bool read_fraction(TimeReader& reader, ReadTime& read) {
  constexpr int kMicroseconds = 6;
  uint32_t digit = 0;
  int count = 0;
  while (reader.number(1, digit)) {
    ++count;
    if (count <= kMicroseconds)
      read.time.microsecond = read.time.microsecond * 10 + digit;
    else if (digit != 0)
      return false;  // finer than what is kept
  }
  for (int i = count; i < kMicroseconds; ++i) read.time.microsecond *= 10;
  read.fraction_digits = std::min(count, kMicroseconds);
  return count > 0;
}

bool read_clock(TimeReader& reader, ReadTime& read) {
  uint32_t hour = 0;
  if (!reader.number(2, hour) || !reader.mark(":") || !reader.number(2, read.time.minute))
    return false;
  read.time.hour = hour;
  read.has_clock = true;
  if (reader.mark(":")) {
    if (!reader.number(2, read.time.second)) return false;
    if (reader.mark(".") && !read_fraction(reader, read)) return false;
  }
  return hour < 24 && read.time.minute < 60 && read.time.second < 60;
}

bool read_offset(TimeReader& reader, ReadTime& read) {
  if (reader.is_over()) return true;
  if (reader.mark("Zz")) {
    read.offset_minutes = 0;
    return true;
  }
  if (!reader.mark("+-")) return false;
  const int sign = reader.last() == '-' ? -1 : 1;
  uint32_t hours = 0;
  uint32_t minutes = 0;
  if (!reader.number(2, hours) || !reader.mark(":") || !reader.number(2, minutes)) return false;
  read.offset_minutes = sign * static_cast<int>(hours * 60 + minutes);
  return minutes < 60;
}

Cell timed_cell(std::string_view text, Class expected) {
  Cell cell;
  cell.kind = CellKind::kMisfit;
  cell.text = text;
  if (expected == Class::kTime) {
    TimeReader reader(text);
    ReadTime read;
    if (!read_clock(reader, read) || !reader.is_over()) return cell;
    cell.kind = CellKind::kTime;
    cell.time = read.time;
    return cell;
  }
  const auto read = read_time(text);
  if (!read) return cell;
  if (expected == Class::kDate) {
    if (read->has_clock) return cell;
    cell.kind = CellKind::kDate;
    cell.time = read->time;
    return cell;
  }
  cell.time = read->time;
  cell.kind = CellKind::kDateTime;
  if (read->offset_minutes) {
    cell.kind = CellKind::kInstant;
    cell.integer = *microseconds_of(read->time) - int64_t{*read->offset_minutes} * 60 * 1'000'000;
  }
  return cell;
}

Cell text_cell(std::string_view text, Class expected) {
  switch (expected) {
    case Class::kDate:
    case Class::kDateTime:
    case Class::kTime: return timed_cell(text, expected);
    default: break;
  }
  Cell cell;
  const bool is_text =
      expected == Class::kText || expected == Class::kUuid || expected == Class::kAny;
  cell.kind = is_text ? CellKind::kText : CellKind::kMisfit;
  cell.text = text;
  return cell;
}

}  // namespace

std::string real_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

std::optional<ReadTime> read_time(std::string_view text) {
  TimeReader reader(text);
  ReadTime read;
  uint32_t year = 0;
  if (!reader.number(4, year) || !reader.mark("-") || !reader.number(2, read.time.month) ||
      !reader.mark("-") || !reader.number(2, read.time.day))
    return std::nullopt;
  read.time.year = year;
  if (!microseconds_of(read.time)) return std::nullopt;
  if (reader.is_over()) return read;
  if (!reader.mark(" T") || !read_clock(reader, read) || !read_offset(reader, read) ||
      !reader.is_over())
    return std::nullopt;
  return read;
}

SqliteColumn describe(const std::string& name, const std::string& declared) {
  SqliteColumn own;
  own.column.name = name;
  own.column.type_name = declared.empty() ? "without a type" : declared;
  const std::string folded = upper(declared);
  own.expected = class_of(folded);
  own.column.type = type_of(own.expected);
  own.column.is_zoneless = own.expected == Class::kDateTime;
  if (own.expected == Class::kDecimal) {
    if (const auto digits = digits_of(folded))
      own.column.type = {TypeKind::kDecimal, digits->precision, digits->scale, {}};
    else
      own.expected = Class::kAny;
  }
  own.column.is_free = own.expected == Class::kAny;
  return own;
}

std::optional<SqliteColumn> fit(const SqliteColumn& own, const DataType& type) {
  if (own.column.type == type) return own;
  const auto expected = class_for(type);
  if (!expected || !may_be(own.expected, *expected)) return std::nullopt;
  SqliteColumn other = own;
  other.column.type = type;
  other.column.is_free = false;
  other.column.is_zoneless = type.kind == TypeKind::kTimestamp;
  // Bytes are text only where they are said to be both.
  if (type.kind != TypeKind::kVarchar || own.expected != Class::kBlob) other.expected = *expected;
  return other;
}

Cell cell_of(sqlite3_stmt& statement, int place, const SqliteColumn& column, std::string& scratch) {
  const Class expected = column.expected;
  Cell cell;
  switch (sqlite3_column_type(&statement, place)) {
    case SQLITE_NULL: return cell;
    case SQLITE_INTEGER:
      cell.integer = sqlite3_column_int64(&statement, place);
      cell.kind = CellKind::kInteger;
      if (expected == Class::kInteger || expected == Class::kFlag || expected == Class::kDecimal ||
          expected == Class::kReal || expected == Class::kAny)
        return cell;
      scratch = fmt::format("{}", cell.integer);
      break;
    case SQLITE_FLOAT:
      cell.floating = sqlite3_column_double(&statement, place);
      cell.kind = CellKind::kDouble;
      if (expected == Class::kReal) return cell;
      scratch = real_text(cell.floating);
      if (expected == Class::kDecimal || expected == Class::kAny) {
        cell.kind = CellKind::kNumeric;
        cell.text = scratch;
        return cell;
      }
      break;
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(&statement, place));
      return text_cell({text, static_cast<size_t>(sqlite3_column_bytes(&statement, place))},
                       expected);
    }
    default: {
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(&statement, place));
      const auto size = static_cast<size_t>(sqlite3_column_bytes(&statement, place));
      cell.kind = expected == Class::kBlob ? CellKind::kBytes : CellKind::kMisfit;
      cell.text = bytes != nullptr ? std::string_view(bytes, size) : std::string_view("");
      return cell;
    }
  }
  cell.kind = CellKind::kMisfit;
  cell.text = scratch;
  return cell;
}

}  // namespace weir::database::sqlite
