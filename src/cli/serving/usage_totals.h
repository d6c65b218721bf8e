#pragma once

/// What attempts of tasks took that ended under this server, for `/metrics`.

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/check.h"
#include "catalog/catalog.h"
#include "server/actions.h"

namespace weir::cli {

/// Safe to use from many threads at once.
class UsageTotals {
 public:
  /// Of flows and templates beyond so many pairs the totals stand under this name.
  static constexpr size_t kMostPairs = 1000;
  static constexpr const char* kOthers = "(others)";

  void note(const std::string& flow_id, const catalog::TaskRun& ended);
  server::TaskUsage now() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, server::TaskUsage::Took> by_flow_
      WEIR_GUARDED_BY(mutex_);
  std::map<std::string, server::TaskUsage::Peaks> by_template_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace weir::cli
