#pragma once

/// Raw objects that a merge takes in: verified, opened for DuckDB, their business columns put
/// together from what each of them says of itself.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "table/engine_files.h"

namespace weir::engine::embedded {

struct RawInputs {
  std::vector<std::string> files;  ///< As DuckDB opens them, in the order of the pinned objects.
  std::vector<std::string> rejected_files;  ///< Of further inputs: quarantined rows of the same.
  std::vector<model::Schema> columns;       ///< Business columns of each object.
  model::Schema schema;                     ///< Of all: the first input's where there is no object.
  std::vector<std::string> identities;
  int64_t rows = 0;  ///< By the objects' footers.
  /// Copies of objects that DuckDB cannot open where they lie, by store; they go with this.
  std::map<std::string, std::unique_ptr<table::EngineFiles>> copies;
};

/// The objects of the operation's inputs. kCorrupt where bytes are not those that were pinned;
/// kSchemaDrift where objects disagree about a column.
Status read_raw_inputs(const model::Operation& operation, const Context& context,
                       RawInputs& inputs);

}  // namespace weir::engine::embedded
