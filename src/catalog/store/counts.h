#pragma once

/// The counts of a hop as columns, the same in task_run and reconciliation.

#include "catalog/database/database.h"
#include "model/outcome.h"

namespace weir::catalog {

constexpr std::string_view kCountColumns =
    "rows_in, inserted, updated_in_place, rejected, deduplicated, unchanged, filtered, "
    "closed_by_change, closed_by_absence, rows_out";

inline void add_counts(Binds& binds, const model::Counts& counts) {
  const Bind all[] = {{"rows_in", counts.in},
                      {"inserted", counts.inserted},
                      {"updated_in_place", counts.updated_in_place},
                      {"rejected", counts.rejected},
                      {"deduplicated", counts.deduplicated},
                      {"unchanged", counts.unchanged},
                      {"filtered", counts.filtered},
                      {"closed_by_change", counts.closed_by_change},
                      {"closed_by_absence", counts.closed_by_absence},
                      {"rows_out", counts.out}};
  binds.insert(binds.end(), std::begin(all), std::end(all));
}

inline model::Counts read_counts(RowReader& reader) {
  return {.in = reader.integer("rows_in"),
          .inserted = reader.integer("inserted"),
          .updated_in_place = reader.integer("updated_in_place"),
          .rejected = reader.integer("rejected"),
          .deduplicated = reader.integer("deduplicated"),
          .unchanged = reader.integer("unchanged"),
          .filtered = reader.integer("filtered"),
          .closed_by_change = reader.integer("closed_by_change"),
          .closed_by_absence = reader.integer("closed_by_absence"),
          .out = reader.integer("rows_out")};
}

}  // namespace weir::catalog
