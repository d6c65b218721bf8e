#include "orchestrate/runner/run_lease.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace weir::orchestrate {
namespace {

std::string lease_name(const std::string& run_id) { return "flow_run:" + run_id; }
std::string lease_name(const std::string& run_id, const std::string& task_id) {
  return lease_name(run_id) + ":" + task_id;
}

std::unexpected<Error> taken(const Services& services, const std::string& run_id,
                             const std::string& name) {
  auto holder = services.catalog->lease_holder(name);
  return fail_with_hint(ErrorCode::kConflict,
                        fmt::format("run {} is being worked on by {}", run_id,
                                    holder ? *holder : std::string("another process")),
                        "`weir status` shows it; `weir cancel` ends it");
}

/// The lease of the task of the run that a living process works on by itself; empty for none.
Result<std::string> lease_of_a_task(const Services& services, const std::string& run_id) {
  WEIR_ASSIGN(const auto rows, services.catalog->task_runs(run_id));
  for (const auto& row : rows) {
    auto name = lease_name(run_id, row.task_id);
    WEIR_ASSIGN(const bool is_alive, services.catalog->is_lease_alive(name));
    if (is_alive) return name;
  }
  return std::string();
}

}  // namespace

Result<std::unique_ptr<RunLease>> RunLease::take_named(const Services& services,
                                                       const std::string& name,
                                                       const std::string& run_id, Cancel& cancel) {
  WEIR_ASSIGN(auto lease,
              services.catalog->take_lease(name, services.holder, services.lease_ms, 0));
  if (!lease) return taken(services, run_id, name);
  return std::unique_ptr<RunLease>(new RunLease(services, run_id, *lease, cancel));
}

// Who works on a run and who works on a task of it keep each other out: each takes its own lease
// first and looks for the other's then, so that at most one of two finds none.
Result<std::unique_ptr<RunLease>> RunLease::take(const Services& services,
                                                 const std::string& run_id, Cancel& cancel) {
  WEIR_ASSIGN(auto lease, take_named(services, lease_name(run_id), run_id, cancel));
  WEIR_ASSIGN(const std::string of_task, lease_of_a_task(services, run_id));
  if (!of_task.empty()) return taken(services, run_id, of_task);
  return lease;
}

Result<std::unique_ptr<RunLease>> RunLease::take_task(const Services& services,
                                                      const std::string& run_id,
                                                      const std::string& task_id, Cancel& cancel) {
  WEIR_ASSIGN(auto lease, take_named(services, lease_name(run_id, task_id), run_id, cancel));
  WEIR_ASSIGN(const bool is_run_taken, services.catalog->is_lease_alive(lease_name(run_id)));
  if (is_run_taken) return taken(services, run_id, lease_name(run_id));
  return lease;
}

RunLease::RunLease(const Services& services, std::string run_id, catalog::Lease lease,
                   Cancel& cancel)
    : services_(services),
      lease_(std::move(lease)),
      thread_([this, run_id = std::move(run_id), &cancel](const std::stop_token& stop) {
        watch(stop, run_id, cancel);
      }) {}

RunLease::~RunLease() {
  thread_.request_stop();
  thread_.join();
  static_cast<void>(services_.catalog->release_lease(lease_));
}

void RunLease::watch(const std::stop_token& stop, const std::string& run_id, Cancel& cancel) {
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
    const auto renewed = services_.catalog->renew_lease(lease_, services_.lease_ms);
    if (!renewed && renewed.error().code == ErrorCode::kConflict)
      cancel.cancel("the lease of the run was lost to another process");
  }
}

Result<bool> is_run_alive(const Services& services, const std::string& run_id) {
  WEIR_ASSIGN(const bool is_alive, services.catalog->is_lease_alive(lease_name(run_id)));
  if (is_alive) return true;
  WEIR_ASSIGN(const std::string of_task, lease_of_a_task(services, run_id));
  return !of_task.empty();
}

}  // namespace weir::orchestrate
