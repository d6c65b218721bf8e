#include "attempts.h"

#include <algorithm>

#include "orchestrate/executor/threads.h"
#include "orchestrate/runner.h"

namespace weir::simulate {
namespace {

using catalog::TaskRun;
using catalog::TaskState;
using orchestrate::TaskExit;

/// One attempt at work: what it does to the world, and what becomes of it.
class Work {
 public:
  Work(const Stage& stage, catalog::Catalog& catalog, const TaskRun& row,
       const catalog::Lease& lease, Cancel& cancel)
      : world_(*stage.world),
        plan_(*stage.plan),
        catalog_(catalog),
        row_(row),
        lease_(lease),
        cancel_(cancel) {}

  Result<TaskState> go() {
    Dice& dice = world_.dice;
    int64_t duration_us = dice.between(1, plan_.longest_task_ms) * 1000;
    hangs_ = !world_.is_calm && dice.chance(plan_.weather.watch_hangs);
    if (hangs_) {
      duration_us = dice.between(1, 3 * plan_.lease_ms) * 1000;
      world_.note_fault();
    }
    const int64_t end_us = world_.now_us + duration_us;
    int64_t effect_us = dice.chance(0.8) ? world_.now_us + dice.between(0, duration_us) : kNever;
    if (!world_.is_calm && dice.chance(plan_.weather.task_dies))
      dies_at_us_ = world_.now_us + dice.between(0, duration_us);
    next_look_us_ = world_.now_us + kLookUs;
    next_renewal_us_ = world_.now_us + plan_.lease_ms * 300;
    while (true) {
      WEIR_TRY(cancel_.check());
      const int64_t now_us = world_.now_us;
      if (world_.is_calm) dies_at_us_ = kNever;  // it had its time, and did not come to it
      if (dies_at_us_ <= now_us) world_.kill(*world_.running()->process);
      if (effect_us <= now_us) {
        effect_us = kNever;
        WEIR_TRY(have_effect());
        continue;
      }
      if (now_us >= end_us) break;
      WEIR_TRY(watch());
      world_.sleep_until(std::min({end_us, effect_us, next_look_us_, next_renewal_us_,
                                   std::max(dies_at_us_, world_.now_us)}));
    }
    return fate();
  }

 private:
  static constexpr int64_t kLookUs = 5 * kSecondUs;

  /// As LeaseWatch does.
  Status watch() {
    if (hangs_) {
      next_look_us_ = next_renewal_us_ = kNever;
      return {};
    }
    if (world_.now_us >= next_look_us_) {
      next_look_us_ = world_.now_us + kLookUs;
      const auto run = catalog_.flow_run(row_.run_id);
      if (run && run->cancel_requested) cancel_.cancel("cancelled by request");
    }
    if (world_.now_us >= next_renewal_us_) {
      next_renewal_us_ = world_.now_us + plan_.lease_ms * 300;
      const Status renewed = catalog_.renew_lease(lease_, plan_.lease_ms);
      if (!renewed && renewed.error().code == ErrorCode::kConflict)
        cancel_.cancel("the lease of the run was lost to another process");
    }
    return {};
  }

  Status have_effect() {
    catalog::OperationRecord record;
    record.run_id = row_.run_id;
    record.task_id = row_.task_id;
    record.attempt = row_.attempt;
    record.epoch = row_.epoch;
    record.operation.token = fmt::format("{}/{}/{}", row_.run_id, row_.task_id, row_.epoch);
    record.hop = fmt::format("{}/{}", row_.attempt, row_.epoch);
    return catalog_.record_operation(record);
  }

  Result<TaskState> fate() {
    if (!world_.dice.chance(plan_.weather.task_fails))
      return world_.dice.chance(0.05) ? TaskState::kHeld : TaskState::kSucceeded;
    constexpr std::array kCodes = {ErrorCode::kInvalidData, ErrorCode::kUnavailable,
                                   ErrorCode::kUnavailable, ErrorCode::kOutcomeUnknown,
                                   ErrorCode::kResourceExhausted};
    return fail(kCodes[static_cast<size_t>(world_.dice.between(0, std::ssize(kCodes) - 1))],
                "as the dice say");
  }

  World& world_;
  const Plan& plan_;
  catalog::Catalog& catalog_;
  const TaskRun& row_;
  const catalog::Lease& lease_;
  Cancel& cancel_;
  bool hangs_ = false;
  int64_t dies_at_us_ = kNever;
  int64_t next_look_us_ = 0;
  int64_t next_renewal_us_ = 0;
};

}  // namespace

Outfit::Outfit(const Stage& stage, Process& its_process)
    : process(its_process),
      catalog(*stage.catalog, *stage.world, its_process, stage.plan->weather),
      clock(*stage.world, &its_process) {
  services.catalog = &catalog;
  services.clock = &clock;
  services.random = stage.random;
  services.log = stage.log;
  services.holder = its_process.name;
  services.lease_ms = stage.plan->lease_ms;
  services.make_attempt = [this, &stage](const TaskRun& row, const catalog::Lease& lease,
                                         Cancel& cancel) {
    return Work(stage, catalog, row, lease, cancel).go();
  };
}

int64_t SimulatedExecutor::room() const { return stage_.plan->slots - std::ssize(jobs_); }

void SimulatedExecutor::start(orchestrate::TaskLaunch launch) {
  stage_.auditor->note_launch(launch.row.run_id, launch.row.task_id, stage_.world->now_us);
  auto job = std::make_shared<Job>();
  job->launch = std::move(launch);
  jobs_.push_back(job);
  all_.push_back(job);
  World& world = *stage_.world;
  if (!has_processes_) {
    Fiber& thread = world.spawn(
        server_.process, "attempt", [this, job] { run_as_thread(*job); },
        [this, job](bool was_killed) {
          if (!was_killed) end(job, false);
        });
    thread.epoch = job->launch.run.epoch;
    return;
  }
  Process& process = world.add_process(fmt::format("{}.{}", server_.process.name, all_.size()),
                                       server_.process.skew_us);
  job->outfit = std::make_unique<Outfit>(stage_, process);
  Fiber& main = world.spawn(
      process, "attempt", [this, job] { run_as_process(*job); },
      [this, job](bool was_killed) { end(job, was_killed); });
  main.epoch = job->launch.run.epoch;
}

void SimulatedExecutor::run_as_thread(Job& job) {
  stage_.world->sleep(stage_.world->dice.between(10, 1000));
  job.exit = orchestrate::make_attempt_here(server_.services, job.launch, job.cancel);
}

void SimulatedExecutor::run_as_process(Job& job) {
  World& world = *stage_.world;
  const bool is_slow = !world.is_calm && world.dice.chance(stage_.plan->weather.slow);
  if (is_slow) world.note_fault();
  world.sleep(is_slow ? world.dice.between(1, 90'000) * 1000 : world.dice.between(5000, 50'000));
  const auto pinned = job.launch.pinned;
  const auto made = orchestrate::run_task(
      job.outfit->services,
      [&](const std::string&) -> Result<orchestrate::Pinned> { return *pinned; },
      {.flow_id = job.launch.run.flow_id,
       .task_id = job.launch.row.task_id,
       .run_key = job.launch.run.run_key,
       .attempt = 1,
       .params = Json::object(),
       .driver_epoch = job.launch.run.epoch},
      job.cancel);
  world.trace("{}/{} {}", job.launch.row.run_id, job.launch.row.task_id,
              made ? "is done" : to_line(made.error()));
}

void SimulatedExecutor::end(const std::shared_ptr<Job>& job, bool was_killed) {
  jobs_.remove(job);
  if (server_.process.is_dead) return;
  job->exit.run_id = job->launch.row.run_id;
  job->exit.task_id = job->launch.row.task_id;
  if (was_killed) {
    job->exit.how = TaskExit::How::kLost;
    job->exit.error = fail(ErrorCode::kUnavailable, "its process was ended by signal 9").error();
  } else if (has_processes_ && job->was_asked) {
    job->exit.how = TaskExit::How::kLost;
    job->exit.error = fail(ErrorCode::kCancelled, "asked to stop").error();
  }
  exits_.push_back(job->exit);
  if (on_exit) on_exit();
}

void SimulatedExecutor::cancel(const std::string& run_id, const std::string& reason) {
  World& world = *stage_.world;
  for (const auto& job : jobs_) {
    if (job->launch.run.run_id != run_id) continue;
    job->was_asked = true;
    if (!has_processes_) {
      job->cancel.cancel(reason);
      continue;
    }
    // SIGTERM, and SIGKILL where it does not listen.
    world.at(world.now_us + 1000, [job] { job->cancel.cancel("signal 15"); });
    world.at(world.now_us + 5 * kSecondUs, [this, job, &world] {
      if (std::ranges::find(jobs_, job) != jobs_.end()) world.kill(job->outfit->process);
    });
  }
}

void SimulatedExecutor::die_with_server() {
  if (!has_processes_ || stage_.world->dice.chance(0.5)) return;
  for (const auto& job : std::list(jobs_)) stage_.world->kill(job->outfit->process);
}

}  // namespace weir::simulate
