#pragma once

/// What the path of a partition says of its columns. No I/O.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "table/hudi/properties.h"

namespace weir::table {

struct PartitionValue {
  std::string column;
  std::optional<std::string> text;  ///< Nothing: null.
  bool operator==(const PartitionValue&) const = default;
};

/// `hoodie.table.partition.fields`, in the order of the path's folders.
std::vector<std::string> partition_columns(const TableProperties& properties);

/// The partition columns that the files leave out (drop.partition.columns); mostly none.
std::vector<std::string> path_columns(const TableProperties& properties);

/// The values in a partition's path, by the table's way of writing it: with names (`city=oslo`) or
/// bare, escaped (`%2F`) or plain. kUnsupported where folders and columns do not go together, and
/// where a key generator made something else of the values (time formats).
Result<std::vector<PartitionValue>> partition_values(const TableProperties& properties,
                                                     std::string_view path);

}  // namespace weir::table
