#pragma once

/// Rows of slices as one stream (HudiTable::read).

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "table/hudi.h"
#include "table/hudi/properties.h"

namespace weir::table {

/// Which rows of which files.
struct RowSource {
  model::Schema schema;  ///< The table's data columns.
  std::vector<std::string> path_columns;
  std::vector<FileSlice> slices;
  /// Whether rows that were last changed by the commit of that time belong; null: all do.
  std::function<bool(std::string_view)> is_wanted;
};

Result<std::unique_ptr<RowReader>> make_row_reader(storage::Storage& store,
                                                   const TableProperties& properties,
                                                   RowSource source, const ReadOptions& options);

}  // namespace weir::table
