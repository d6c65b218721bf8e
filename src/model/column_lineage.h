#pragma once

/// Which columns of datasets the columns of a query come from: what the engine that runs the query
/// knows of it, and lineage tells. Also its JSON (docs/format/operation.md). No SQL, no places.

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/json.h"
#include "model/names.h"

namespace weir::model {

/// What is done with a column on its way. The first three put its values into the result, each
/// further from what they were; the others decide with them which rows or values there are.
enum class ColumnUse {
  kIdentity,        ///< The value itself.
  kTransformation,  ///< Something is computed from it; a cast too.
  kAggregation,     ///< Of many rows.
  kJoin,
  kFilter,
  kGroupBy,  ///< DISTINCT too.
  kSort,
  kWindow,       ///< PARTITION BY, ORDER BY and frame of a window.
  kConditional,  ///< WHEN of a CASE
};
inline constexpr bool is_direct(ColumnUse use) { return use <= ColumnUse::kAggregation; }
std::string_view to_text(ColumnUse use);

struct ColumnSource {
  DatasetName dataset;
  std::string column;
  ColumnUse use = ColumnUse::kIdentity;
  auto operator<=>(const ColumnSource&) const = default;
};

/// What is there is so; what nobody could tell is not there.
struct ColumnLineage {
  /// Column of the result → where its values come from; none without a source.
  std::map<std::string, std::set<ColumnSource>> columns;
  /// What decides on the rows of the whole result; no direct use.
  std::set<ColumnSource> rows;

  bool empty() const { return columns.empty() && rows.empty(); }
  bool operator==(const ColumnLineage&) const = default;
};

Json to_json(const ColumnLineage& lineage);
/// kInvalidData, also for a use that nobody knows.
Result<ColumnLineage> column_lineage_from_json(const Json& json);

}  // namespace weir::model
