#pragma once

/// The lease of a run, kept alive by a thread that also looks for a wish to cancel.

#include <memory>
#include <string>
#include <thread>

#include "base/cancel.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "orchestrate/services.h"

namespace weir::orchestrate {

/// Held until it is destroyed. Cancels `cancel` once the run's row asks for it, or once the lease
/// was lost to another process.
class RunLease {
 public:
  /// To work on the whole run. kConflict, naming the holder, where a living process works on it or
  /// on a task of it.
  static Result<std::unique_ptr<RunLease>> take(const Services& services, const std::string& run_id,
                                                Cancel& cancel);
  /// To work on one task by itself; others may work on other tasks. kConflict as above.
  static Result<std::unique_ptr<RunLease>> take_task(const Services& services,
                                                     const std::string& run_id,
                                                     const std::string& task_id, Cancel& cancel);
  RunLease(const RunLease&) = delete;
  RunLease& operator=(const RunLease&) = delete;
  ~RunLease();
  int64_t epoch() const { return lease_.epoch; }

 private:
  static Result<std::unique_ptr<RunLease>> take_named(const Services& services,
                                                      const std::string& name,
                                                      const std::string& run_id, Cancel& cancel);
  RunLease(const Services& services, std::string run_id, catalog::Lease lease, Cancel& cancel);
  void watch(const std::stop_token& stop, const std::string& run_id, Cancel& cancel);

  const Services& services_;
  catalog::Lease lease_;
  std::jthread thread_;
};

/// Whether a living process works on the run, or on a task of it.
Result<bool> is_run_alive(const Services& services, const std::string& run_id);

}  // namespace weir::orchestrate
