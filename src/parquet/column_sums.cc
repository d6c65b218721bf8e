#include "parquet/column_sums.h"

#include <arrow/array/array_decimal.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include "parquet/parquet.h"

namespace weir::parquet {
namespace {

bool counts(const arrow::Array& values, const arrow::BooleanArray* only, int64_t row) {
  return values.IsValid(row) && (only == nullptr || (only->IsValid(row) && only->Value(row)));
}

template <typename Array>
Status add_integers(const arrow::Array& values, const arrow::BooleanArray* only,
                    model::ExactSum& sum) {
  const auto& numbers = static_cast<const Array&>(values);
  for (int64_t row = 0; row < numbers.length(); ++row)
    if (counts(values, only, row)) WEIR_TRY(sum.add(numbers.Value(row), 0));
  return {};
}

Status add_decimals(const arrow::Array& values, const arrow::BooleanArray* only,
                    model::ExactSum& sum) {
  const auto& numbers = static_cast<const arrow::Decimal128Array&>(values);
  const int scale = static_cast<const arrow::Decimal128Type&>(*values.type()).scale();
  for (int64_t row = 0; row < numbers.length(); ++row) {
    if (!counts(values, only, row)) continue;
    const arrow::Decimal128 value(numbers.GetValue(row));
    const auto high = static_cast<model::Int128>(value.high_bits());
    WEIR_TRY(sum.add((high << 64) | static_cast<model::Int128>(value.low_bits()), scale));
  }
  return {};
}

}  // namespace

Status add_values(const arrow::Array& values, const arrow::BooleanArray* only,
                  model::ExactSum& sum) {
  switch (values.type_id()) {
    case arrow::Type::INT32: return add_integers<arrow::Int32Array>(values, only, sum);
    case arrow::Type::INT64: return add_integers<arrow::Int64Array>(values, only, sum);
    case arrow::Type::DECIMAL128: return add_decimals(values, only, sum);
    default:
      return fail(ErrorCode::kInternal, "values of type {} are not summed",
                  values.type()->ToString());
  }
}

Status add_columns(storage::Storage& store, std::string_view name,
                   const std::vector<std::string>& columns, const std::string& only,
                   const Cancel& cancel, ColumnSums& sums) {
  WEIR_ASSIGN(const auto file, open_file(store, name));
  std::vector<std::string> present;
  for (const auto& column : columns) {
    sums.try_emplace(column);
    if (file->info().schema->GetFieldIndex(column) >= 0) present.push_back(column);
  }
  if (present.empty()) return {};
  std::vector<std::string> read = present;
  if (!only.empty()) read.push_back(only);
  for (int64_t group = 0; group < file->info().row_groups; ++group) {
    WEIR_TRY(cancel.check());
    WEIR_ASSIGN(const auto batch, file->read_row_group(group, read));
    std::shared_ptr<arrow::Array> flags;
    if (!only.empty()) {
      flags = batch->GetColumnByName(only);
      if (flags == nullptr || flags->type_id() != arrow::Type::BOOL)
        return fail(ErrorCode::kCorrupt, "'{}' has no column '{}' of true and false", name, only);
    }
    for (const auto& column : present) {
      const auto values = batch->GetColumnByName(column);
      if (values == nullptr) return fail(ErrorCode::kCorrupt, "'{}' lost '{}'", name, column);
      WEIR_TRY(while_doing(
          add_values(*values, static_cast<const arrow::BooleanArray*>(flags.get()), sums[column]),
          fmt::format("summing '{}' of '{}'", column, name)));
    }
  }
  return {};
}

}  // namespace weir::parquet
