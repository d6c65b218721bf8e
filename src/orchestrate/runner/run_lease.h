#pragma once

/// The leases of a run and of its tasks, kept alive by a thread that also looks for a wish to
/// cancel.

#include <memory>
#include <string>
#include <thread>

#include "base/cancel.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "orchestrate/services.h"

namespace weir::orchestrate {

/// Keeps a lease alive while it lives. Cancels `cancel` once the run's row asks for it, or once the
/// lease was lost to another process.
class LeaseWatch {
 public:
  LeaseWatch(const Services& services, catalog::Lease lease, std::string run_id, Cancel& cancel);
  LeaseWatch(const LeaseWatch&) = delete;
  LeaseWatch& operator=(const LeaseWatch&) = delete;

 private:
  void watch(const std::stop_token& stop, const catalog::Lease& lease, const std::string& run_id,
             Cancel& cancel);

  const Services& services_;
  std::jthread thread_;
};

/// To drive the whole run from this process. Held until it is destroyed.
class RunLease {
 public:
  /// kConflict, naming the holder, where a living process works on it or on a task of it.
  static Result<std::unique_ptr<RunLease>> take(const Services& services, const std::string& run_id,
                                                Cancel& cancel);
  RunLease(const RunLease&) = delete;
  RunLease& operator=(const RunLease&) = delete;
  ~RunLease();

 private:
  RunLease(const Services& services, const std::string& run_id, catalog::Lease lease,
           Cancel& cancel);

  const Services& services_;
  catalog::Lease lease_;
  std::unique_ptr<LeaseWatch> watch_;
};

/// kConflict, naming who works on the run, for a lease that is held.
std::unexpected<Error> is_taken(const Services& services, const std::string& run_id,
                                const std::string& lease_name);

/// Whether a living process drives the run, or works on a task of it.
Result<bool> is_run_alive(const Services& services, const catalog::FlowRun& run);

}  // namespace weir::orchestrate
