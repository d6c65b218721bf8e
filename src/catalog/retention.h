#pragma once

/// What is forgotten of runs that ended long ago, so that a catalog does not grow for ever. The
/// lake knows by itself what was published, loaded and rejected; nothing of that is touched here,
/// nor the audit log, facts of reconciliation, holds, watermarks and which files arrived. Holds and
/// counts of rejected rows are listed with their runs: no more, once those are gone.

#include <cstdint>

#include "base/result.h"

namespace weir::catalog {

struct PruneRequest {
  int64_t before_us = 0;  ///< Runs that ended before it may go.
  int64_t keep = 1;       ///< The newest runs of each flow stay, so many; at least 1.
  int64_t most = 10'000;  ///< Runs of one call; there may be more.
  bool is_rehearsal = false;
};

/// How many rows went, or would go.
struct Pruned {
  int64_t runs = 0;
  int64_t tasks = 0;
  int64_t log_lines = 0;
  int64_t messages = 0;  ///< Of the outbox, sent or given up.
  int64_t versions = 0;  ///< Of configurations, which no run uses any more.
  bool has_more = false;
  bool is_nothing() const { return runs + messages + versions == 0; }
};

class Retention {
 public:
  virtual ~Retention() = default;
  /// A run that has not ended, has an open hold, is among the newest of its flow or is the newest
  /// that succeeded stays, whatever its age. In transactions of some hundred runs: others write
  /// meanwhile. Of a run that goes all goes at once.
  virtual Result<Pruned> prune(const PruneRequest& request) = 0;
};

}  // namespace weir::catalog
