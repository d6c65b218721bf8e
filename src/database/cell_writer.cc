// Each column has an appender for its type. A value that cannot be appended leaves a NULL in the
// builder and its row is left out of the slices that become the batch.

#include <cctype>
#include <cmath>
#include <limits>
#include <utility>

#include <arrow/builder.h>
#include <arrow/util/decimal.h>
#include <arrow/util/utf8.h>

#include "base/json.h"
#include "database/cell.h"
#include "parquet/parquet.h"

namespace weir::database {
namespace {

using model::DataType;
using model::Int128;
using model::TypeKind;

constexpr int64_t kDayUs = 86'400'000'000;

enum class Fault {
  kNone,
  kOutOfRange,
  kScaleOverflow,
  kWrongType,
  kInvalidUtf8,
  kZeroDate,
  kNonexistentTime,
  kMemory,
  kFailed,  ///< Not a matter of the value: error() says what.
};

std::string reason_of(Fault fault) {
  switch (fault) {
    case Fault::kOutOfRange: return "out_of_range";
    case Fault::kScaleOverflow: return "scale_overflow";
    case Fault::kInvalidUtf8: return "invalid_utf8";
    case Fault::kZeroDate: return "zero_date";
    case Fault::kNonexistentTime: return "nonexistent_time";
    default: return "wrong_type";
  }
}

Status arrow_status(const arrow::Status& status) {
  if (status.ok()) return {};
  return std::unexpected(parquet::to_error(status));
}

Int128 power_of_ten(int exponent) {
  Int128 power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

/// A number as digits times a power of ten: `-12.50` is −125 · 10^−1.
struct Digits {
  bool is_negative = false;
  std::string digits;  ///< Without zeros at either end; empty: zero.
  int64_t exponent = 0;
};

std::optional<Digits> digits_of(std::string_view text) {
  constexpr int64_t kMostExponent = 100'000;
  Digits number;
  if (text.starts_with('-') || text.starts_with('+')) {
    number.is_negative = text[0] == '-';
    text.remove_prefix(1);
  }
  bool is_behind_point = false;
  bool has_digits = false;
  size_t at = 0;
  for (; at < text.size() && text[at] != 'e' && text[at] != 'E'; ++at) {
    if (text[at] == '.' && !std::exchange(is_behind_point, true)) continue;
    if (text[at] < '0' || text[at] > '9') return std::nullopt;
    has_digits = true;
    if (text[at] != '0' || !number.digits.empty()) number.digits += text[at];
    if (is_behind_point) --number.exponent;
  }
  if (!has_digits) return std::nullopt;
  if (at < text.size()) {
    std::string_view rest = text.substr(at + 1);
    const bool is_small = rest.starts_with('-');
    if (is_small || rest.starts_with('+')) rest.remove_prefix(1);
    if (rest.empty()) return std::nullopt;
    int64_t exponent = 0;
    for (const char c : rest) {
      if (c < '0' || c > '9') return std::nullopt;
      exponent = std::min(exponent * 10 + (c - '0'), kMostExponent);
    }
    number.exponent += is_small ? -exponent : exponent;
  }
  while (number.digits.ends_with('0')) {
    number.digits.pop_back();
    ++number.exponent;
  }
  return number;
}

/// That number as a decimal, exactly.
Fault decimal_of(const Digits& number, int precision, int scale, Int128& decimal) {
  decimal = 0;
  if (number.digits.empty()) return Fault::kNone;
  const int64_t shift = number.exponent + scale;
  if (shift < 0) return Fault::kScaleOverflow;
  if (std::ssize(number.digits) + shift > precision) return Fault::kOutOfRange;
  for (const char c : number.digits) decimal = decimal * 10 + (c - '0');
  decimal *= power_of_ten(static_cast<int>(shift));
  if (number.is_negative) decimal = -decimal;
  return Fault::kNone;
}

/// A cell that counts as a decimal of so many digits, exactly.
Fault decimal_of(const Cell& cell, int precision, int scale, Int128& decimal) {
  if (cell.kind == CellKind::kNumeric) {
    const auto number = digits_of(cell.text);
    return number ? decimal_of(*number, precision, scale, decimal) : Fault::kWrongType;
  }
  const bool is_signed = cell.kind == CellKind::kInteger;
  if (!is_signed && cell.kind != CellKind::kUnsigned) return Fault::kWrongType;
  const Int128 value = is_signed ? Int128{cell.integer} : Int128{cell.natural};
  if (__builtin_mul_overflow(value, power_of_ten(scale), &decimal)) return Fault::kOutOfRange;
  const Int128 limit = power_of_ten(precision);
  return decimal < limit && decimal > -limit ? Fault::kNone : Fault::kOutOfRange;
}

/// Appends the values of one column; never NULL cells. A fault appends a NULL.
class Appender {
 public:
  virtual ~Appender() = default;
  virtual Fault append(const Cell& cell) = 0;
  virtual arrow::ArrayBuilder& builder() = 0;
  virtual Error error() const { return {}; }
};

template <typename Builder>
class TypedAppender : public Appender {
 public:
  explicit TypedAppender(std::shared_ptr<arrow::ArrayBuilder> builder)
      : builder_(std::move(builder)), typed_(static_cast<Builder&>(*builder_)) {}
  arrow::ArrayBuilder& builder() override { return *builder_; }

 protected:
  template <typename Value>
  Fault good(const Value& value) {
    return typed_.Append(value).ok() ? Fault::kNone : Fault::kMemory;
  }
  Fault bad(Fault fault) { return typed_.AppendNull().ok() ? fault : Fault::kMemory; }

 private:
  std::shared_ptr<arrow::ArrayBuilder> builder_;
  Builder& typed_;
};

class BooleanAppender final : public TypedAppender<arrow::BooleanBuilder> {
 public:
  using TypedAppender::TypedAppender;
  Fault append(const Cell& cell) override {
    const bool is_signed = cell.kind == CellKind::kInteger;
    if (!is_signed && cell.kind != CellKind::kUnsigned) return bad(Fault::kWrongType);
    const uint64_t value = is_signed ? static_cast<uint64_t>(cell.integer) : cell.natural;
    return value <= 1 ? good(value == 1) : bad(Fault::kOutOfRange);
  }
};

template <typename Builder>
class WholeAppender final : public TypedAppender<Builder> {
 public:
  using TypedAppender<Builder>::TypedAppender;
  using Value = typename Builder::value_type;
  Fault append(const Cell& cell) override {
    if (cell.kind == CellKind::kInteger && std::in_range<Value>(cell.integer))
      return this->good(static_cast<Value>(cell.integer));
    Int128 decimal = 0;
    const Fault fault = decimal_of(cell, kMostDigits, 0, decimal);
    if (fault != Fault::kNone) return this->bad(fault);
    const auto value = static_cast<int64_t>(decimal);
    if (value != decimal || !std::in_range<Value>(value)) return this->bad(Fault::kOutOfRange);
    return this->good(static_cast<Value>(value));
  }

 private:
  static constexpr int kMostDigits = 38;
};

template <typename Builder>
class FloatingAppender final : public TypedAppender<Builder> {
 public:
  using TypedAppender<Builder>::TypedAppender;
  using Value = typename Builder::value_type;
  Fault append(const Cell& cell) override {
    switch (cell.kind) {
      case CellKind::kFloat:
      case CellKind::kDouble: return this->good(static_cast<Value>(cell.floating));
      case CellKind::kInteger: return whole(Int128{cell.integer});
      case CellKind::kUnsigned: return whole(Int128{cell.natural});
      default: return this->bad(Fault::kWrongType);
    }
  }

 private:
  Fault whole(Int128 value) {
    const auto floating = static_cast<Value>(value);
    return static_cast<Int128>(floating) == value ? this->good(floating)
                                                  : this->bad(Fault::kOutOfRange);
  }
};

class DecimalAppender final : public TypedAppender<arrow::Decimal128Builder> {
 public:
  DecimalAppender(const DataType& type, std::shared_ptr<arrow::ArrayBuilder> builder)
      : TypedAppender(std::move(builder)), precision_(type.precision), scale_(type.scale) {}
  Fault append(const Cell& cell) override {
    Int128 decimal = 0;
    const Fault fault = decimal_of(cell, precision_, scale_, decimal);
    if (fault != Fault::kNone) return bad(fault);
    return good(
        arrow::Decimal128(static_cast<int64_t>(decimal >> 64), static_cast<uint64_t>(decimal)));
  }

 private:
  const int precision_;
  const int scale_;
};

class TextAppender final : public TypedAppender<arrow::StringBuilder> {
 public:
  using TypedAppender::TypedAppender;
  Fault append(const Cell& cell) override {
    switch (cell.kind) {
      case CellKind::kMisfit: return bad(Fault::kWrongType);
      case CellKind::kText:
      case CellKind::kBytes:
        return arrow::util::ValidateUTF8(cell.text) ? good(cell.text) : bad(Fault::kInvalidUtf8);
      case CellKind::kNumeric: return good(cell.text);
      default: return good(text_of(cell));
    }
  }
};

/// As RFC 9562 writes them, in any case.
class UuidAppender final : public TypedAppender<arrow::StringBuilder> {
 public:
  using TypedAppender::TypedAppender;
  Fault append(const Cell& cell) override {
    constexpr size_t kLength = 36;
    std::string text(cell.text);
    bool is_uuid = cell.kind == CellKind::kText && text.size() == kLength;
    for (size_t i = 0; is_uuid && i < kLength; ++i) {
      const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
      const auto c = static_cast<unsigned char>(text[i]);
      is_uuid = is_dash ? c == '-' : std::isxdigit(c) != 0;
      text[i] = static_cast<char>(std::tolower(c));
    }
    return is_uuid ? good(text) : bad(Fault::kWrongType);
  }
};

class BytesAppender final : public TypedAppender<arrow::BinaryBuilder> {
 public:
  using TypedAppender::TypedAppender;
  Fault append(const Cell& cell) override {
    return cell.kind == CellKind::kBytes ? good(cell.text) : bad(Fault::kWrongType);
  }
};

/// Dates and timestamps.
template <typename Builder>
class DateAppender final : public TypedAppender<Builder> {
 public:
  DateAppender(CellKind kind, NoValue zero_dates, LocalClock* clock,
               std::shared_ptr<arrow::ArrayBuilder> builder)
      : TypedAppender<Builder>(std::move(builder)),
        kind_(kind),
        zero_dates_(zero_dates),
        clock_(clock) {}

  Fault append(const Cell& cell) override {
    if (cell.kind == CellKind::kInstant && kind_ == CellKind::kDateTime)
      return this->good(static_cast<Value>(cell.integer));
    if (cell.kind != kind_) return this->bad(Fault::kWrongType);
    if (cell.time.month == 0 || cell.time.day == 0)
      return this->bad(zero_dates_ == NoValue::kNull ? Fault::kNone : Fault::kZeroDate);
    auto at = microseconds_of(cell.time);
    if (!at) return this->bad(Fault::kOutOfRange);
    if (kind_ == CellKind::kDate)
      return this->good(static_cast<Value>((*at - (*at % kDayUs + kDayUs) % kDayUs) / kDayUs));
    if (clock_ == nullptr) return this->good(static_cast<Value>(*at));
    auto utc = clock_->utc_of(*at);
    if (!utc) {
      error_ = std::move(utc).error();
      return this->bad(Fault::kFailed);
    }
    return *utc ? this->good(static_cast<Value>(**utc)) : this->bad(Fault::kNonexistentTime);
  }

  Error error() const override { return error_; }

 private:
  using Value = typename Builder::value_type;
  const CellKind kind_;
  const NoValue zero_dates_;
  LocalClock* const clock_;
  Error error_;
};

class TimeAppender final : public TypedAppender<arrow::Time64Builder> {
 public:
  using TypedAppender::TypedAppender;
  Fault append(const Cell& cell) override {
    if (cell.kind != CellKind::kTime) return bad(Fault::kWrongType);
    const CivilTime& time = cell.time;
    if (time.is_negative || time.hour > 23 || time.minute > 59 || time.second > 59)
      return bad(Fault::kOutOfRange);
    const int64_t seconds = (time.hour * 60 + time.minute) * 60 + time.second;
    return good(seconds * 1'000'000 + time.microsecond);
  }
};

std::unique_ptr<Appender> make_appender(const CellColumn& column, const ReadOptions& options,
                                        std::shared_ptr<arrow::ArrayBuilder> builder) {
  switch (column.type.kind) {
    case TypeKind::kBoolean: return std::make_unique<BooleanAppender>(std::move(builder));
    case TypeKind::kInteger:
      return std::make_unique<WholeAppender<arrow::Int32Builder>>(std::move(builder));
    case TypeKind::kBigint:
      return std::make_unique<WholeAppender<arrow::Int64Builder>>(std::move(builder));
    case TypeKind::kFloat:
      return std::make_unique<FloatingAppender<arrow::FloatBuilder>>(std::move(builder));
    case TypeKind::kDouble:
      return std::make_unique<FloatingAppender<arrow::DoubleBuilder>>(std::move(builder));
    case TypeKind::kDecimal:
      return std::make_unique<DecimalAppender>(column.type, std::move(builder));
    case TypeKind::kVarchar: return std::make_unique<TextAppender>(std::move(builder));
    case TypeKind::kUuid: return std::make_unique<UuidAppender>(std::move(builder));
    case TypeKind::kBlob: return std::make_unique<BytesAppender>(std::move(builder));
    case TypeKind::kDate:
      return std::make_unique<DateAppender<arrow::Date32Builder>>(
          CellKind::kDate, options.zero_dates, nullptr, std::move(builder));
    case TypeKind::kTimestamp:
      return std::make_unique<DateAppender<arrow::TimestampBuilder>>(
          CellKind::kDateTime, options.zero_dates, column.clock, std::move(builder));
    case TypeKind::kTime: return std::make_unique<TimeAppender>(std::move(builder));
    default: return nullptr;
  }
}

int64_t size_of(const Cell& cell) {
  constexpr int64_t kFixed = 8;
  return cell.text.empty() ? kFixed : std::ssize(cell.text);
}

/// Fields parted by tabs, as `LOAD DATA` reads them.
std::string line_of(std::span<const Cell> row) {
  std::string line;
  for (size_t i = 0; i < row.size(); ++i) {
    if (i > 0) line += '\t';
    if (row[i].kind == CellKind::kNull) {
      line += "\\N";
      continue;
    }
    const bool is_text = !row[i].text.empty();
    for (const char c : is_text ? std::string(row[i].text) : text_of(row[i])) {
      if (c == '\t' || c == '\n' || c == '\\') line += '\\';
      line += c == '\t' ? 't' : c == '\n' ? 'n' : c;
    }
  }
  return line;
}

class Writer final : public CellWriter {
 public:
  static Result<std::unique_ptr<CellWriter>> make(std::vector<CellColumn> columns,
                                                  const ReadOptions& options) {
    arrow::util::InitializeUTF8();
    auto writer = std::make_unique<Writer>();
    writer->options_ = options;
    for (const CellColumn& column : columns) {
      WEIR_ASSIGN(const auto schema, parquet::to_arrow({{column.name, column.type, true}}));
      std::unique_ptr<arrow::ArrayBuilder> builder;
      WEIR_TRY(arrow_status(
          arrow::MakeBuilder(arrow::default_memory_pool(), schema->field(0)->type(), &builder)));
      auto appender = make_appender(column, options, std::move(builder));
      if (appender == nullptr)
        return fail(ErrorCode::kUnsupported, "column '{}' cannot be read as {}", column.name,
                    model::to_text(column.type));
      writer->appenders_.push_back(std::move(appender));
    }
    writer->columns_ = std::move(columns);
    return writer;
  }

  Status append(std::span<const Cell> row) override {
    std::optional<size_t> at_fault;
    Fault worst = Fault::kNone;
    for (size_t i = 0; i < appenders_.size(); ++i) {
      if (row[i].kind == CellKind::kNull) {
        WEIR_TRY(arrow_status(appenders_[i]->builder().AppendNull()));
        continue;
      }
      bytes_ += size_of(row[i]);
      const Fault fault = appenders_[i]->append(row[i]);
      if (fault == Fault::kNone) continue;
      if (fault == Fault::kFailed) return std::unexpected(appenders_[i]->error());
      if (fault == Fault::kMemory)
        return fail(ErrorCode::kResourceExhausted, "out of memory for column '{}'",
                    columns_[i].name);
      if (at_fault) continue;
      at_fault = i;
      worst = fault;
    }
    if (at_fault) rejects_.push_back(reject_of(row, *at_fault, worst));
    ++row_;
    return {};
  }

  bool is_full() const override {
    return row_ >= options_.batch_rows || bytes_ >= options_.batch_bytes;
  }

  Result<SourceBatch> take() override {
    SourceBatch batch;
    batch.row_count = std::exchange(row_, 0);
    batch.bytes = std::exchange(bytes_, 0);
    arrow::ArrayVector arrays;
    for (const auto& each : appenders_)
      WEIR_TRY(arrow_status(each->builder().Finish(&arrays.emplace_back())));
    int64_t from = 0;
    const auto add_until = [&](int64_t to) {
      if (to == from) return;
      SourceRows& rows = batch.rows.emplace_back();
      rows.first_row = from;
      for (const auto& array : arrays) rows.columns.push_back(array->Slice(from, to - from));
    };
    for (const SourceReject& reject : rejects_) {
      add_until(reject.row);
      from = reject.row + 1;
    }
    add_until(batch.row_count);
    batch.rejects = std::exchange(rejects_, {});
    return batch;
  }

 private:
  SourceReject reject_of(std::span<const Cell> row, size_t at_fault, Fault fault) const {
    SourceReject reject;
    reject.row = row_;
    reject.reason = reason_of(fault);
    reject.column = columns_[at_fault].name;
    reject.text = text_of(row[at_fault]);
    reject.raw = line_of(row);
    Json values = Json::object();
    for (size_t i = 0; i < columns_.size(); ++i)
      if (row[i].kind != CellKind::kNull) values[columns_[i].name] = text_of(row[i]);
    reject.values = dump_json(values);
    return reject;
  }

  std::vector<CellColumn> columns_;
  ReadOptions options_;
  std::vector<std::unique_ptr<Appender>> appenders_;
  int64_t row_ = 0;
  int64_t bytes_ = 0;
  std::vector<SourceReject> rejects_;
};

}  // namespace

Result<std::unique_ptr<CellWriter>> make_cell_writer(std::vector<CellColumn> columns,
                                                     const ReadOptions& options) {
  return Writer::make(std::move(columns), options);
}

}  // namespace weir::database
