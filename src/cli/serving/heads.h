#pragma once

/// The configurations of a server's runs: made anew only where something changed.

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/check.h"
#include "cli/found_values.h"
#include "cli/session.h"
#include "orchestrate/services.h"

namespace weir::cli {

/// Safe to use from many threads at once.
class Heads {
 public:
  /// The session must outlive it.
  explicit Heads(Session& session) : session_(session) {}

  using Kept = std::shared_ptr<const orchestrate::Pinned>;

  /// The head of the catalog as it is now: the same object while neither its rows nor the files
  /// that they name have changed.
  Result<Kept> current();
  /// What a new run pins. A flow with tables or files by pattern looks them up each time.
  Result<Kept> of_run(const RunToBe& run);
  /// What an earlier run pinned.
  Result<Kept> of_version(const std::string& hash);

 private:
  // With mutex_ locked.
  Result<Kept> current_locked();
  std::string state_of_files(const orchestrate::Pinned& pinned) const;
  void keep(const Kept& pinned);

  Session& session_;
  std::mutex mutex_;
  std::set<std::string> with_patterns_ WEIR_GUARDED_BY(mutex_);
  Kept head_ WEIR_GUARDED_BY(mutex_);
  int64_t revision_ WEIR_GUARDED_BY(mutex_) = 0;
  std::string files_ WEIR_GUARDED_BY(mutex_);  ///< How the files of head_ were.
  std::deque<Kept> recent_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace weir::cli
