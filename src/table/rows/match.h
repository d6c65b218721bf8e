#pragma once

/// Which rows of the table the rows that come meet. It leaves tables in the session:
///
///   incoming    the rows, each with its number `_weir_n`, its record key `_weir_key`, the number
///               of its partition `_weir_part`, and `_weir_goes` where it comes to delete
///   change      a row for each row of the table that is replaced or goes: `group_no`, `group_row`,
///               `n` (of the row that replaces it; NULL: it goes), `moves` (to another partition)
///   settled     numbers of rows that come into no partition anew: they replace one, or are older
///
/// It reads; it writes nothing outside the session.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "sql/session.h"
#include "table/hudi/key_layout.h"
#include "table/write_rows.h"

namespace weir::table::rows {

inline constexpr std::string_view kNumberColumn = "_weir_n";
inline constexpr std::string_view kKeyColumn = "_weir_key";
inline constexpr std::string_view kPartitionColumn = "_weir_part";
inline constexpr std::string_view kGoesColumn = "_weir_goes";

/// What there is to match.
struct MatchInput {
  const RowWrite& write;
  const KeyLayout& layout;
  model::Schema schema;  ///< Of the table from now on.
};

/// The rows that come, with keys and partitions.
struct Incoming {
  std::vector<std::string> partitions;  ///< Paths, by number.
  int64_t rows = 0;
  int64_t deduplicated = 0;
};

/// Makes `incoming`.
Result<Incoming> take_rows(sql::Session& session, const MatchInput& input);

/// The table's groups that may hold the keys (none where rows overwrite): paths as the engine opens
/// them, and for each the number of its partition among those of the rows, or −1.
struct Groups {
  std::vector<std::string> files;
  std::vector<int64_t> partition_of;
};

/// For each of the files whether it may hold one of the keys that come, by what commits recorded:
/// false only where it cannot. After take_rows().
Result<std::vector<bool>> may_hold_keys(sql::Session& session, const MatchInput& input,
                                        const std::vector<FileSlice>& files);

struct Matched {
  int64_t stale = 0;
  int64_t inserted = 0;
  int64_t updated = 0;
  int64_t flagged = 0;
  int64_t passed_over = 0;
  int64_t deleted = 0;
};

/// After FROM, with a condition that more may follow: the rows `i` that come into their partition
/// new. They are told by those that do not: a first load has none.
std::string arrivals();

/// Makes `change` and `settled`.
Result<Matched> match_rows(sql::Session& session, const MatchInput& input, const Groups& groups);

}  // namespace weir::table::rows
