#pragma once

/// Objects of stores as files that SQL names: by path where DuckDB opens them by itself, else by a
/// URI that a session with these files reads through the store, range by range. Nothing is copied,
/// and nothing but what was named here can be opened so, whatever text a user writes.

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/result.h"
#include "storage/storage.h"

namespace weir::sql {

/// Stores outlive it. Safe to use from many threads at once.
class ObjectFiles {
 public:
  struct File {
    storage::Storage* store = nullptr;
    storage::Entry entry;
  };

  /// What SQL writes for this object, in quotes: the same whenever it is asked for. Errors as
  /// Storage::stat.
  Result<std::string> path_of(storage::Storage& store, const std::string& name);

  /// The object of a URI that path_of() gave; nothing for any other text.
  std::optional<File> find(std::string_view uri) const;

 private:
  mutable std::mutex mutex_;
  std::vector<File> files_ WEIR_GUARDED_BY(mutex_);
  std::map<std::pair<storage::Storage*, std::string>, std::string> uris_ WEIR_GUARDED_BY(mutex_);
};

/// How those URIs begin.
inline constexpr std::string_view kObjectScheme = "weir-object:";

}  // namespace weir::sql
