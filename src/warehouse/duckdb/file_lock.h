#pragma once

/// Who may open a DuckDB file. DuckDB's own lock is of the process: a second instance in the same
/// process gets it too, and both would write the file. So whoever opens it takes `<path>.lock`
/// first (flock: of the open file, so it also separates two holders in one process) and says
/// there who it is. The lock file stays: removing it would let two holders lock two files.

#include <optional>
#include <string>

#include "base/result.h"

namespace weir::warehouse::duckdb {

/// Held until destroyed; the kernel gives it back when the process dies.
class FileLock {
 public:
  /// Nothing where somebody else holds it.
  static Result<std::optional<FileLock>> try_take(const std::string& path,
                                                  const std::string& holder);
  /// What the present holder wrote about itself; empty where nothing is known.
  static std::string holder_of(const std::string& path);

  ~FileLock();
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace weir::warehouse::duckdb
