#pragma once

/// Wakes up where something changes in local folders (inotify). It only says where to look: what
/// came, and whether it is whole, the listing decides. Where the system gives no more watches
/// listings at intervals remain.

#include <memory>
#include <string>
#include <vector>

#include "arrivals/watch.h"
#include "base/result.h"

namespace weir::arrivals {

/// What moved since it was asked last.
struct Changes {
  std::vector<std::string> files;    ///< Absolute paths of files that were written, or moved in.
  std::vector<std::string> folders;  ///< Of folders in which anything may have come.
  bool is_everything = false;        ///< Changes were lost (overflow): look everywhere.
  bool empty() const { return files.empty() && folders.empty() && !is_everything; }
};

/// Not for use from several threads at once, but for wake().
class FolderWatch {
 public:
  virtual ~FolderWatch() = default;
  /// Readable when take() has something to give; for poll(2) beside others.
  virtual int descriptor() const = 0;
  /// What moved; empty where nothing did. Does not wait.
  virtual Result<Changes> take() = 0;
  /// Waits until something moved, wake() was called, or the time is over; then as take().
  virtual Result<Changes> wait(int64_t timeout_ms) = 0;
  /// Ends a wait(). Safe to call from any thread.
  virtual void wake() = 0;
  /// Why some folders are not watched; empty where all are.
  virtual const std::vector<std::string>& unwatched() const = 0;
};

/// Watches the folders and all below them, new ones as they come. A folder that is not there is
/// watched from its nearest parent. Folders that cannot be watched are unwatched(), no error.
/// kUnavailable where the system gives no inotify at all.
Result<std::unique_ptr<FolderWatch>> watch_folders(const std::vector<std::string>& folders);

/// The folders of this machine that a Watch lists.
std::vector<std::string> folders_of(const Watch& watch);
/// Tells it where to look.
void pass_on(const Changes& changes, Watch& watch);

}  // namespace weir::arrivals
