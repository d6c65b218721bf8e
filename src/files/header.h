#pragma once

/// From the names in a file's header and the declared columns to what is loaded: columns are
/// matched by name, never by position, and the contract decides about the rest.

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/configuration.h"
#include "model/schema.h"

namespace weir::files {

/// Columns that a raw object has behind the business columns.
inline const std::vector<std::string> kLoadColumns = {"_source_file", "_source_row", "_run_id",
                                                      "_loaded_at"};

struct ColumnPlan {
  model::Schema schema;                  ///< What is loaded: declared columns, then new ones.
  std::vector<int> field_of_column;      ///< For each: its field in a record, −1 where it has none.
  std::vector<std::string> fields;       ///< The file's own names, in its order.
  std::vector<std::string> new_columns;  ///< Not declared: loaded as varchar.
  std::vector<std::string> missing_columns;    ///< Declared, not in the file: NULL.
  std::vector<std::string> discarded_columns;  ///< Not declared and dropped, as the contract says.
};

/// Names without the blanks around them, those in `rename` as it calls them. kInvalidData where a
/// name is missing or stands twice (without regard to case), naming the places; or where it is one
/// of weir's own (`_hoodie_…`, `_source_row`).
Result<std::vector<std::string>> check_header(
    std::vector<std::string> names, const std::map<std::string, std::string>& rename = {});

/// `fields` as check_header gave them; with no header: `fields` are the declared names. A name is
/// matched as it stands, else without regard to case. kSchemaDrift, with the names, where the
/// contract freezes columns and the file has other ones or lacks some; kUnsupported for a declared
/// list, struct or map.
Result<ColumnPlan> plan_columns(std::vector<std::string> fields, const model::Schema& declared,
                                model::ColumnPolicy policy);

}  // namespace weir::files
