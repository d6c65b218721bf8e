#pragma once

/// A stored column as the table's type, when the table has changed since the file was written.

#include <memory>

#include <arrow/array.h>
#include <arrow/type.h>

#include "base/result.h"

namespace weir::table {

/// The same rows as `wanted`: fields of structs by name (null where the file has none), numbers
/// and times cast where every value fits, text and bytes as each other. kCorrupt where a value does
/// not fit or the types are not of one kind.
Result<std::shared_ptr<arrow::Array>> fit_column(const std::shared_ptr<arrow::Array>& column,
                                                 const std::shared_ptr<arrow::DataType>& wanted);

}  // namespace weir::table
