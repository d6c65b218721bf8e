#pragma once

/// Instants that weir has taken off the timeline (services/trim.cc), with the whole texts of their
/// files: what was committed, under which token, from what. `.hoodie/.aux/weir-archive/` holds
/// immutable Parquet files; Hudi knows nothing of them and takes what is older than its timeline as
/// committed. A file's footer names its instants and tokens, so a token is looked for without
/// reading a text.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"
#include "storage/storage.h"
#include "table/hudi/timeline.h"

namespace weir::table {

inline constexpr std::string_view kArchiveFolder = ".hoodie/.aux/weir-archive/";

/// A completed instant and its objects on the timeline.
struct InstantFiles {
  std::string time;
  std::string action;
  std::string requested;  ///< Empty: there is none. So for the next.
  std::string inflight;
  std::string completed;
};

/// Puts one archive with the texts of these instants, oldest first, and reads it back: once it
/// returns, the files may go. The archive's name. kCorrupt where it does not read back as it was
/// written: then it is removed, and nothing may go.
Result<std::string> put_archive(storage::Storage& store, const std::vector<InstantFiles>& instants,
                                const Cancel& cancel);

/// What the archives of a table hold, as far as it was asked for. Not for several threads at once.
class Archive {
 public:
  /// Reads the footers of archives that it has not seen yet.
  Status refresh(storage::Storage& store);

  bool holds(std::string_view time, std::string_view action) const {
    return actions_.contains({std::string(time), std::string(action)});
  }
  /// Of any instant in it; empty without one.
  std::string last_time() const {
    return actions_.empty() ? std::string() : actions_.rbegin()->first;
  }
  /// Completed commits and replacecommits, oldest first, as they stood on the timeline.
  std::vector<Instant> commits() const;
  std::optional<Instant> find_commit(std::string_view time) const;
  std::optional<Instant> find_token(const std::string& token) const;

  /// The texts of that commit and of those that are read with it, by their files on the timeline.
  /// kNotFound where it holds none; kCorrupt where the archive is not what its footer says.
  Result<std::map<std::string, std::string>> read_around(storage::Storage& store,
                                                         std::string_view time) const;

 private:
  /// Where the text of a commit is.
  struct Place {
    std::string action;
    std::string archive;
    int64_t row_group = 0;
  };
  Status add(storage::Storage& store, const std::string& archive);

  std::set<std::string> seen_;  ///< Archives.
  std::set<std::pair<std::string, std::string>> actions_;
  std::map<std::string, Place, std::less<>> commits_;  ///< By time.
  std::map<std::string, std::string> tokens_;          ///< Token → time, the newest.
};

}  // namespace weir::table
