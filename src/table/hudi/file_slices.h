#pragma once

/// Which data files make the table at one instant: the listing of the store, seen through the
/// timeline and the commits' metadata.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/result.h"
#include "storage/storage.h"
#include "table/hudi.h"
#include "table/hudi/commit_metadata.h"
#include "table/hudi/properties.h"
#include "table/hudi/timeline.h"

namespace weir::table {

/// The parts of a data file's name `<file group>_<write token>_<instant>.parquet`.
struct DataFile {
  std::string partition;
  std::string file_group_id;
  std::string instant;
  std::string name;  ///< Object name.
  int64_t size_bytes = 0;
};

/// Nothing where the object is no Parquet data file.
std::optional<DataFile> parse_data_file(const storage::Entry& entry);

std::string data_file_name(std::string_view partition, std::string_view file_group_id,
                           std::string_view write_token, std::string_view instant);

/// All data files of the table, committed or not.
Result<std::vector<DataFile>> list_data_files(storage::Storage& store);

/// Commits as they stand in the store; a completed commit never changes, so each is read once.
/// Safe to use from many threads at once.
class CommitLog {
 public:
  explicit CommitLog(storage::Storage& store) : store_(store) {}

  /// kCorrupt where it is no commit, kNotFound where it is gone.
  Result<std::shared_ptr<const CommitMetadata>> read(const Instant& completed);
  storage::Storage& store() { return store_; }

 private:
  storage::Storage& store_;
  std::mutex mutex_;  // readers of a table may be on several threads
  std::map<std::string, std::shared_ptr<const CommitMetadata>> read_ WEIR_GUARDED_BY(mutex_);
};

/// A file group: Hudi counts its id within its partition.
using GroupKey = std::pair<std::string, std::string>;

/// The newest visible file of each live group among `files` as of `at` (empty: now).
Result<std::map<GroupKey, DataFile>> live_files(const Timeline& timeline, CommitLog& log,
                                                const std::vector<DataFile>& files,
                                                std::string_view at);

/// HudiTable::snapshot.
/// Data files of the newest version that its commits wrote and that are not there.
Result<std::vector<std::string>> missing_files(CommitLog& log);
Result<Snapshot> take_snapshot(const TableProperties& properties, CommitLog& log,
                               std::string_view at);

/// The data columns by the newest of these commits that names them; else the table's creation.
Result<model::Schema> schema_at(const TableProperties& properties, CommitLog& log,
                                const std::vector<Instant>& commits);

}  // namespace weir::table
