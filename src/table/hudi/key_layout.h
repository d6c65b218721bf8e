#pragma once

/// How a table's rows get their record key and their partition, as Hudi's key generators make them
/// (hudi-client-common: keygen/{KeyGenUtils,SimpleKeyGenerator,ComplexKeyGenerator}.java; escapes:
/// hudi-common: common/util/PartitionPathEncodeUtils.java, which are Hive's). No I/O.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/schema.h"
#include "table/hudi/properties.h"

namespace weir::table {

struct KeyLayout {
  std::vector<std::string> key;           ///< Columns of the record key, in order.
  std::vector<std::string> partition_by;  ///< Columns; empty: unpartitioned.
  std::string ordering_field;             ///< Empty: none.
  bool is_hive_style = true;              ///< `column=value` rather than `value`.
  bool is_encoded = false;                ///< Values are escaped as Hive does.
};

/// kUnsupported where weir cannot make the keys that other writers of the table make; the message
/// names the property.
Result<KeyLayout> key_layout_of(const TableProperties& properties);

/// kUnsupported, naming the column, for key and partition columns whose text Hudi's own writers
/// disagree about (fractions, times, nested values); kInvalidConfig where one is no column.
Status check_key_types(const KeyLayout& layout, const model::Schema& schema);

/// The record key of a row as an expression over its columns, `qualifier.` before each. NULL where
/// Hudi refuses the row: its only key column, or each of them, is NULL or empty.
std::string record_key_sql(const KeyLayout& layout, std::string_view qualifier);

/// The folder of a partition, from its columns' values as DuckDB casts them to text. kInvalidData
/// for a value that cannot be the name of a folder in this table.
Result<std::string> partition_path(const KeyLayout& layout,
                                   std::span<const std::optional<std::string>> values);

}  // namespace weir::table
