#pragma once

/// Keeping a Hudi table in shape: what may be done to it between commits. Each is safe to cut off
/// at any point and to do again; none of them changes which rows the newest version shows, but for
/// roll_back. Works on tables that other engines write too. docs/format/hudi.md tells the bytes.

#include <cstdint>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"
#include "table/hudi.h"

namespace weir::table {

struct CleanOptions {
  /// The newest commits whose versions stay readable (KEEP_LATEST_COMMITS).
  int64_t retain_commits = 10;
};

struct Cleaned {
  std::string instant;  ///< Of the clean; empty: there was nothing to remove.
  std::string earliest_retained;
  int64_t files = 0;
  int64_t bytes = 0;
};

/// Removes data files that no retained version needs; a snapshot of an older one is kNotFound from
/// then on. kInvalidConfig for fewer than one commit; kUnsupported where the table has savepoints,
/// or is one that weir does not write.
Result<Cleaned> clean(const TableContext& context, HudiTable& table, const CleanOptions& options);

struct TrimOptions {
  /// The newest commits that stay on the timeline; at least 2.
  int64_t keep_commits = 1000;
  /// What is younger stays as well: whoever began it may still be asleep over it (decision.h).
  int64_t keep_days = 10;
  /// Nothing is done for fewer, lest there be many small archives.
  int64_t least_commits = 1;
};

struct Trimmed {
  int64_t commits = 0;   ///< That have left the timeline.
  int64_t instants = 0;  ///< They, and cleans and roll-backs between them.
  std::string earliest;  ///< The oldest commit on the timeline now; empty without one.
  std::string held_by;   ///< What keeps commits there that the options would let go; else empty.
};

/// Takes the oldest instants off the timeline, so that its length, and what a reader lists and
/// reads of it, stays bounded. Their whole texts go into an archive of weir's first (hudi.md),
/// where commits() and find_token() find them; a version before `earliest` cannot be asked for any
/// more. Never passed is what would appear or vanish with it: a commit under way, a leftover, a
/// replaced group that was not cleaned. kInvalidConfig for fewer than two commits; kUnsupported
/// where the table is not weir's own (Spark archives as it writes), has savepoints or a metadata
/// table.
Result<Trimmed> trim(const TableContext& context, HudiTable& table, const TrimOptions& options,
                     const Cancel& cancel);

/// Takes the newest commit back: the table is what it was before. The instant that is the newest
/// then, empty for none. kConflict where `instant` is not the newest commit, kNotFound where the
/// files of the version before were cleaned or its commit is archived; kUnsupported where weir does
/// not write the table.
Result<std::string> roll_back(const TableContext& context, HudiTable& table,
                              const std::string& instant);

struct CompactOptions {
  int64_t small_file_bytes = int64_t{30} << 20;  ///< Groups below it are joined.
  int64_t target_file_bytes = int64_t{120} << 20;
  std::string write_token = "0-0-0";
};

struct Compacted {
  std::string instant;  ///< Of the replacecommit; empty: there was nothing to join.
  int64_t groups_before = 0;
  int64_t groups_after = 0;
  int64_t rows = 0;
};

/// Joins small groups of one partition and one role into larger ones, in one replacecommit. Rows
/// keep their commit time and sequence number, so that incremental readers see nothing new.
Result<Compacted> compact(const TableContext& context, HudiTable& table,
                          const CompactOptions& options, const Cancel& cancel);

/// Something of the table that is not as it should be.
struct Finding {
  enum class Kind {
    kUnfinished,  ///< A commit that never completed, or is under way.
    kOrphan,      ///< A data file of no commit, or markers of none: unseen, until it is not.
    kMissing,     ///< A data file that a commit wrote and no snapshot finds.
    kDamaged,     ///< A data file that does not read, or is not what its commit wrote.
    kStale,       ///< A metadata table, which weir's commits do not keep.
  };
  Kind kind = Kind::kUnfinished;
  std::string object;
  std::string says;
  bool is_repaired = false;  ///< repair() mends it.
};
std::string_view to_text(Finding::Kind kind);

struct CheckOptions {
  bool reads_contents = false;  ///< Compares every live file's SHA-256 too, where one is known.
};

/// Looks at the table without changing it. Sizes, footers and row counts of live files are always
/// compared with what their commits say.
Result<std::vector<Finding>> check(const TableContext& context, HudiTable& table,
                                   const CheckOptions& options, const Cancel& cancel);

/// Undoes weir's own leftovers, and drops a metadata table. What was found and mended.
Result<std::vector<Finding>> repair(const TableContext& context, HudiTable& table,
                                    const Cancel& cancel);

/// Rows of one file that belong into another bucket than its group.
struct Misplaced {
  std::string file;
  int64_t rows = 0;
  std::string key;      ///< Of the first of them.
  int64_t bucket = 0;   ///< Whose file it is.
  int64_t belongs = 0;  ///< Where Spark looks for the first of them.
};

/// What was seen of a table's buckets.
struct Buckets {
  std::vector<std::string> partitions;  ///< Those that are kept in buckets.
  int64_t rows = 0;                     ///< That lie in them.
  std::vector<Misplaced> misplaced;
};

/// Whether each row of the partitions that Spark keeps in buckets (hoodie.index.type BUCKET) lies
/// in the bucket that the hash of its key names: of one that does not Spark makes a second on its
/// next upsert. Their number stands in hoodie.bucket.index.num.buckets, or is the one that most
/// rows of the partition agree with. Reads the keys of every file there; nothing where there are no
/// buckets.
Result<Buckets> check_buckets(HudiTable& table, const Snapshot& snapshot, const Cancel& cancel);

/// Removes Hudi's metadata table, which a commit of weir would leave stale: first the property that
/// makes readers trust it, then its files. Nothing where there is none.
Status drop_metadata_table(const TableContext& context);

}  // namespace weir::table
