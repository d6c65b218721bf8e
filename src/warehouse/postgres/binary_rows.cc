// The binary form of COPY (PostgreSQL's manual, COPY, "Binary Format"): each row is its number of
// columns, then length and bytes of each, big-endian; -1 is NULL. What a type's bytes are is told
// by the server's *_send functions: dates count from 2000, a numeric is groups of four digits.

#include "warehouse/postgres/binary_rows.h"

#include <array>
#include <bit>
#include <functional>

#include "base/instant.h"
#include "model/control_sums.h"
#include "warehouse/postgres/types.h"

namespace weir::warehouse::postgres {
namespace {

using model::TypeKind;

constexpr int32_t kDaysTo2000 = 10'957;
constexpr int64_t kMicrosTo2000 = int64_t{kDaysTo2000} * 86'400'000'000;
// From 4713-01-01 BC (Julian day 0 is a bit later) up to the end of the year 294276, since 2000.
constexpr int32_t kLeastDay = -2'451'545;
constexpr int32_t kEndDay = 2'145'031'949;
constexpr int64_t kLeastMicros = -211'813'488'000'000'000;
constexpr size_t kMostBytes = size_t{1} << 30;  ///< Of one value, with what the server adds.
constexpr int64_t kEndMicros = 9'223'371'331'200'000'000;

template <typename T>
void put(T value, std::string& to) {
  using Bits = std::make_unsigned_t<T>;
  const auto bits = static_cast<Bits>(value);
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8)
    to.push_back(static_cast<char>(static_cast<unsigned char>(bits >> shift)));
}

void put_sized(std::string_view bytes, std::string& to) {
  put(static_cast<int32_t>(bytes.size()), to);
  to += bytes;
}

template <typename T>
void put_number(T value, std::string& to) {
  put(static_cast<int32_t>(sizeof(T)), to);
  put(value, to);
}

std::unexpected<Error> refuse(const model::Column& column, std::string_view what,
                              std::string hint) {
  return fail_with_hint(ErrorCode::kInvalidData,
                        fmt::format("column '{}' holds {}", column.name, what), std::move(hint));
}

/// Digits, without a sign, in groups of four on both sides of the point.
void put_numeric(model::Int128 unscaled, int scale, std::string& to) {
  const bool is_negative = unscaled < 0;
  // -2^127 is beyond 38 digits, so it is no decimal.
  std::string digits = fmt::format("{}", is_negative ? -unscaled : unscaled);
  const auto places = static_cast<size_t>(scale);
  if (digits.size() < places) digits.insert(0, places - digits.size(), '0');
  digits.insert(0, (4 - (digits.size() - places) % 4) % 4, '0');
  const auto groups_before = static_cast<int>((digits.size() - places) / 4);
  digits.append((4 - places % 4) % 4, '0');
  std::vector<int16_t> groups;
  for (size_t i = 0; i < digits.size(); i += 4) {
    int group = 0;
    for (size_t k = i; k < i + 4; ++k) group = group * 10 + (digits[k] - '0');
    groups.push_back(static_cast<int16_t>(group));
  }
  size_t first = 0;
  while (first < groups.size() && groups[first] == 0) ++first;
  size_t end = groups.size();
  while (end > first && groups[end - 1] == 0) --end;
  const auto count = static_cast<int16_t>(end - first);
  const int weight = count == 0 ? 0 : groups_before - 1 - static_cast<int>(first);
  put(static_cast<int32_t>(8 + count * 2), to);
  put(count, to);
  put(static_cast<int16_t>(weight), to);
  put(static_cast<int16_t>(is_negative && count > 0 ? 0x4000 : 0), to);
  put(static_cast<int16_t>(scale), to);
  for (size_t i = first; i < end; ++i) put(groups[i], to);
}

Status put_uuid(std::string_view text, const model::Column& column, std::string& to) {
  std::string bytes;
  int high = -1;
  for (const char c : text) {
    if (c == '-') continue;
    const auto digit = std::string_view("0123456789abcdef")
                           .find(static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c));
    if (digit == std::string_view::npos) return refuse(column, "a text that is no UUID", "");
    if (high < 0) {
      high = static_cast<int>(digit);
    } else {
      bytes.push_back(static_cast<char>(high * 16 + static_cast<int>(digit)));
      high = -1;
    }
  }
  if (bytes.size() != 16 || high >= 0) return refuse(column, "a text that is no UUID", "");
  put_sized(bytes, to);
  return {};
}

Status put_bytes(std::string_view bytes, const model::Column& column, std::string& to) {
  if (bytes.size() >= kMostBytes)
    return refuse(column, fmt::format("a value of {} bytes; PostgreSQL keeps 1 GB", bytes.size()),
                  "");
  put_sized(bytes, to);
  return {};
}

Status put_text(std::string_view text, const model::Column& column, std::string& to) {
  if (text.find('\0') != std::string_view::npos)
    return refuse(column, "a text with a NUL character, which PostgreSQL does not keep",
                  "take it out in a transform: replace(x, chr(0), '')");
  return put_bytes(text, column, to);
}

Status put_date(int32_t day, const model::Column& column, std::string& to) {
  const int64_t since_2000 = int64_t{day} - kDaysTo2000;
  if (since_2000 < kLeastDay || since_2000 >= kEndDay)
    return refuse(column, fmt::format("a date that PostgreSQL does not reach: day {} of 1970", day),
                  "it keeps 4713 BC to 5874897");
  put_number(static_cast<int32_t>(since_2000), to);
  return {};
}

Status put_timestamp(int64_t micros, const model::Column& column, std::string& to) {
  // Beyond it the difference has no room either.
  const bool is_far = micros < kLeastMicros + kMicrosTo2000;
  if (is_far || micros - kMicrosTo2000 >= kEndMicros)
    return refuse(column,
                  fmt::format("a timestamp that PostgreSQL does not reach: {} µs of 1970", micros),
                  "it keeps 4713 BC to 294276");
  put_number(micros - kMicrosTo2000, to);
  return {};
}

model::Int128 decimal_at(const arrow::Array& array, int64_t row) {
  const auto& values = static_cast<const arrow::Decimal128Array&>(array);
  model::Int128 value = 0;
  std::memcpy(&value, values.GetValue(row), sizeof value);
  return value;
}

template <typename ArrayType>
auto at(const arrow::Array& array, int64_t row) {
  return static_cast<const ArrayType&>(array).Value(row);
}

std::string_view bytes_at(const arrow::Array& array, int64_t row) {
  return static_cast<const arrow::BinaryArray&>(array).GetView(row);
}

Status put_value(const arrow::Array& array, int64_t row, const model::Column& column,
                 std::string& to) {
  switch (column.type.kind) {
    case TypeKind::kBoolean:
      put_number(static_cast<int8_t>(at<arrow::BooleanArray>(array, row) ? 1 : 0), to);
      return {};
    case TypeKind::kInteger: put_number(at<arrow::Int32Array>(array, row), to); return {};
    case TypeKind::kBigint: put_number(at<arrow::Int64Array>(array, row), to); return {};
    case TypeKind::kFloat:
      put_number(std::bit_cast<int32_t>(at<arrow::FloatArray>(array, row)), to);
      return {};
    case TypeKind::kDouble:
      put_number(std::bit_cast<int64_t>(at<arrow::DoubleArray>(array, row)), to);
      return {};
    case TypeKind::kHugeint: put_numeric(decimal_at(array, row), 0, to); return {};
    case TypeKind::kDecimal: put_numeric(decimal_at(array, row), column.type.scale, to); return {};
    case TypeKind::kVarchar: return put_text(bytes_at(array, row), column, to);
    case TypeKind::kBlob: return put_bytes(bytes_at(array, row), column, to);
    case TypeKind::kDate: return put_date(at<arrow::Date32Array>(array, row), column, to);
    case TypeKind::kTime: put_number(at<arrow::Time64Array>(array, row), to); return {};
    case TypeKind::kTimestamp:
      return put_timestamp(at<arrow::TimestampArray>(array, row), column, to);
    case TypeKind::kUuid: return put_uuid(bytes_at(array, row), column, to);
    case TypeKind::kList:
    case TypeKind::kStruct:
    case TypeKind::kMap: {
      // The version of jsonb's form stands before it.
      return put_bytes("\1" + std::string(bytes_at(array, row)), column, to);
    }
  }
  return fail(ErrorCode::kInternal, "column '{}' has a type without a form", column.name);
}

std::unexpected<Error> arrow_failed(const arrow::Status& status) {
  return fail(ErrorCode::kResourceExhausted, "reading a table back: {}", status.ToString());
}

}  // namespace

std::string_view binary_header() {
  static constexpr std::string_view kHeader("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
  return kHeader;
}

std::string_view binary_trailer() {
  static constexpr std::string_view kTrailer("\377\377", 2);
  return kTrailer;
}

Status add_binary_rows(const arrow::RecordBatch& batch, const model::Schema& columns,
                       std::string& to) {
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    put(static_cast<int16_t>(columns.size()), to);
    for (size_t c = 0; c < columns.size(); ++c) {
      const auto& array = *batch.column(static_cast<int>(c));
      if (array.IsNull(row))
        put(int32_t{-1}, to);
      else
        WEIR_TRY(put_value(array, row, columns[c], to));
    }
  }
  return {};
}

TextRows::TextRows(size_t columns) {
  arrow::FieldVector fields;
  for (size_t c = 0; c < columns; ++c) {
    fields.push_back(arrow::field(fmt::format("c{}", c), arrow::utf8()));
    builders_.push_back(std::make_unique<arrow::StringBuilder>());
  }
  schema_ = arrow::schema(std::move(fields));
}

Status TextRows::add(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  bytes_ += static_cast<int64_t>(line.size());
  ++rows_;
  for (size_t c = 0; c < builders_.size(); ++c) {
    const size_t end = line.find('\t');
    std::string_view field = line.substr(0, end);
    const bool is_last = end == std::string_view::npos;
    if (is_last != (c + 1 == builders_.size()))
      return fail(ErrorCode::kInternal, "a row of {} columns came with another number",
                  builders_.size());
    line = is_last ? std::string_view() : line.substr(end + 1);
    if (field == "\\N") {
      if (auto status = builders_[c]->AppendNull(); !status.ok()) return arrow_failed(status);
      continue;
    }
    if (field.find('\\') != std::string_view::npos) {
      value_.clear();
      for (size_t i = 0; i < field.size(); ++i) {
        if (field[i] != '\\' || i + 1 == field.size()) {
          value_ += field[i];
          continue;
        }
        constexpr std::string_view kLetters = "bfnrtv";
        constexpr std::string_view kMeant = "\b\f\n\r\t\v";
        const size_t letter = kLetters.find(field[++i]);
        value_ += letter == std::string_view::npos ? field[i] : kMeant[letter];
      }
      field = value_;
    }
    if (auto status = builders_[c]->Append(field); !status.ok()) return arrow_failed(status);
  }
  return {};
}

Result<std::shared_ptr<arrow::RecordBatch>> TextRows::take() {
  arrow::ArrayVector arrays;
  for (const auto& builder : builders_) {
    std::shared_ptr<arrow::Array> array;
    if (auto status = builder->Finish(&array); !status.ok()) return arrow_failed(status);
    arrays.push_back(std::move(array));
  }
  auto batch = arrow::RecordBatch::Make(schema_, rows_, std::move(arrays));
  rows_ = 0;
  bytes_ = 0;
  return batch;
}

}  // namespace weir::warehouse::postgres
