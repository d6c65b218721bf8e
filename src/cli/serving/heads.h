#pragma once

/// The configuration of a server: its head, read anew only where something changed, and what its
/// runs pinned.

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/check.h"
#include "cli/found_values.h"
#include "cli/session.h"
#include "config/common_rows.h"
#include "orchestrate/services.h"

namespace weir::cli {

/// The head of the catalog as far as it is used before a run begins.
struct Head {
  int64_t revision = 0;  ///< Of the catalog's rows.
  /// Each row resolved for itself; flows without tasks. Datasets and templates are in `common`
  /// alone.
  model::Configuration configuration;
  config::CommonRows common;  ///< As written.
  /// A sentence for each row that does not resolve: it stands in `configuration` as it last did, in
  /// this server or in the newest version, or not at all. A run that needs it cannot begin.
  std::vector<std::string> faults;
};

/// Safe to use from many threads at once.
class Heads {
 public:
  /// The session must outlive it.
  explicit Heads(Session& session) : session_(session) {}

  using Kept = std::shared_ptr<const orchestrate::Pinned>;
  using KeptHead = std::shared_ptr<const Head>;

  /// The same object while no row of the configuration has changed. An error is the catalog's: it
  /// cannot be reached, or a row cannot be read.
  Result<KeptHead> current();
  /// The same; where that fails, the last one that could be read: what is known goes on.
  Result<KeptHead> known();
  /// Of known(): who is told of what.
  Result<std::shared_ptr<const model::Configuration>> rules();
  /// What a new run pins: its flow as it is now. The same object while neither rows nor the files
  /// that it names have changed; a flow with tables or files by pattern looks them up each time.
  Result<Kept> of_run(const RunToBe& run);
  /// What an earlier run pinned.
  Result<Kept> of_version(const std::string& hash);

 private:
  /// A version that may be asked for again.
  struct Recent {
    Kept pinned;
    // Where it is what the next run pins:
    std::string flow_id = {};
    int64_t revision = 0;
    std::string files = {};  ///< How they were.
  };
  std::string state_of_files(const orchestrate::Pinned& pinned) const;
  Kept find_recent(const std::string& flow_id, int64_t revision);
  void keep(Recent recent);

  Session& session_;
  std::mutex mutex_;
  KeptHead head_ WEIR_GUARDED_BY(mutex_);
  std::list<Recent> recent_ WEIR_GUARDED_BY(mutex_);  ///< The last used first.
  size_t tasks_of_recent_ WEIR_GUARDED_BY(mutex_) = 0;
};

}  // namespace weir::cli
