#include "database/postgres_copy.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include <arrow/builder.h>
#include <arrow/util/decimal.h>
#include <arrow/util/utf8.h>

#include "base/json.h"
#include "database/postgres_values.h"
#include "parquet/parquet.h"

// The stream: a signature, flags, an extension; then tuples, each a count of fields and for each
// field its length (−1 for NULL) and bytes; then the count −1. Integers are big-endian. See
// "Binary Format" of COPY in PostgreSQL's manual. A tuple is taken once all of it is there: its
// values are appended to the builders, and where one cannot be, the row is left out of the slices
// that become the batch.

namespace weir::database {
namespace {

using model::DataType;
using model::TypeKind;
using postgres::Decimal;
using postgres::Fault;

constexpr std::string_view kSignature("PGCOPY\n\377\r\n\0", 11);
constexpr size_t kHeaderBytes = 19;
constexpr int32_t kHasOids = 1 << 16;

Status arrow_status(const arrow::Status& status) {
  if (status.ok()) return {};
  return std::unexpected(parquet::to_error(status));
}

arrow::Decimal128 to_arrow(model::Int128 value) {
  return {static_cast<int64_t>(value >> 64), static_cast<uint64_t>(value)};
}

/// Appends the values of one column. A fault leaves something in the builder: one row more.
class Appender {
 public:
  virtual ~Appender() = default;
  virtual Fault append(std::string_view bytes) = 0;
};

/// A whole number of the stream, or what else counts so (dates, times).
template <typename T>
std::optional<T> integer_of(std::string_view bytes) {
  if (bytes.size() != sizeof(T)) return std::nullopt;
  return postgres::read_integer<T>(bytes);
}

std::optional<int64_t> whole_number(CopyWire wire, std::string_view bytes) {
  switch (wire) {
    case CopyWire::kInt2: return integer_of<int16_t>(bytes);
    case CopyWire::kInt4:
    case CopyWire::kDate: return integer_of<int32_t>(bytes);
    default: return integer_of<int64_t>(bytes);
  }
}

class BoolAppender final : public Appender {
 public:
  explicit BoolAppender(arrow::ArrayBuilder& builder)
      : builder_(static_cast<arrow::BooleanBuilder&>(builder)) {}
  Fault append(std::string_view bytes) override {
    if (bytes.size() != 1) return Fault::kMalformed;
    return builder_.Append(bytes[0] != 0).ok() ? Fault::kNone : Fault::kMemory;
  }

 private:
  arrow::BooleanBuilder& builder_;
};

/// Whole numbers, from the stream's integers or from numeric without digits behind the point.
template <typename Builder>
class IntegerAppender final : public Appender {
 public:
  using Value = typename Builder::value_type;
  IntegerAppender(CopyWire wire, arrow::ArrayBuilder& builder)
      : wire_(wire), builder_(static_cast<Builder&>(builder)) {}

  Fault append(std::string_view bytes) override {
    int64_t value = 0;
    if (wire_ == CopyWire::kNumeric) {
      Decimal decimal;
      const Fault fault = postgres::read_numeric(bytes, 19, 0, decimal);
      if (fault != Fault::kNone) return append_nothing(fault);
      value = static_cast<int64_t>(decimal.unscaled);
      if (value != decimal.unscaled) return append_nothing(Fault::kOutOfRange);
    } else {
      const auto read = whole_number(wire_, bytes);
      if (!read) return Fault::kMalformed;
      value = *read;
    }
    if (!std::in_range<Value>(value)) return append_nothing(Fault::kOutOfRange);
    return builder_.Append(static_cast<Value>(value)).ok() ? Fault::kNone : Fault::kMemory;
  }

 private:
  Fault append_nothing(Fault fault) { return builder_.AppendNull().ok() ? fault : Fault::kMemory; }
  const CopyWire wire_;
  Builder& builder_;
};

template <typename Builder>
class FloatAppender final : public Appender {
 public:
  using Value = typename Builder::value_type;
  FloatAppender(CopyWire wire, arrow::ArrayBuilder& builder)
      : wire_(wire), builder_(static_cast<Builder&>(builder)) {}

  Fault append(std::string_view bytes) override {
    Value value = 0;
    if (wire_ == CopyWire::kFloat4) {
      const auto bits = integer_of<int32_t>(bytes);
      if (!bits) return Fault::kMalformed;
      value = static_cast<Value>(std::bit_cast<float>(*bits));
    } else if (wire_ == CopyWire::kFloat8) {
      const auto bits = integer_of<int64_t>(bytes);
      if (!bits) return Fault::kMalformed;
      value = static_cast<Value>(std::bit_cast<double>(*bits));
    } else {  // int2 and int4: a double holds each of them
      const auto read = whole_number(wire_, bytes);
      if (!read) return Fault::kMalformed;
      value = static_cast<Value>(*read);
    }
    return builder_.Append(value).ok() ? Fault::kNone : Fault::kMemory;
  }

 private:
  const CopyWire wire_;
  Builder& builder_;
};

class DecimalAppender final : public Appender {
 public:
  DecimalAppender(CopyWire wire, const DataType& type, arrow::ArrayBuilder& builder)
      : wire_(wire), type_(type), builder_(static_cast<arrow::Decimal128Builder&>(builder)) {}

  Fault append(std::string_view bytes) override {
    Decimal decimal;
    Fault fault = Fault::kNone;
    if (wire_ == CopyWire::kNumeric) {
      fault = postgres::read_numeric(bytes, type_.precision, type_.scale, decimal);
    } else {
      const auto read = whole_number(wire_, bytes);
      if (!read) return Fault::kMalformed;
      fault = postgres::scaled(*read, type_.precision, type_.scale, decimal);
    }
    const bool is_good = fault == Fault::kNone;
    const auto status =
        is_good ? builder_.Append(to_arrow(decimal.unscaled)) : builder_.AppendNull();
    return status.ok() ? fault : Fault::kMemory;
  }

 private:
  const CopyWire wire_;
  const DataType type_;
  arrow::Decimal128Builder& builder_;
};

class TextAppender final : public Appender {
 public:
  TextAppender(CopyWire wire, bool checks_utf8, arrow::ArrayBuilder& builder)
      : wire_(wire),
        checks_utf8_(checks_utf8),
        builder_(static_cast<arrow::StringBuilder&>(builder)) {}

  Fault append(std::string_view bytes) override {
    if (wire_ == CopyWire::kText) return append_text(bytes);
    const auto text = postgres::text_of(wire_, bytes);
    return text ? append_text(*text) : Fault::kMalformed;
  }

 private:
  Fault append_text(std::string_view text) {
    if (checks_utf8_ && !arrow::util::ValidateUTF8(text))
      return builder_.AppendNull().ok() ? Fault::kInvalidUtf8 : Fault::kMemory;
    return builder_.Append(text).ok() ? Fault::kNone : Fault::kMemory;
  }

  const CopyWire wire_;
  const bool checks_utf8_;
  arrow::StringBuilder& builder_;
};

class BytesAppender final : public Appender {
 public:
  explicit BytesAppender(arrow::ArrayBuilder& builder)
      : builder_(static_cast<arrow::BinaryBuilder&>(builder)) {}
  Fault append(std::string_view bytes) override {
    return builder_.Append(bytes).ok() ? Fault::kNone : Fault::kMemory;
  }

 private:
  arrow::BinaryBuilder& builder_;
};

/// Dates, times and timestamps: a count from another day than ours.
template <typename Builder>
class TimeAppender final : public Appender {
 public:
  TimeAppender(CopyWire wire, NoValue infinity, arrow::ArrayBuilder& builder)
      : wire_(wire), infinity_(infinity), builder_(static_cast<Builder&>(builder)) {}

  Fault append(std::string_view bytes) override {
    int64_t value = 0;
    const Fault fault = postgres::read_time(wire_, bytes, value);
    if (fault == Fault::kMalformed) return fault;
    const bool is_null = fault == Fault::kInfinite && infinity_ == NoValue::kNull;
    const auto status = fault == Fault::kNone
                            ? builder_.Append(static_cast<typename Builder::value_type>(value))
                            : builder_.AppendNull();
    if (!status.ok()) return Fault::kMemory;
    return is_null ? Fault::kNone : fault;
  }

 private:
  const CopyWire wire_;
  const NoValue infinity_;
  Builder& builder_;
};

/// Arrays of one dimension. What PostgreSQL's array says beyond its elements (where its subscripts
/// begin) is not kept.
class ListAppender final : public Appender {
 public:
  ListAppender(std::unique_ptr<Appender> element, arrow::ArrayBuilder& builder)
      : element_(std::move(element)), builder_(static_cast<arrow::ListBuilder&>(builder)) {}

  Fault append(std::string_view bytes) override {
    if (!builder_.Append().ok()) return Fault::kMemory;
    postgres::ArrayReader reader(bytes);
    if (reader.dimensions() > 1) return Fault::kNestedArray;
    Fault worst = Fault::kNone;
    while (auto next = reader.next()) {
      Fault fault = Fault::kNone;
      if (*next)
        fault = element_->append(**next);
      else if (!builder_.value_builder()->AppendNull().ok())
        fault = Fault::kMemory;
      if (worst == Fault::kNone || fault == Fault::kMemory || fault == Fault::kMalformed)
        worst = fault;
    }
    return reader.is_whole() ? worst : Fault::kMalformed;
  }

 private:
  std::unique_ptr<Appender> element_;
  arrow::ListBuilder& builder_;
};

std::unique_ptr<Appender> make_appender(const CopyColumn& column, const DataType& type,
                                        const CopyOptions& options, arrow::ArrayBuilder& builder) {
  const CopyWire wire = column.wire;
  switch (type.kind) {
    case TypeKind::kBoolean: return std::make_unique<BoolAppender>(builder);
    case TypeKind::kInteger:
      return std::make_unique<IntegerAppender<arrow::Int32Builder>>(wire, builder);
    case TypeKind::kBigint:
      return std::make_unique<IntegerAppender<arrow::Int64Builder>>(wire, builder);
    case TypeKind::kFloat:
      return std::make_unique<FloatAppender<arrow::FloatBuilder>>(wire, builder);
    case TypeKind::kDouble:
      return std::make_unique<FloatAppender<arrow::DoubleBuilder>>(wire, builder);
    case TypeKind::kDecimal: return std::make_unique<DecimalAppender>(wire, type, builder);
    case TypeKind::kBlob: return std::make_unique<BytesAppender>(builder);
    case TypeKind::kDate:
      return std::make_unique<TimeAppender<arrow::Date32Builder>>(wire, options.read.infinity,
                                                                  builder);
    case TypeKind::kTime:
      return std::make_unique<TimeAppender<arrow::Time64Builder>>(wire, options.read.infinity,
                                                                  builder);
    case TypeKind::kTimestamp:
      return std::make_unique<TimeAppender<arrow::TimestampBuilder>>(wire, options.read.infinity,
                                                                     builder);
    case TypeKind::kList: {
      auto& list = static_cast<arrow::ListBuilder&>(builder);
      auto element =
          make_appender(column, type.children.at(0).type, options, *list.value_builder());
      return std::make_unique<ListAppender>(std::move(element), builder);
    }
    default:
      return std::make_unique<TextAppender>(wire, options.checks_utf8 && wire == CopyWire::kText,
                                            builder);
  }
}

class Decoder final : public CopyDecoder {
 public:
  static Result<std::unique_ptr<CopyDecoder>> make(std::vector<CopyColumn> columns,
                                                   const CopyOptions& options) {
    arrow::util::InitializeUTF8();
    auto decoder = std::make_unique<Decoder>();
    decoder->options_ = options;
    for (const CopyColumn& column : columns) {
      const bool is_list = column.type.kind == TypeKind::kList;
      const DataType& value = is_list ? column.type.children.at(0).type : column.type;
      if (column.is_array != is_list || !can_decode(column.wire, value))
        return fail(ErrorCode::kUnsupported, "column '{}' cannot be read as {}", column.name,
                    model::to_text(column.type));
      WEIR_ASSIGN(const auto schema, parquet::to_arrow({{column.name, column.type, true}}));
      std::unique_ptr<arrow::ArrayBuilder> builder;
      WEIR_TRY(arrow_status(
          arrow::MakeBuilder(arrow::default_memory_pool(), schema->field(0)->type(), &builder)));
      decoder->appenders_.push_back(make_appender(column, column.type, options, *builder));
      decoder->builders_.push_back(std::move(builder));
    }
    decoder->columns_ = std::move(columns);
    decoder->fields_.resize(decoder->columns_.size());
    return decoder;
  }

  Status feed(std::string_view bytes) override {
    // Mostly a message is a row, and nothing is left of the one before.
    if (!rest_.empty()) {
      rest_ += bytes;
      bytes = rest_;
    }
    size_t used = 0;
    WEIR_TRY(take_header(bytes, used));
    while (has_header_ && !has_ended_) {
      WEIR_ASSIGN(const size_t length, take_tuple(bytes.substr(used)));
      if (length == 0) break;
      used += length;
    }
    if (has_ended_ && used < bytes.size()) return corrupt("there are bytes behind its end");
    if (rest_.empty())
      rest_ = bytes.substr(used);
    else
      rest_.erase(0, used);
    return {};
  }

  bool is_full() const override {
    return row_ >= options_.read.batch_rows || bytes_ >= options_.read.batch_bytes;
  }

  Result<SourceBatch> take() override {
    SourceBatch batch;
    batch.row_count = row_;
    batch.bytes = bytes_;
    arrow::ArrayVector arrays;
    for (const auto& builder : builders_)
      WEIR_TRY(arrow_status(builder->Finish(&arrays.emplace_back())));
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
    add_until(row_);
    batch.rejects = std::exchange(rejects_, {});
    row_ = 0;
    bytes_ = 0;
    return batch;
  }

  Status check_ended() const override {
    if (has_ended_ && rest_.empty()) return {};
    return corrupt("it ends in the middle");
  }

 private:
  static std::unexpected<Error> corrupt(std::string_view why) {
    return fail(ErrorCode::kCorrupt, "the rows that PostgreSQL sends are no binary COPY: {}", why);
  }

  Status take_header(std::string_view bytes, size_t& used) {
    if (has_header_ || bytes.size() < kHeaderBytes) return {};
    if (!bytes.starts_with(kSignature)) return corrupt("another signature");
    const auto flags = postgres::read_integer<int32_t>(bytes, kSignature.size());
    if ((flags & kHasOids) != 0) return corrupt("rows with object ids");
    const auto extension = postgres::read_integer<int32_t>(bytes, kSignature.size() + 4);
    if (extension < 0) return corrupt("an extension of less than nothing");
    const size_t length = kHeaderBytes + static_cast<size_t>(extension);
    if (bytes.size() < length) return {};
    has_header_ = true;
    used = length;
    return {};
  }

  /// The length of the tuple that the bytes begin with; 0 where not all of it is there.
  Result<size_t> take_tuple(std::string_view bytes) {
    if (bytes.size() < 2) return size_t{0};
    const auto count = postgres::read_integer<int16_t>(bytes);
    if (count == -1) {
      has_ended_ = true;
      return size_t{2};
    }
    if (count < 0 || static_cast<size_t>(count) != columns_.size())
      return corrupt(fmt::format("a row of {} fields, not {}", count, columns_.size()));
    size_t at = 2;
    for (auto& field : fields_) {
      if (bytes.size() < at + 4) return size_t{0};
      const auto length = postgres::read_integer<int32_t>(bytes, at);
      at += 4;
      field.reset();
      if (length == -1) continue;
      if (length < 0) return corrupt(fmt::format("a field of {} bytes", length));
      if (bytes.size() < at + static_cast<size_t>(length)) return size_t{0};
      field = bytes.substr(at, static_cast<size_t>(length));
      at += static_cast<size_t>(length);
    }
    WEIR_TRY(append_row(bytes.substr(0, at)));
    return at;
  }

  Status append_row(std::string_view tuple) {
    std::optional<size_t> column_at_fault;
    Fault fault = Fault::kNone;
    for (size_t i = 0; i < fields_.size(); ++i) {
      if (!fields_[i]) {
        WEIR_TRY(arrow_status(builders_[i]->AppendNull()));
        continue;
      }
      const Fault found = appenders_[i]->append(*fields_[i]);
      if (found == Fault::kNone) continue;
      if (found == Fault::kMemory)
        return fail(ErrorCode::kResourceExhausted, "out of memory for column '{}'",
                    columns_[i].name);
      if (found == Fault::kMalformed)
        return corrupt(fmt::format("a value of column '{}' with {} bytes is none of its type",
                                   columns_[i].name, fields_[i]->size()));
      if (column_at_fault) continue;
      column_at_fault = i;
      fault = found;
    }
    if (column_at_fault) rejects_.push_back(reject_of(*column_at_fault, fault, tuple));
    ++row_;
    bytes_ += static_cast<int64_t>(tuple.size());
    return {};
  }

  std::string text_of_field(size_t i) const {
    const CopyColumn& column = columns_[i];
    auto text = column.is_array ? postgres::array_text(column.wire, *fields_[i])
                                : postgres::text_of(column.wire, *fields_[i]);
    if (!text) return "?";
    return printable_utf8(*text);
  }

  /// JSON holds text only: what is none is shown in hex, as PostgreSQL shows bytes.
  static std::string printable_utf8(const std::string& text) {
    return arrow::util::ValidateUTF8(text) ? text : postgres::hex_of(text);
  }

  SourceReject reject_of(size_t at_fault, Fault fault, std::string_view tuple) const {
    SourceReject reject;
    reject.row = row_;
    reject.reason = postgres::reason_of(fault);
    reject.column = columns_[at_fault].name;
    reject.text = text_of_field(at_fault);
    reject.raw = tuple;
    Json values = Json::object();
    for (size_t i = 0; i < fields_.size(); ++i)
      if (fields_[i]) values[columns_[i].name] = text_of_field(i);
    reject.values = dump_json(values);
    return reject;
  }

  std::vector<CopyColumn> columns_;
  CopyOptions options_;
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders_;
  std::vector<std::unique_ptr<Appender>> appenders_;
  std::vector<std::optional<std::string_view>> fields_;  ///< Of the tuple at hand.
  std::string rest_;                                     ///< Bytes of a tuple that is not whole.
  bool has_header_ = false;
  bool has_ended_ = false;
  int64_t row_ = 0;
  int64_t bytes_ = 0;
  std::vector<SourceReject> rejects_;
};

}  // namespace

bool can_decode(CopyWire wire, const DataType& type) {
  const bool is_integer =
      wire == CopyWire::kInt2 || wire == CopyWire::kInt4 || wire == CopyWire::kInt8;
  switch (type.kind) {
    case TypeKind::kBoolean: return wire == CopyWire::kBool;
    case TypeKind::kInteger:
    case TypeKind::kBigint:
    case TypeKind::kDecimal: return is_integer || wire == CopyWire::kNumeric;
    case TypeKind::kFloat: return wire == CopyWire::kFloat4;
    case TypeKind::kDouble:
      return wire == CopyWire::kFloat4 || wire == CopyWire::kFloat8 || wire == CopyWire::kInt2 ||
             wire == CopyWire::kInt4;
    case TypeKind::kBlob: return wire == CopyWire::kBytes;
    case TypeKind::kDate: return wire == CopyWire::kDate;
    case TypeKind::kTime: return wire == CopyWire::kTime;
    case TypeKind::kTimestamp: return wire == CopyWire::kTimestamp;
    case TypeKind::kUuid: return wire == CopyWire::kUuid;
    case TypeKind::kVarchar:
      return wire == CopyWire::kText || wire == CopyWire::kJsonb || wire == CopyWire::kUuid ||
             wire == CopyWire::kNumeric || is_integer;
    default: return false;
  }
}

Result<std::unique_ptr<CopyDecoder>> make_copy_decoder(std::vector<CopyColumn> columns,
                                                       const CopyOptions& options) {
  return Decoder::make(std::move(columns), options);
}

}  // namespace weir::database
