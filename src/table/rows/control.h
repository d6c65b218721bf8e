#pragma once

/// Custody of rows that were written by their keys: sums of control columns and a digest over keys,
/// read back from the files that the commit is about to publish.

#include <string>
#include <vector>

#include "model/control_sums.h"
#include "table/rows/match.h"

namespace weir::table::rows {

struct WrittenFiles {
  std::vector<FileSlice> written;  ///< By this commit.
  std::vector<FileSlice> kept;     ///< The table's others.
  std::string instant;             ///< Of the commit.
};

/// After match_rows() in the same session and once the files stand. Fills `inserted`,
/// `updated_in_place`, `unchanged` (rows that were older than the table's), `filtered` (rows that
/// came to delete) and `out`, and `keys_out`: of rows that were not to delete. The rest is the
/// caller's to fill and to check. Empty where `input.write.control` is.
Result<model::HopSums> sums_written(sql::Session& session, storage::Storage& store,
                                    const MatchInput& input, const WrittenFiles& files);

}  // namespace weir::table::rows
