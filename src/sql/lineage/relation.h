#pragma once

/// What an operator of a plan gives, as lineage sees it: columns, each with the fields that its
/// values come from, and the fields that decide on its rows.

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/json.h"
#include "model/column_lineage.h"

namespace weir::sql::lineage {

using model::ColumnUse;

/// Field (a number that Fields gives) → what became of it.
using Edges = std::set<std::pair<int, ColumnUse>>;

/// What a value is, or an expression gives.
struct Value {
  Edges from;
  bool is_known = true;  ///< Else something in it is not understood: nothing is told of it.
  /// A column of the query around a subquery, as the binder hands it in. Joins and groups over it
  /// are the binder's own.
  bool is_handed_in = false;
  Json type = nullptr;  ///< As the plan says it; null where it does not.
};

/// A value where the plan says that it stands: `table_index`, `column_index`.
struct PlanColumn {
  Value value;
  uint64_t table = 0;
  uint64_t column = 0;
};

struct Relation {
  std::vector<PlanColumn> columns;
  Edges rows;

  void add(Value value, uint64_t table) {
    uint64_t column = 0;
    if (!columns.empty() && columns.back().table == table) column = columns.back().column + 1;
    columns.push_back({std::move(value), table, column});
  }
};

inline void add(Edges& to, const Edges& edges) { to.insert(edges.begin(), edges.end()); }

/// What becomes of `edges` where their value is used so. What is done last tells how an indirect
/// use works; of direct ones the one that is furthest from the value.
inline Edges used(const Edges& edges, ColumnUse use) {
  Edges result;
  for (const auto& [field, before] : edges) {
    const bool stays = model::is_direct(use) && !model::is_direct(before);
    const ColumnUse both = model::is_direct(use) ? std::max(before, use) : use;
    result.insert({field, stays ? before : both});
  }
  return result;
}

}  // namespace weir::sql::lineage
