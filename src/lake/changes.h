#pragma once

/// What came into a Hudi table between two of its versions, row by row: for who feeds another
/// system, and for who is asked at night what the last run wrote.

#include <string>

#include "base/result.h"
#include "lake/tables.h"
#include "table/hudi.h"

namespace weir::lake {

struct ChangedRows {
  table::Changes changes;  ///< `changes.to` is the next `from`.
  /// `instant` (of the commit that wrote the row last), then the table's columns; by instant and
  /// record key.
  sql::TextResult rows;
  int64_t all_rows = 0;  ///< More than `rows` has where there was a limit.
};

/// Rows whose last change lies in (from, to]; both as HudiTable::changes takes them. `word` is a
/// dataset (`layer.name`) or the root of any Hudi table. Deleted rows are not among them: Hudi
/// keeps no trace of those. Errors as HudiTable::changes.
Result<ChangedRows> changed_rows(const Lake& lake, const std::string& word, const std::string& from,
                                 const std::string& to, int64_t max_rows);

}  // namespace weir::lake
