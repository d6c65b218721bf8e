#pragma once

/// Phase one of a merge: what a snapshot changes, found by keys and hashes alone. The result is a
/// narrow table `change` in the session (on disk where it is large), one row for each row of the
/// snapshot that is new or changes something, and for each open version whose key is gone:
///
///   source_file, source_row   where the row lies in the snapshot (NULL: the key is gone)
///   group_no, group_row       where the open version lies (NULL: there is none)
///   kind                      Kind, below
///
/// and, where keys come more than once, a table `repeated` of their rows. Unchanged rows are in
/// neither. It reads; it writes nothing outside the session.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "sql/session.h"
#include "table/history/layout.h"

namespace weir::table::history {

enum class Kind : uint8_t {
  kKept = 0,     ///< Only in marks of rows (rewrite.h); never in the table.
  kNew = 1,      ///< The key has no open version.
  kChanged = 2,  ///< A tracked column differs.
  kInPlace = 3,  ///< An untracked or added column differs.
  kGone = 4,     ///< An open version whose key is not in the snapshot.
  kNullKey = 5,  ///< A row of the snapshot with NULL in its key.
};

/// What phase one reads.
struct DiffInput {
  const Layout& layout;
  const HistoryOptions& options;
  std::vector<std::string> source_files;    ///< As the engine opens them.
  std::vector<std::string> rejected_files;  ///< As the engine opens them.
  std::vector<std::string> group_files;  ///< Groups that hold open versions; group_no counts them.
};

/// How many rows and keys are what. Rows of the snapshot, unless said otherwise.
struct DiffCounts {
  int64_t rows = 0;   ///< All rows of the snapshot, counted by scanning it.
  int64_t open = 0;   ///< Open versions before the merge.
  int64_t fresh = 0;  ///< kNew
  int64_t changed = 0;
  int64_t in_place = 0;
  int64_t null_key = 0;
  int64_t deduplicated = 0;  ///< Exact repetitions of a row.
  int64_t conflicting = 0;   ///< Rows of keys that come with different values.
  int64_t vanished = 0;      ///< Open versions that close by absence (deletes: kByAbsence only).
  int64_t retained = 0;      ///< Open versions that stay although no good row has their key.
};

/// Builds the tables. Vanished keys stay in `change` only where deletes are by absence.
Result<DiffCounts> find_changes(sql::Session& session, const DiffInput& input);

/// What a merge does to one group.
struct Touched {
  size_t group_no = 0;
  int64_t closed = 0;    ///< Versions that leave it.
  int64_t in_place = 0;  ///< Versions that change in it.
};
/// The groups that must be rewritten, by number.
Result<std::vector<Touched>> touched_groups(sql::Session& session);

/// The Kind of each of the group's rows: kKept, kChanged, kInPlace or kGone.
Result<std::vector<Kind>> marks_of(sql::Session& session, size_t group_no, int64_t rows);

}  // namespace weir::table::history
