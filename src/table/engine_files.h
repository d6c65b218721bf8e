#pragma once

/// Objects as DuckDB opens them: by the store's own path or URI, or, where the store has none, as a
/// copy in a private folder that goes when this goes.

#include <memory>
#include <string>

#include "base/result.h"
#include "storage/storage.h"

namespace weir::table {

/// Not for several threads at once.
class EngineFiles {
 public:
  /// `temp_folder` empty: the system's.
  EngineFiles(storage::Storage& store, std::string temp_folder)
      : store_(store), temp_folder_(std::move(temp_folder)) {}
  ~EngineFiles();
  EngineFiles(const EngineFiles&) = delete;
  EngineFiles& operator=(const EngineFiles&) = delete;

  /// What the engine opens for this object. Errors as Storage::read; kResourceExhausted where a
  /// copy does not fit.
  Result<std::string> path_of(const std::string& name);

 private:
  Status make_folder();

  storage::Storage& store_;
  std::string temp_folder_;
  std::string folder_;
  int64_t copies_ = 0;
};

}  // namespace weir::table
