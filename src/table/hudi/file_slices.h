#pragma once

/// Which data files make the table at one moment: the listing of the store, seen through the
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
#include "table/hudi/archive.h"
#include "table/hudi/commit_metadata.h"
#include "table/hudi/properties.h"
#include "table/hudi/timeline.h"

namespace weir::table {

/// The parts of a data file's name `<file group>_<write token>_<instant>.parquet`.
struct DataFile {
  std::string partition;
  std::string file_group_id;
  std::string write_token;
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
  explicit CommitLog(storage::Storage& store, TimelineLayout layout = {})
      : store_(store), layout_(std::move(layout)) {}

  /// The timeline as it stands now.
  Result<Timeline> timeline() { return Timeline::load(store_, layout_); }
  /// Of a commit that weir has archived, from there. kCorrupt where it is no commit, kNotFound
  /// where it is gone.
  Result<std::shared_ptr<const CommitMetadata>> read(const Instant& completed);

  /// Commits that weir has archived and that are not on this timeline, oldest first. The timeline
  /// is to be loaded before: what leaves it is in the archive then.
  Result<std::vector<Instant>> archived(const Timeline& timeline);
  /// The archived commit of that time, or nothing.
  Result<std::optional<Instant>> find_archived(const Timeline& timeline, std::string_view time);
  /// The archived commit with that token, or nothing. Reads no commit.
  Result<std::optional<Instant>> find_archived_token(const std::string& token);

  storage::Storage& store() { return store_; }
  const TimelineLayout& layout() const { return layout_; }

 private:
  using Metadata = std::shared_ptr<const CommitMetadata>;
  /// What is known already, or null.
  Metadata find_read(const std::string& file);
  Result<Metadata> keep(const std::string& file, std::string_view text);
  Result<Metadata> read_archived(const Archive& archive, const Instant& completed);
  Status refresh(Archive& archive);

  storage::Storage& store_;
  TimelineLayout layout_;
  std::mutex mutex_;  // readers of a table may be on several threads
  std::map<std::string, Metadata> read_ WEIR_GUARDED_BY(mutex_);
  std::mutex archive_mutex_;  // never taken within the other
  Archive archive_ WEIR_GUARDED_BY(archive_mutex_);
  /// Where the timeline began when the archive was looked at; nothing: it was not.
  std::optional<std::string> archive_before_ WEIR_GUARDED_BY(archive_mutex_);
};

/// A file group: Hudi counts its id within its partition.
using GroupKey = std::pair<std::string, std::string>;

/// From when a reader looks at the table.
struct Moment {
  /// What `at` is compared with. Those that asked for a version name an instant; an increment ends
  /// with a bound_of().
  enum class By { kInstant, kBound };

  /// A text alone is an instant.
  Moment(std::string_view instant) : at(instant) {}  // NOLINT(google-explicit-constructor)
  Moment(const char* instant) : at(instant) {}       // NOLINT(google-explicit-constructor)
  Moment(std::string_view text, By what) : at(text), by(what) {}

  bool sees(const Instant& commit) const;

  std::string at;  ///< Or a prefix, which takes its whole time in; empty: now.
  By by = By::kInstant;
};

/// Whether a time is in what `at` takes in: at or before it, or within it as a prefix.
bool is_at_or_before(std::string_view time, std::string_view at);

/// The completed commits that it sees, oldest first.
std::vector<Instant> commits_seen(const Timeline& timeline, const Moment& moment);

/// The newest visible file of each live group among `files`.
Result<std::map<GroupKey, DataFile>> live_files(const Timeline& timeline, CommitLog& log,
                                                const std::vector<DataFile>& files,
                                                const Moment& moment);

/// The slice of a live file: what its commit's metadata, or else its footer, says of it.
Result<FileSlice> slice_of(const DataFile& file, const Timeline& timeline, CommitLog& log);

}  // namespace weir::table
