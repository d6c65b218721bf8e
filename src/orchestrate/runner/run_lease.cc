#include "orchestrate/runner/run_lease.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace weir::orchestrate {
namespace {

/// The lease of the task of the run that a living process works on by itself; empty for none.
Result<std::string> lease_of_a_task(const Services& services, const std::string& run_id) {
  WEIR_ASSIGN(const auto rows, services.catalog->task_runs(run_id));
  for (const auto& row : rows) {
    if (row.state != catalog::TaskState::kRunning) continue;
    auto name = catalog::task_lease(run_id, row.task_id);
    WEIR_ASSIGN(const bool is_alive, services.catalog->is_lease_alive(name));
    if (is_alive) return name;
  }
  return std::string();
}

}  // namespace

std::unexpected<Error> is_taken(const Services& services, const std::string& run_id,
                                const std::string& lease_name) {
  auto holder = services.catalog->lease_holder(lease_name);
  return fail_with_hint(ErrorCode::kConflict,
                        fmt::format("run {} is being worked on by {}", run_id,
                                    holder && !holder->empty() ? *holder : "another process"),
                        "`weir status` shows it; `weir cancel` ends it");
}

LeaseWatch::LeaseWatch(const Services& services, catalog::Lease lease, std::string run_id,
                       Cancel& cancel)
    : services_(services),
      thread_([this, lease = std::move(lease), run_id = std::move(run_id),
               &cancel](const std::stop_token& stop) { watch(stop, lease, run_id, cancel); }) {}

void LeaseWatch::watch(const std::stop_token& stop, const catalog::Lease& lease,
                       const std::string& run_id, Cancel& cancel) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  constexpr auto kLook = std::chrono::milliseconds(500);
  int64_t next_renewal_us = services_.clock->monotonic_us() + services_.lease_ms * 300;
  while (!stop.stop_requested()) {
    static_cast<void>(wake.wait_for(lock, stop, kLook, [] { return false; }));
    if (stop.stop_requested()) return;
    auto run = services_.catalog->flow_run(run_id);
    if (run && run->cancel_requested) cancel.cancel("cancelled by request");
    if (services_.clock->monotonic_us() < next_renewal_us) continue;
    next_renewal_us = services_.clock->monotonic_us() + services_.lease_ms * 300;
    const auto renewed = services_.catalog->renew_lease(lease, services_.lease_ms);
    if (!renewed && renewed.error().code == ErrorCode::kConflict)
      cancel.cancel("the lease of the run was lost to another process");
  }
}

// Who drives a run and who works on a task of it by itself keep each other out: the first takes the
// run's lease, then looks for those of its tasks; the other looks for the run's, and begins only
// while nobody has come to drive the run since (catalog::Catalog::Begin::run).
Result<std::unique_ptr<RunLease>> RunLease::take(const Services& services,
                                                 const std::string& run_id, Cancel& cancel) {
  const std::string name = catalog::run_lease(run_id);
  WEIR_ASSIGN(auto taken,
              services.catalog->take_lease(name, services.holder, services.lease_ms, 0));
  if (!taken) return is_taken(services, run_id, name);
  std::unique_ptr<RunLease> lease(new RunLease(services, run_id, *std::move(taken), cancel));
  WEIR_ASSIGN(const std::string of_task, lease_of_a_task(services, run_id));
  if (!of_task.empty()) return is_taken(services, run_id, of_task);
  return lease;
}

RunLease::RunLease(const Services& services, const std::string& run_id, catalog::Lease lease,
                   Cancel& cancel)
    : services_(services),
      lease_(std::move(lease)),
      watch_(std::make_unique<LeaseWatch>(services, lease_, run_id, cancel)) {}

RunLease::~RunLease() {
  watch_.reset();
  static_cast<void>(services_.catalog->release_lease(lease_));
}

Result<bool> is_run_alive(const Services& services, const catalog::FlowRun& run) {
  std::string driver = catalog::run_lease(run.run_id);
  if (run.is_served) driver = std::string(catalog::kServerLease) + run.server_id;
  WEIR_ASSIGN(const bool is_alive, services.catalog->is_lease_alive(driver));
  if (is_alive) return true;
  WEIR_ASSIGN(const std::string of_task, lease_of_a_task(services, run.run_id));
  return !of_task.empty();
}

}  // namespace weir::orchestrate
