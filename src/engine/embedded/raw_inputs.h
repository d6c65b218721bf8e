#pragma once

/// Raw objects that a merge takes in: verified, opened for DuckDB, their business columns put
/// together from what each of them says of itself.

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "parquet/column_sums.h"
#include "sql/object_files.h"

namespace weir::engine::embedded {

struct RawInputs {
  std::vector<std::string> files;  ///< As DuckDB opens them, in the order of the pinned objects.
  std::vector<std::string> rejected_files;  ///< Of further inputs: quarantined rows of the same.
  std::vector<model::Schema> columns;       ///< Business columns of each object.
  model::Schema schema;                     ///< Of all: the first input's where there is no object.
  std::vector<std::string> identities;
  int64_t rows = 0;  ///< By the objects' footers.
  /// Where the files were named: for the session that reads them.
  std::shared_ptr<sql::ObjectFiles> objects = std::make_shared<sql::ObjectFiles>();
};

/// The objects of the operation's inputs. kCorrupt where bytes are not those that were pinned;
/// kSchemaDrift where objects disagree about a column.
Status read_raw_inputs(const model::Operation& operation, const Context& context,
                       RawInputs& inputs);

/// Sums of these columns over the objects of the first input, as Arrow reads them; a column that an
/// object lacks adds nothing there. kInvalidConfig where one does not add up exactly.
Result<parquet::ColumnSums> control_sums_of(const model::Operation& operation,
                                            const Context& context,
                                            const std::vector<std::string>& columns,
                                            const RawInputs& inputs);

}  // namespace weir::engine::embedded
