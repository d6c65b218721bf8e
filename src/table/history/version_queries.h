#pragma once

/// The rows that a merge writes, as queries over the tables of diff.h: versions that open, versions
/// that change in place, rows that are quarantined. Pure text; rewrite.h streams them.

#include <string>

#include "table/history/diff.h"

namespace weir::table::history {

/// What the new versions say of where they come from.
struct VersionOrigin {
  int64_t as_of_us = 0;
  std::string run_id;
  int64_t loaded_at_us = 0;
};

/// New versions of new and changed keys, with every column of `layout.data`.
std::string opened_versions(const DiffInput& input, const DiffCounts& counts,
                            const VersionOrigin& origin);

/// Versions of one group that take values of the snapshot in place, with every column of
/// `layout.data`; their place in time and their load columns stay.
std::string versions_in_place(const DiffInput& input, size_t group_no);

/// Rows with NULL in the key and rows of conflicting keys, with the columns of a rejected object.
std::string quarantined_rows(const DiffInput& input, const VersionOrigin& origin);

}  // namespace weir::table::history
