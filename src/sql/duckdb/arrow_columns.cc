#include "sql/duckdb/arrow_columns.h"

#include <limits>

#include <arrow/api.h>
#include <arrow/buffer_builder.h>

#include "parquet/parquet.h"
#include "sql/duckdb/types.h"
#include "sql/duckdb/values.h"

namespace weir::sql {
namespace {

Status check(const arrow::Status& status) {
  if (status.ok()) return {};
  return std::unexpected(parquet::to_error(status));
}

/// Which rows are there, as Arrow keeps it. Counts rows for its column too.
class Validity {
 public:
  Status append(const uint64_t* mask, idx_t from, idx_t count) {
    const auto rows = static_cast<int64_t>(count);
    WEIR_TRY(check(bits_.Reserve(rows)));
    if (mask == nullptr) {
      bits_.UnsafeAppend(rows, true);
    } else {
      idx_t row = from;
      bits_.UnsafeAppend<true>(rows, [&] { return is_valid(mask, row++); });
    }
    return {};
  }
  int64_t rows() const { return bits_.length(); }
  int64_t nulls() const { return bits_.false_count(); }
  Result<std::shared_ptr<arrow::Buffer>> finish() {
    const bool has_nulls = nulls() > 0;
    std::shared_ptr<arrow::Buffer> buffer;
    WEIR_TRY(check(bits_.Finish(&buffer)));
    return has_nulls ? buffer : nullptr;
  }

 private:
  arrow::TypedBufferBuilder<bool> bits_;
};

/// The part that all gatherers share: type, validity and the making of the array.
class Gatherer : public ColumnGatherer {
 public:
  explicit Gatherer(std::shared_ptr<arrow::DataType> type) : type_(std::move(type)) {}

 protected:
  Result<std::shared_ptr<arrow::Array>> make(
      arrow::BufferVector buffers, std::vector<std::shared_ptr<arrow::ArrayData>> children = {}) {
    const int64_t rows = validity_.rows();
    const int64_t nulls = validity_.nulls();
    WEIR_ASSIGN(auto mask, validity_.finish());
    buffers.insert(buffers.begin(), std::move(mask));
    return arrow::MakeArray(
        arrow::ArrayData::Make(type_, rows, std::move(buffers), std::move(children), nulls));
  }
  template <typename Builder>
  Result<std::shared_ptr<arrow::Array>> make_from(Builder& values) {
    std::shared_ptr<arrow::Buffer> buffer;
    WEIR_TRY(check(values.Finish(&buffer)));
    return make({std::move(buffer)});
  }

  std::shared_ptr<arrow::DataType> type_;
  Validity validity_;
};

/// Values that lie in both as they are.
template <typename T>
class CopyGatherer final : public Gatherer {
 public:
  using Gatherer::Gatherer;
  Status append(duckdb_vector vector, idx_t from, idx_t count) override {
    const auto* values = static_cast<const T*>(duckdb_vector_get_data(vector));
    WEIR_TRY(validity_.append(duckdb_vector_get_validity(vector), from, count));
    return check(values_.Append(values + from, static_cast<int64_t>(count)));
  }
  Result<std::shared_ptr<arrow::Array>> finish() override { return make_from(values_); }
  int64_t bytes() const override { return values_.length() * int64_t{sizeof(T)}; }

 private:
  arrow::TypedBufferBuilder<T> values_;
};

class BooleanGatherer final : public Gatherer {
 public:
  using Gatherer::Gatherer;
  Status append(duckdb_vector vector, idx_t from, idx_t count) override {
    const auto* values = static_cast<const uint8_t*>(duckdb_vector_get_data(vector));
    WEIR_TRY(validity_.append(duckdb_vector_get_validity(vector), from, count));
    return check(values_.Append(values + from, static_cast<int64_t>(count)));
  }
  Result<std::shared_ptr<arrow::Array>> finish() override { return make_from(values_); }
  int64_t bytes() const override { return values_.length() / 8; }

 private:
  arrow::TypedBufferBuilder<bool> values_;
};

/// `Change` turns one valid value of DuckDB into Arrow's; false: it does not fit.
template <typename From, typename To, auto kChange>
class ChangeGatherer final : public Gatherer {
 public:
  using Gatherer::Gatherer;
  Status append(duckdb_vector vector, idx_t from, idx_t count) override {
    const auto* values = static_cast<const From*>(duckdb_vector_get_data(vector));
    const uint64_t* mask = duckdb_vector_get_validity(vector);
    WEIR_TRY(validity_.append(mask, from, count));
    WEIR_TRY(check(values_.Reserve(static_cast<int64_t>(count))));
    for (idx_t row = from; row < from + count; ++row) {
      To value = {};
      if (is_valid(mask, row) && !kChange(values[row], value))
        return fail(ErrorCode::kInvalidData, "a value that {} does not hold", type_->ToString());
      values_.UnsafeAppend(value);
    }
    return {};
  }
  Result<std::shared_ptr<arrow::Array>> finish() override { return make_from(values_); }
  int64_t bytes() const override { return values_.length() * int64_t{sizeof(To)}; }

 private:
  arrow::TypedBufferBuilder<To> values_;
};

template <typename From, typename To>
bool widen(const From& from, To& to) {
  to = static_cast<To>(from);  // NOLINT(bugprone-signed-char-misuse): int8_t is a number here
  return true;
}

/// Decimals are two's complement of 16 bytes in Arrow, whatever their width in DuckDB.
struct Decimal16 {
  uint64_t lower = 0;
  int64_t upper = 0;
};

template <typename From>
bool widen_decimal(const From& from, Decimal16& to) {
  to = {static_cast<uint64_t>(static_cast<int64_t>(from)), from < 0 ? -1 : 0};
  return true;
}

bool from_ubigint(const uint64_t& from, Decimal16& to) {
  to = {from, 0};
  return true;
}

bool same_decimal(const duckdb_hugeint& from, Decimal16& to) {
  to = {from.lower, from.upper};
  return true;
}

constexpr Int128 power_of_ten_38() {
  Int128 power = 1;
  for (int i = 0; i < 38; ++i) power *= 10;
  return power;
}

bool fit_hugeint(const duckdb_hugeint& from, Decimal16& to) {
  const Int128 value = to_int128(from);
  to = {from.lower, from.upper};
  return value < power_of_ten_38() && value > -power_of_ten_38();
}

bool fit_uhugeint(const duckdb_uhugeint& from, Decimal16& to) {
  to = {from.lower, static_cast<int64_t>(from.upper)};
  return from.upper <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) &&
         fit_hugeint({from.lower, static_cast<int64_t>(from.upper)}, to);
}

/// DuckDB's infinite dates and timestamps are the ends of the integer's range.
template <typename T>
bool is_infinite(T value) {
  return value == std::numeric_limits<T>::max() || value == -std::numeric_limits<T>::max();
}

bool finite_date(const int32_t& from, int32_t& to) {
  to = from;
  return !is_infinite(from);
}

template <int64_t kMicroseconds>
bool finite_timestamp(const int64_t& from, int64_t& to) {
  return !is_infinite(from) && !__builtin_mul_overflow(from, kMicroseconds, &to);
}

/// Text and blobs: bytes behind 32-bit offsets. `Derived::view` says what a row's bytes are.
template <typename From, typename Derived>
// NOLINTNEXTLINE(bugprone-crtp-constructor-accessibility): it inherits Gatherer's, and gives it on
class BytesGatherer : public Gatherer {
 public:
  using Gatherer::Gatherer;
  Status append(duckdb_vector vector, idx_t from, idx_t count) override {
    const auto* values = static_cast<const From*>(duckdb_vector_get_data(vector));
    const uint64_t* mask = duckdb_vector_get_validity(vector);
    WEIR_TRY(validity_.append(mask, from, count));
    WEIR_TRY(check(offsets_.Reserve(static_cast<int64_t>(count))));
    int64_t total = 0;
    for (idx_t row = from; row < from + count; ++row)
      if (is_valid(mask, row)) total += static_cast<int64_t>(derived().view(values[row]).size());
    if (bytes_.length() + total > std::numeric_limits<int32_t>::max())
      return fail(ErrorCode::kResourceExhausted, "more than 2 GiB of text in {} rows", count);
    WEIR_TRY(check(bytes_.Reserve(total)));
    for (idx_t row = from; row < from + count; ++row) {
      offsets_.UnsafeAppend(static_cast<int32_t>(bytes_.length()));
      if (!is_valid(mask, row)) continue;
      const std::string_view view = derived().view(values[row]);
      bytes_.UnsafeAppend(view.data(), static_cast<int64_t>(view.size()));
    }
    return {};
  }
  Result<std::shared_ptr<arrow::Array>> finish() override {
    WEIR_TRY(check(offsets_.Append(static_cast<int32_t>(bytes_.length()))));
    std::shared_ptr<arrow::Buffer> offsets;
    std::shared_ptr<arrow::Buffer> bytes;
    WEIR_TRY(check(offsets_.Finish(&offsets)));
    WEIR_TRY(check(bytes_.Finish(&bytes)));
    return make({std::move(offsets), std::move(bytes)});
  }
  int64_t bytes() const override { return bytes_.length() + offsets_.length() * 4; }

 private:
  Derived& derived() { return static_cast<Derived&>(*this); }

  arrow::TypedBufferBuilder<int32_t> offsets_;
  arrow::BufferBuilder bytes_;
};

class StringGatherer final : public BytesGatherer<duckdb_string_t, StringGatherer> {
 public:
  using BytesGatherer::BytesGatherer;
  static std::string_view view(const duckdb_string_t& value) { return to_view(value); }
};

template <typename Index>
class EnumGatherer final : public BytesGatherer<Index, EnumGatherer<Index>> {
 public:
  EnumGatherer(std::shared_ptr<arrow::DataType> type, std::vector<std::string> values)
      : BytesGatherer<Index, EnumGatherer<Index>>(std::move(type)), values_(std::move(values)) {}
  std::string_view view(Index index) const { return values_[index]; }

 private:
  std::vector<std::string> values_;
};

class UuidGatherer final : public BytesGatherer<duckdb_hugeint, UuidGatherer> {
 public:
  using BytesGatherer::BytesGatherer;
  std::string_view view(const duckdb_hugeint& value) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const UInt128 bits = uuid_bits(value);
    size_t at = 0;
    for (int nibble = 31; nibble >= 0; --nibble) {
      text_[at++] = kDigits[static_cast<size_t>(bits >> (4 * nibble)) & 15];
      if (nibble == 24 || nibble == 20 || nibble == 16 || nibble == 12) text_[at++] = '-';
    }
    return {text_, sizeof(text_)};
  }

 private:
  char text_[36] = {};
};

/// What becomes a list: 32-bit offsets into the values of one child.
class OffsetGatherer : public Gatherer {
 public:
  OffsetGatherer(std::shared_ptr<arrow::DataType> type, std::unique_ptr<ColumnGatherer> child)
      : Gatherer(std::move(type)), child_(std::move(child)) {}
  Result<std::shared_ptr<arrow::Array>> finish() override {
    WEIR_TRY(check(offsets_.Append(static_cast<int32_t>(children_))));
    children_ = 0;
    std::shared_ptr<arrow::Buffer> offsets;
    WEIR_TRY(check(offsets_.Finish(&offsets)));
    WEIR_ASSIGN(const auto child, child_->finish());
    return make({std::move(offsets)}, {child->data()});
  }
  int64_t bytes() const override { return child_->bytes() + offsets_.length() * 4; }

 protected:
  Status count_children(uint64_t more, idx_t rows) {
    children_ += static_cast<int64_t>(more);
    if (children_ > std::numeric_limits<int32_t>::max())
      return fail(ErrorCode::kResourceExhausted, "more than 2^31 list elements in {} rows", rows);
    return {};
  }

  std::unique_ptr<ColumnGatherer> child_;
  arrow::TypedBufferBuilder<int32_t> offsets_;
  int64_t children_ = 0;  ///< Values of the child so far.
};

/// Lists and maps: slices of a child vector. A map's child is a struct of key and value.
class ListGatherer final : public OffsetGatherer {
 public:
  using OffsetGatherer::OffsetGatherer;
  Status append(duckdb_vector vector, idx_t from, idx_t count) override {
    const auto* entries = static_cast<const duckdb_list_entry*>(duckdb_vector_get_data(vector));
    const uint64_t* mask = duckdb_vector_get_validity(vector);
    duckdb_vector child = duckdb_list_vector_get_child(vector);
    WEIR_TRY(validity_.append(mask, from, count));
    WEIR_TRY(check(offsets_.Reserve(static_cast<int64_t>(count))));
    // Neighbours in the child vector are taken in one go.
    uint64_t begin = 0;
    uint64_t end = 0;
    for (idx_t row = from; row < from + count; ++row) {
      offsets_.UnsafeAppend(static_cast<int32_t>(children_));
      if (!is_valid(mask, row) || entries[row].length == 0) continue;
      if (entries[row].offset != end) {
        if (end > begin) WEIR_TRY(child_->append(child, begin, end - begin));
        begin = entries[row].offset;
      }
      end = entries[row].offset + entries[row].length;
      WEIR_TRY(count_children(entries[row].length, count));
    }
    if (end > begin) WEIR_TRY(child_->append(child, begin, end - begin));
    return {};
  }
};

/// Arrays of fixed size become lists.
class ArrayGatherer final : public OffsetGatherer {
 public:
  ArrayGatherer(std::shared_ptr<arrow::DataType> type, std::unique_ptr<ColumnGatherer> child,
                idx_t size)
      : OffsetGatherer(std::move(type), std::move(child)), size_(size) {}
  Status append(duckdb_vector vector, idx_t from, idx_t count) override {
    const uint64_t* mask = duckdb_vector_get_validity(vector);
    duckdb_vector child = duckdb_array_vector_get_child(vector);
    WEIR_TRY(validity_.append(mask, from, count));
    for (idx_t row = from; row < from + count; ++row) {
      WEIR_TRY(check(offsets_.Append(static_cast<int32_t>(children_))));
      if (!is_valid(mask, row)) continue;
      WEIR_TRY(child_->append(child, row * size_, size_));
      WEIR_TRY(count_children(size_, count));
    }
    return {};
  }

 private:
  idx_t size_;
};

class StructGatherer final : public Gatherer {
 public:
  StructGatherer(std::shared_ptr<arrow::DataType> type,
                 std::vector<std::unique_ptr<ColumnGatherer>> children)
      : Gatherer(std::move(type)), children_(std::move(children)) {}
  Status append(duckdb_vector vector, idx_t from, idx_t count) override {
    WEIR_TRY(validity_.append(duckdb_vector_get_validity(vector), from, count));
    for (size_t i = 0; i < children_.size(); ++i)
      WEIR_TRY(children_[i]->append(duckdb_struct_vector_get_child(vector, i), from, count));
    return {};
  }
  Result<std::shared_ptr<arrow::Array>> finish() override {
    std::vector<std::shared_ptr<arrow::ArrayData>> children;
    for (auto& child : children_) {
      WEIR_ASSIGN(const auto array, child->finish());
      children.push_back(array->data());
    }
    return make({}, std::move(children));
  }
  int64_t bytes() const override {
    int64_t sum = 0;
    for (const auto& child : children_) sum += child->bytes();
    return sum;
  }

 private:
  std::vector<std::unique_ptr<ColumnGatherer>> children_;
};

using Made = std::unique_ptr<ColumnGatherer>;
using ArrowType = std::shared_ptr<arrow::DataType>;

Made make_decimal(duckdb_logical_type type, ArrowType arrow_type) {
  switch (duckdb_decimal_internal_type(type)) {
    case DUCKDB_TYPE_SMALLINT:
      return std::make_unique<ChangeGatherer<int16_t, Decimal16, widen_decimal<int16_t>>>(
          std::move(arrow_type));
    case DUCKDB_TYPE_INTEGER:
      return std::make_unique<ChangeGatherer<int32_t, Decimal16, widen_decimal<int32_t>>>(
          std::move(arrow_type));
    case DUCKDB_TYPE_BIGINT:
      return std::make_unique<ChangeGatherer<int64_t, Decimal16, widen_decimal<int64_t>>>(
          std::move(arrow_type));
    default:
      return std::make_unique<ChangeGatherer<duckdb_hugeint, Decimal16, same_decimal>>(
          std::move(arrow_type));
  }
}

Made make_enum(duckdb_logical_type type, ArrowType arrow_type) {
  switch (duckdb_enum_internal_type(type)) {
    case DUCKDB_TYPE_UTINYINT:
      return std::make_unique<EnumGatherer<uint8_t>>(std::move(arrow_type), enum_values(type));
    case DUCKDB_TYPE_USMALLINT:
      return std::make_unique<EnumGatherer<uint16_t>>(std::move(arrow_type), enum_values(type));
    default:
      return std::make_unique<EnumGatherer<uint32_t>>(std::move(arrow_type), enum_values(type));
  }
}

Result<Made> make_struct(duckdb_logical_type type, ArrowType arrow_type) {
  std::vector<Made> children;
  for (idx_t i = 0; i < duckdb_struct_type_child_count(type); ++i) {
    const LogicalType child(duckdb_struct_type_child_type(type, i));
    WEIR_ASSIGN(auto made,
                make_gatherer(child.get(), arrow_type->field(static_cast<int>(i))->type()));
    children.push_back(std::move(made));
  }
  return std::make_unique<StructGatherer>(std::move(arrow_type), std::move(children));
}

Result<Made> make_map(duckdb_logical_type type, ArrowType arrow_type) {
  const auto& map = static_cast<const arrow::MapType&>(*arrow_type);
  const LogicalType key(duckdb_map_type_key_type(type));
  const LogicalType value(duckdb_map_type_value_type(type));
  std::vector<Made> pair(2);
  WEIR_ASSIGN(pair[0], make_gatherer(key.get(), map.key_type()));
  WEIR_ASSIGN(pair[1], make_gatherer(value.get(), map.item_type()));
  auto entries = std::make_unique<StructGatherer>(map.value_type(), std::move(pair));
  return std::make_unique<ListGatherer>(std::move(arrow_type), std::move(entries));
}

Result<Made> make_nested(duckdb_logical_type type, ArrowType arrow_type) {
  switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_LIST: {
      const LogicalType child(duckdb_list_type_child_type(type));
      WEIR_ASSIGN(auto made, make_gatherer(child.get(), arrow_type->field(0)->type()));
      return std::make_unique<ListGatherer>(std::move(arrow_type), std::move(made));
    }
    case DUCKDB_TYPE_ARRAY: {
      const LogicalType child(duckdb_array_type_child_type(type));
      WEIR_ASSIGN(auto made, make_gatherer(child.get(), arrow_type->field(0)->type()));
      return std::make_unique<ArrayGatherer>(std::move(arrow_type), std::move(made),
                                             duckdb_array_type_array_size(type));
    }
    case DUCKDB_TYPE_STRUCT: return make_struct(type, std::move(arrow_type));
    case DUCKDB_TYPE_MAP: return make_map(type, std::move(arrow_type));
    default: return fail(ErrorCode::kUnsupported, "type {}", name_of(duckdb_get_type_id(type)));
  }
}

template <typename From, typename To, auto kChange>
Made changing(ArrowType type) {
  return std::make_unique<ChangeGatherer<From, To, kChange>>(std::move(type));
}

}  // namespace

Result<std::unique_ptr<ColumnGatherer>> make_gatherer(duckdb_logical_type type, ArrowType arrow) {
  switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_BOOLEAN: return std::make_unique<BooleanGatherer>(arrow);
    case DUCKDB_TYPE_TINYINT: return changing<int8_t, int32_t, widen<int8_t, int32_t>>(arrow);
    case DUCKDB_TYPE_SMALLINT: return changing<int16_t, int32_t, widen<int16_t, int32_t>>(arrow);
    case DUCKDB_TYPE_UTINYINT: return changing<uint8_t, int32_t, widen<uint8_t, int32_t>>(arrow);
    case DUCKDB_TYPE_USMALLINT: return changing<uint16_t, int32_t, widen<uint16_t, int32_t>>(arrow);
    case DUCKDB_TYPE_UINTEGER: return changing<uint32_t, int64_t, widen<uint32_t, int64_t>>(arrow);
    case DUCKDB_TYPE_UBIGINT: return changing<uint64_t, Decimal16, from_ubigint>(arrow);
    case DUCKDB_TYPE_SQLNULL:
    case DUCKDB_TYPE_INTEGER: return std::make_unique<CopyGatherer<int32_t>>(arrow);
    case DUCKDB_TYPE_TIME:
    case DUCKDB_TYPE_BIGINT: return std::make_unique<CopyGatherer<int64_t>>(arrow);
    case DUCKDB_TYPE_FLOAT: return std::make_unique<CopyGatherer<float>>(arrow);
    case DUCKDB_TYPE_DOUBLE: return std::make_unique<CopyGatherer<double>>(arrow);
    case DUCKDB_TYPE_HUGEINT: return changing<duckdb_hugeint, Decimal16, fit_hugeint>(arrow);
    case DUCKDB_TYPE_UHUGEINT: return changing<duckdb_uhugeint, Decimal16, fit_uhugeint>(arrow);
    case DUCKDB_TYPE_DECIMAL: return make_decimal(type, std::move(arrow));
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB: return std::make_unique<StringGatherer>(arrow);
    case DUCKDB_TYPE_ENUM: return make_enum(type, std::move(arrow));
    case DUCKDB_TYPE_DATE: return changing<int32_t, int32_t, finite_date>(arrow);
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ: return changing<int64_t, int64_t, finite_timestamp<1>>(arrow);
    case DUCKDB_TYPE_TIMESTAMP_MS:
      return changing<int64_t, int64_t, finite_timestamp<1'000>>(arrow);
    case DUCKDB_TYPE_TIMESTAMP_S:
      return changing<int64_t, int64_t, finite_timestamp<1'000'000>>(arrow);
    case DUCKDB_TYPE_UUID: return std::make_unique<UuidGatherer>(arrow);
    default: return make_nested(type, std::move(arrow));
  }
}

}  // namespace weir::sql
