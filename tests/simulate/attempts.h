#pragma once

/// Who makes attempts in the simulation: threads of a server, which die with it, or processes,
/// which may outlive it. What they do between beginning and end is chance; beginning and end are
/// the product's.

#include <list>
#include <map>
#include <memory>
#include <set>

#include "auditor.h"
#include "faulty_catalog.h"
#include "orchestrate/executor.h"
#include "orchestrate/services.h"
#include "world.h"

namespace weir::simulate {

/// What all of one seed stand on.
struct Stage {
  World* world = nullptr;
  Auditor* auditor = nullptr;
  catalog::Catalog* catalog = nullptr;
  const Plan* plan = nullptr;
  std::shared_ptr<const orchestrate::Pinned> pinned;
  Random* random = nullptr;
  Log* log = nullptr;
};

/// A process with its own way to the catalog.
struct Outfit {
  Outfit(const Stage& stage, Process& its_process);
  Process& process;
  FaultyCatalog catalog;
  ProcessClock clock;
  orchestrate::Services services;
};

class SimulatedExecutor final : public orchestrate::Executor {
 public:
  SimulatedExecutor(const Stage& stage, Outfit& server, bool has_processes)
      : stage_(stage), server_(server), has_processes_(has_processes) {}

  int64_t room() const override;
  void start(orchestrate::TaskLaunch launch) override;
  void cancel(const std::string& run_id, const std::string& reason) override;
  std::vector<orchestrate::TaskExit> finished() override { return std::exchange(exits_, {}); }
  int64_t count() const override { return std::ssize(jobs_) + std::ssize(exits_); }
  void wait_ms(int64_t /*duration_ms*/) override {}
  void wake() override {}

  std::function<void()> on_exit;
  /// The server has died: so do its threads, and its processes sometimes.
  void die_with_server();

 private:
  struct Job {
    orchestrate::TaskLaunch launch;
    Cancel cancel;
    std::unique_ptr<Outfit> outfit;  ///< Of its own process.
    orchestrate::TaskExit exit;
    bool was_asked = false;
  };
  void run_as_thread(Job& job);
  void run_as_process(Job& job);
  void end(const std::shared_ptr<Job>& job, bool was_killed);

  const Stage& stage_;
  Outfit& server_;
  const bool has_processes_;
  std::list<std::shared_ptr<Job>> jobs_;
  std::vector<std::shared_ptr<Job>> all_;  ///< Kept as long as their fibers.
  std::vector<orchestrate::TaskExit> exits_;
};

}  // namespace weir::simulate
