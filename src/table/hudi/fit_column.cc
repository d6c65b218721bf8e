#include "table/hudi/fit_column.h"

#include <arrow/compute/cast.h>
#include <arrow/util/checked_cast.h>

#include "parquet/parquet.h"

namespace weir::table {
namespace {

template <typename T>
Result<T> taken(arrow::Result<T> result) {
  if (!result.ok()) return std::unexpected(parquet::to_error(result.status()));
  return *std::move(result);
}

bool is_text(const arrow::DataType& type) {
  return arrow::is_base_binary_like(type.id()) || arrow::is_binary_view_like(type.id()) ||
         type.id() == arrow::Type::FIXED_SIZE_BINARY;
}

std::unexpected<Error> does_not_fit(const arrow::DataType& stored, const arrow::DataType& wanted,
                                    const std::string& why) {
  return fail(ErrorCode::kCorrupt, "{} is stored where the table has {}{}{}", stored.ToString(),
              wanted.ToString(), why.empty() ? "" : ": ", why);
}

/// The same array with other children: validity and offsets stay, so does where it begins.
std::shared_ptr<arrow::Array> with_children(
    const arrow::Array& column, const std::shared_ptr<arrow::DataType>& wanted,
    std::vector<std::shared_ptr<arrow::ArrayData>> children) {
  auto data = column.data()->Copy();
  data->type = wanted;
  data->child_data = std::move(children);
  return arrow::MakeArray(data);
}

Result<std::shared_ptr<arrow::Array>> fit_struct(const arrow::Array& column,
                                                 const std::shared_ptr<arrow::DataType>& wanted) {
  const auto& stored = static_cast<const arrow::StructType&>(*column.type());
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  for (const auto& field : wanted->fields()) {
    const int at = stored.GetFieldIndex(field->name());
    if (at < 0) {
      WEIR_ASSIGN(const auto nulls,
                  taken(arrow::MakeArrayOfNull(field->type(), column.length() + column.offset())));
      children.push_back(nulls->data());
      continue;
    }
    const auto child = arrow::MakeArray(column.data()->child_data[static_cast<size_t>(at)]);
    WEIR_ASSIGN(const auto fitted, while_doing(fit_column(child, field->type()),
                                               fmt::format("reading field '{}'", field->name())));
    children.push_back(fitted->data());
  }
  return with_children(column, wanted, std::move(children));
}

Result<std::shared_ptr<arrow::Array>> fit_items(const arrow::Array& column,
                                                const std::shared_ptr<arrow::DataType>& wanted) {
  const auto items = arrow::MakeArray(column.data()->child_data[0]);
  // A map's one child is a struct of key and value, which other writers name otherwise.
  if (wanted->id() == arrow::Type::MAP) {
    const auto& pairs = *wanted->field(0)->type();
    std::vector<std::shared_ptr<arrow::ArrayData>> children;
    for (size_t i = 0; i < 2; ++i) {
      WEIR_ASSIGN(const auto fitted, fit_column(arrow::MakeArray(items->data()->child_data[i]),
                                                pairs.field(static_cast<int>(i))->type()));
      children.push_back(fitted->data());
    }
    const auto fitted = with_children(*items, wanted->field(0)->type(), std::move(children));
    return with_children(column, wanted, {fitted->data()});
  }
  WEIR_ASSIGN(const auto fitted, fit_column(items, wanted->field(0)->type()));
  return with_children(column, wanted, {fitted->data()});
}

}  // namespace

Result<std::shared_ptr<arrow::Array>> fit_column(const std::shared_ptr<arrow::Array>& column,
                                                 const std::shared_ptr<arrow::DataType>& wanted) {
  const arrow::DataType& stored = *column->type();
  if (stored.Equals(*wanted)) return column;
  if (stored.id() == wanted->id()) {
    if (stored.id() == arrow::Type::STRUCT) return fit_struct(*column, wanted);
    if (stored.id() == arrow::Type::LIST || stored.id() == arrow::Type::MAP)
      return fit_items(*column, wanted);
  }
  const bool is_dictionary = stored.id() == arrow::Type::DICTIONARY;
  if (!is_dictionary && is_text(stored) && !is_text(*wanted))
    return does_not_fit(stored, *wanted, "");
  auto cast = arrow::compute::Cast(*column, wanted);
  if (!cast.ok()) return does_not_fit(stored, *wanted, cast.status().message());
  return *std::move(cast);
}

}  // namespace weir::table
