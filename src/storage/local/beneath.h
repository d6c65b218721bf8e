#pragma once

/// Opens files below a root folder and nowhere else: no `..`, no link and no race leads out. It
/// knows descriptors and folders, nothing of objects.

#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/result.h"

namespace weir::storage::local {

/// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      close();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  ~Descriptor() { close(); }

  int get() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  int close();  ///< The result of close(2), or 0 where nothing was open.
  int release() { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
};

/// Opens `path` below the folder `root`, relative links that stay below it followed. On failure the
/// descriptor is not open and errno says why: EXDEV where the path would leave the root.
Descriptor open_beneath(int root, const std::string& path, int flags);

/// The same one segment at a time, for kernels without openat2: follows no link at all (ELOOP).
Descriptor open_beneath_by_walking(int root, const std::string& path, int flags);

/// The root and the folders below it, made on demand and made to last.
/// Safe to use from many threads at once.
class Folders {
 public:
  explicit Folders(std::string root) : root_(std::move(root)) {}

  const std::string& root() const { return root_; }
  std::string path_of(std::string_view name) const;

  /// The root; a failed descriptor with errno where there is none.
  Descriptor open_root() const;

  /// The folder `folder` (empty: the root), made where it is not there. Every folder on the way has
  /// been synced into its parent, also one that a process made which died before it could.
  Result<Descriptor> open_lasting(const std::string& folder);

 private:
  Result<Descriptor> open_lasting_root();
  bool is_known(const std::string& folder) const;
  void remember(const std::string& folder);

  std::string root_;
  mutable std::mutex mutex_;
  std::set<std::string> lasting_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace weir::storage::local
