#pragma once

/// Apache Hudi copy-on-write tables, read and written without a JVM (docs/format/hudi.md says which
/// bytes). Written is table version 6: flat timeline, JSON commit metadata. Read are versions 6, 8
/// and 9, whoever wrote them. A commit is one instant on the timeline; the appearance of its
/// completed file *is* the commit.
///
/// It knows nothing of history, of catalogs or of runs: rows come in as Arrow batches, and what a
/// caller wants to find again goes into a commit's `extra`.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "model/readers.h"
#include "model/schema.h"
#include "parquet/parquet.h"
#include "storage/storage.h"

namespace weir::table {

/// Hudi's five columns, first in every file.
inline constexpr std::string_view kMetaColumns[] = {"_hoodie_commit_time", "_hoodie_commit_seqno",
                                                    "_hoodie_record_key", "_hoodie_partition_path",
                                                    "_hoodie_file_name"};

enum class MetaColumns { kLeftOut, kFirst };

struct TableOptions {
  std::string name;                       ///< Sanitised to [A-Za-z0-9_]+ where needed.
  std::vector<std::string> record_key;    ///< Columns.
  std::vector<std::string> partition_by;  ///< Columns; empty: one partition, the root.
  std::string ordering_field;             ///< Empty: none.
  model::Schema schema;                   ///< Data columns.
  std::map<std::string, std::string> extra_properties;
};

/// What rows a file group holds. A group of unknown role (another writer made it) is kMixed.
enum class Role { kCurrent, kHistory, kMixed };
std::string_view to_text(Role role);

/// One data file at one version of the table.
/// The least and the greatest value of a key column in one file, as text that a cast reads.
struct KeyRange {
  std::string column;
  std::string least;
  std::string greatest;
  bool operator==(const KeyRange&) const = default;
};

struct FileSlice {
  std::string file_group_id;  ///< `<uuid>-0`
  std::string partition;      ///< Empty: unpartitioned.
  std::string name;           ///< Object name under the table's root.
  std::string instant;        ///< Of the commit that wrote it.
  int64_t rows = -1;          ///< From the commit's statistics; −1 where unknown.
  int64_t size_bytes = 0;
  Role role = Role::kMixed;
  std::string sha256 = {};                ///< From the commit; empty where another writer made it.
  std::vector<KeyRange> key_ranges = {};  ///< From the commit; a column may be left out.
};

struct Instant {
  std::string time;    ///< yyyyMMddHHmmssSSS
  std::string action;  ///< commit, replacecommit, clean, rollback, …
  enum class State { kRequested, kInflight, kCompleted } state = State::kRequested;
  std::string file;             ///< Object name.
  std::string completion = {};  ///< When it was completed; empty where the table does not say.
};

/// A completed commit or replacecommit as its metadata tells it.
struct CommitInfo {
  std::string time;
  std::string action;
  std::string operation_type;                ///< UPSERT, INSERT_OVERWRITE_TABLE, …
  std::map<std::string, std::string> extra;  ///< `schema` and what the writer put in.
  int64_t inserts = 0;
  int64_t updates = 0;
  int64_t deletes = 0;
  int64_t bytes_written = 0;
  /// Of a table service of weir's, or the empty commit that begins a table: the rows are as they
  /// were.
  bool brings_no_data = false;
  std::string completion = {};  ///< When it was completed; empty on version 6, which does not say.
};

/// The table at one version.
struct Snapshot {
  std::string instant;                       ///< Empty: nothing was written yet.
  model::Schema schema;                      ///< Data columns.
  std::vector<FileSlice> slices;             ///< Sorted by name.
  std::map<std::string, std::string> extra;  ///< Of the newest commit that has any of weir's.
  /// Columns of `schema` that no file holds: their values stand in the partition's path alone
  /// (hoodie.datasource.write.drop.partition.columns). read() fills them in; who opens the files by
  /// other means must not.
  std::vector<std::string> path_columns = {};
  /// What changes() takes as `from` to give everything that is not in here.
  std::string bound = {};
};

/// What came between two versions of the table. Hudi leaves no trace of a deleted row: whoever must
/// know of deletes compares snapshots.
struct Changes {
  std::string from;      ///< Exclusive, as it was asked for; empty: from the beginning.
  std::string to;        ///< Inclusive: the bound of the newest commit in it, the next `from`.
  model::Schema schema;  ///< Data columns at `to`.
  /// Files of the table at `to` that were written in between: they hold every row that changed, and
  /// others that were only copied. Sorted by name.
  std::vector<FileSlice> slices;
  std::vector<CommitInfo> commits;  ///< In between and still on the timeline, oldest first.
  /// Whose rows belong to it, on the later timeline; on that of version 6 rows later than `from`
  /// do.
  std::set<std::string, std::less<>> instants;
  std::vector<std::string> path_columns;  ///< As in Snapshot.
};

struct ReadOptions {
  std::vector<std::string> columns;  ///< Data columns, in that order; empty: all.
  MetaColumns meta = MetaColumns::kLeftOut;
};

/// Rows of many files as one stream of one schema, a row group in memory at a time. Columns are
/// found by name: one that a file does not have yet is null, a type that has widened since is cast.
/// It must not outlive its table. Not for several threads at once.
class RowReader {
 public:
  virtual ~RowReader() = default;
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  /// The next rows, or null after the last. kCorrupt, naming file and column, where what is stored
  /// is no value of the table's type; kNotFound where a file was cleaned meanwhile.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> next() = 0;
};

/// Asked again just before a commit becomes visible (design.md: a lease is not a lock).
class CommitGuard {
 public:
  virtual ~CommitGuard() = default;
  /// kConflict where somebody else has taken over.
  virtual Status still_mine() = 0;
};

/// Rows on their way into one file of one file group. Batches hold the data columns only, in the
/// order of the commit's schema; the meta columns are added here. Not for several threads at once.
class GroupWriter {
 public:
  virtual ~GroupWriter() = default;
  /// Rows that are new or changed: they get this commit's time and a sequence number.
  /// `record_keys` gives the record key of each row.
  virtual Status write_changed(const arrow::RecordBatch& data, const arrow::Array& record_keys) = 0;
  /// Rows copied from the group's previous file: `copied` has the meta columns too; commit time,
  /// sequence number and key are kept, the file name is set.
  virtual Status write_copied(const arrow::RecordBatch& copied) = 0;
  virtual int64_t rows() const = 0;
  virtual int64_t bytes_so_far() const = 0;
  /// Ends the file. What the write statistics say of the previous file's rows: how many were
  /// changed in place and how many left the group.
  virtual Result<FileSlice> finish(int64_t updated, int64_t deleted) = 0;
};

/// One commit in the making: `.requested` and `.inflight` exist, markers go before data files.
/// Destroyed without complete(): rolled back as far as possible; the next writer does the rest.
/// It must not outlive its table, nor its group writers it; those may be used from several threads,
/// one thread a writer.
class Commit {
 public:
  virtual ~Commit() = default;
  virtual const std::string& instant() const = 0;
  virtual const model::Schema& schema() const = 0;
  /// A new file group. Rows may be copied into it from groups that this commit replaces.
  virtual Result<std::unique_ptr<GroupWriter>> new_group(Role role,
                                                         const std::string& partition) = 0;
  /// The next version of a group; every row of `previous` must come again or be counted as deleted.
  virtual Result<std::unique_ptr<GroupWriter>> next_version(const FileSlice& previous,
                                                            Role role) = 0;
  /// replacecommit only: this group is dead from here on.
  virtual void replace(const FileSlice& slice) = 0;
  /// Makes everything visible at once: re-checks guard, inflight file and newer slices of touched
  /// groups, decides that it is completed and not undone, puts the completed file if absent,
  /// removes the markers. kConflict where the commit was overtaken (nothing is visible);
  /// kOutcomeUnknown where it is decided but the file could not be put, or nobody answers: it is
  /// visible, or the next prepare() makes it so.
  virtual Result<CommitInfo> complete(const std::map<std::string, std::string>& extra) = 0;
};

enum class Action { kCommit, kReplaceCommit };

struct BeginOptions {
  Action action = Action::kCommit;
  std::string operation_type = "UPSERT";
  model::Schema schema;  ///< Data columns from now on: the table's, or one that widens it.
  std::string token;     ///< Stands in the inflight file and in extra `weir.token`.
  std::string write_token = "0-0-0";  ///< `n-0-n`; carries attempt and epoch: unique per attempt.
  int64_t target_file_bytes = int64_t{120} << 20;
  /// Of the bloom filter in each footer, which Spark's BLOOM index needs (without: it fails on the
  /// file). Spark's own rate costs 7 bytes and about 0.4 µs a row; 0 leaves the filter out. A
  /// filter has 1 MiB at most, so beyond 190,000 keys the rate rises.
  double bloom_false_positives = 1e-9;
};

/// A writer's place on the timeline: an instant that was taken before anything was read that the
/// write goes on from, and that no earlier writer can come behind any more. Destroyed without
/// begin(): the instant is given back. It must not outlive its table.
class Turn {
 public:
  virtual ~Turn() = default;
  /// How many unfinished commits were undone.
  virtual int64_t rolled_back() const = 0;
  /// Once. kUnsupported as HudiTable::check_writable(), by the properties as they are now, for
  /// columns that one of the context's readers cannot read, and for a table of Spark's whose groups
  /// are buckets; kConflict where another writer's commit is under way.
  virtual Result<std::unique_ptr<Commit>> begin(const BeginOptions& options) = 0;
};

/// A table that exists. Reading is safe from many threads; writing is for one holder of the guard.
class HudiTable {
 public:
  virtual ~HudiTable() = default;

  virtual const std::map<std::string, std::string>& properties() const = 0;
  virtual storage::Storage& store() = 0;

  /// The table now, or as it was at `at` (an instant: yyyyMMddHHmmssSSS or a prefix, inclusive).
  /// It is compared with instants as they stand on the timeline: in the table's own time zone.
  /// kNotFound, naming the earliest instant that can be read, where a file of that version was
  /// cleaned or its commits are archived; kUnavailable while a restore is under way.
  virtual Result<Snapshot> snapshot(const std::string& at = "") = 0;

  /// Rows whose last change up to `to` lies in (from, to], as Hudi's incremental query gives them.
  /// Bounds are instants on version 6 and completion times on 8 and 9 (Snapshot::bound, Changes::to
  /// and CommitInfo::completion are such), or prefixes of them; empty: the beginning, now. Same
  /// errors as snapshot, for the version at `to`.
  virtual Result<Changes> changes(const std::string& from, const std::string& to) = 0;

  /// kInvalidConfig for a column that is not there.
  virtual Result<std::unique_ptr<RowReader>> read(const Snapshot& snapshot,
                                                  const ReadOptions& options) = 0;
  virtual Result<std::unique_ptr<RowReader>> read(const Changes& changes,
                                                  const ReadOptions& options) = 0;

  /// kUnsupported, naming the property, where weir reads this table but does not write to it.
  virtual Status check_writable() const = 0;

  /// Data files of the newest version that are not there although its commits wrote them: a
  /// snapshot does not see them, it shows what lies below. Reads every commit.
  virtual Result<std::vector<std::string>> missing_files() = 0;

  /// Completed commits and replacecommits, oldest first, those that weir has archived too.
  virtual Result<std::vector<CommitInfo>> commits() = 0;
  /// The commit, archived or not, whose extra `weir.token` is this, or nothing.
  virtual Result<std::optional<CommitInfo>> find_token(const std::string& token) = 0;

  /// The beginning of a write. Takes the next instant: max(now, last + 1 ms), created exclusively;
  /// asks the guard (kConflict where it is lost); ends weir's own unfinished commits that are
  /// older: those that were decided are published, so look for a token after this, the others are
  /// undone (data files named by markers, inflight, requested, markers), and files and markers that
  /// outlived theirs go. A table without a commit gets an empty one. Cut off, it can be done again.
  /// kUnsupported as check_writable(), by the properties as they are now.
  virtual Result<std::unique_ptr<Turn>> prepare(Action action) = 0;

  /// A commit beside others that may be under way: takes the next instant, and leftovers stay.
  /// kUnsupported as prepare().
  virtual Result<std::unique_ptr<Commit>> begin(const BeginOptions& options) = 0;

  /// Rows of a slice: a plain Parquet file with the meta columns first.
  virtual Result<std::unique_ptr<parquet::FileReader>> open(const FileSlice& slice) = 0;
};

/// What a table needs from outside.
struct TableContext {
  storage::Storage* store = nullptr;  ///< Its root is the table's root.
  Clock* clock = nullptr;
  Random* random = nullptr;
  CommitGuard* guard = nullptr;  ///< May be null: no one else writes.
  int64_t threads = 1;
  std::vector<model::Reader> readers = {};  ///< Who must be able to read what is written.
};

/// Opens it for reading. kNotFound where there is no table; kUnsupported for merge-on-read, other
/// base formats and table versions other than 6, 8 and 9 (the message names the property).
Result<std::unique_ptr<HudiTable>> open_table(const TableContext& context);
/// Writes `.hoodie/hoodie.properties` if absent; a table that is there with the same key is opened.
/// kConflict where one is there with another key, kUnsupported where one is there that weir does
/// not write to, and for columns that one of the context's readers cannot read.
Result<std::unique_ptr<HudiTable>> create_table(const TableContext& context,
                                                const TableOptions& options);

}  // namespace weir::table
