#include "simulation.h"

#include <algorithm>
#include <set>

#include "attempts.h"
#include "auditor.h"
#include "orchestrate/coordinator.h"
#include "orchestrate/restart.h"
#include "orchestrate/runner.h"

namespace weir::simulate {
namespace {

using orchestrate::Coordinator;
using orchestrate::RunWish;

class TraceLog final : public Log {
 public:
  explicit TraceLog(World& world) : world_(world) {}
  void write(LogLevel /*level*/, std::string_view message) override {
    world_.trace("says: {}", message);
  }

 private:
  World& world_;
};

/// The wishes of the plan, as one server sees them; some come twice.
class PlannedSource final : public orchestrate::RunSource {
 public:
  PlannedSource(const Stage& stage, catalog::Catalog& catalog) : stage_(stage), catalog_(catalog) {
    for (size_t i = 0; i < stage.plan->wishes.size(); ++i) {
      const auto& wish = stage.plan->wishes[i];
      const bool is_known = stage.auditor->has_run(wish.flow_id, wish.run_key);
      if (!is_known || stage.world->dice.chance(0.2)) open_.insert(i);
    }
  }

  Result<std::vector<RunWish>> due(int64_t now_us) override {
    WEIR_ASSIGN(const auto states, catalog_.flow_states());
    std::set<std::string> paused;
    for (const auto& state : states)
      if (state.is_paused) paused.insert(state.flow_id);
    std::vector<RunWish> wishes;
    for (const size_t i : open_) {
      const auto& planned = stage_.plan->wishes[i];
      const int64_t time_us = stage_.world->begun_us + planned.time_us;
      if (time_us > now_us || paused.contains(planned.flow_id)) continue;
      RunWish wish;
      wish.flow_id = planned.flow_id;
      wish.run_key = planned.run_key;
      wish.trigger = "scheduled";
      wish.logical_time_us = time_us;
      wish.interval_start_us = time_us - kHourUs;
      wish.interval_end_us = time_us;
      wishes.push_back(std::move(wish));
    }
    if (wishes.empty()) not_before_us_ = now_us + 20 * kSecondUs;
    return wishes;
  }

  Status started(const RunWish& wish, const catalog::FlowRun& /*run*/) override {
    for (const size_t i : open_) {
      if (stage_.plan->wishes[i].run_key != wish.run_key) continue;
      if (!stage_.world->dice.chance(0.1)) open_.erase(i);
      break;
    }
    return {};
  }

  int64_t next_us() const override {
    int64_t next_us = kNever;
    for (const size_t i : open_)
      next_us = std::min(next_us, stage_.world->begun_us + stage_.plan->wishes[i].time_us);
    return std::max(next_us, not_before_us_);
  }

 private:
  const Stage& stage_;
  catalog::Catalog& catalog_;
  std::set<size_t> open_;
  int64_t not_before_us_ = 0;
};

class Play;

struct Server {
  Server(const Stage& stage, Process& process, bool has_processes)
      : outfit(stage, process),
        executor(stage, outfit, has_processes),
        source(stage, outfit.catalog) {}
  Outfit outfit;
  SimulatedExecutor executor;
  PlannedSource source;
  Fiber* loop = nullptr;
  bool is_idle = false;
  bool is_leaving = false;
};

/// One seed.
class Play {
 public:
  Play(uint64_t seed, bool is_traced, catalog::Catalog& catalog, Journal& journal)
      : world_(seed, is_traced),
        random_(seed),
        log_(world_),
        plan_(make_plan(world_.dice)),
        auditor_(plan_, world_.begun_us),
        journal_(journal) {
    stage_ = {&world_, &auditor_, &catalog, &plan_, pin(plan_), &random_, &log_};
    world_.on_kill = [this](Process& process) { note_death(process); };
  }

  ~Play() { world_.end(); }
  Play(const Play&) = delete;
  Play& operator=(const Play&) = delete;

  int64_t now_us() const { return world_.now_us; }

  void commit(const std::vector<Change>& changes) {
    const Fiber* fiber = world_.running();
    const Who who = fiber == nullptr ? Who{}
                                     : Who{fiber->role, fiber->process->server_id,
                                           fiber->process->name, fiber->epoch};
    if (world_.is_traced()) tell(changes);
    auditor_.take(changes, who, world_.now_us, world_.last_fault_us);
    if (auditor_.active_runs() == 0) return;
    for (const auto& server : servers_)
      if (server->is_idle) {
        server->is_idle = false;
        world_.wake(*server->loop, world_.now_us + world_.dice.between(1, plan_.look_ms) * 1000);
      }
  }

  Seen go() {
    if (world_.is_traced()) tell_plan();
    for (int64_t i = 0; i < plan_.servers; ++i) start_server();
    for (int64_t i = 0; i < plan_.people; ++i) plan_person();
    const int64_t calm_us =
        world_.begun_us + plan_.length_us + world_.dice.between(0, 120) * kSecondUs;
    world_.at(calm_us, [this] {
      world_.is_calm = true;
      resume_all();
    });
    // Longer than any lease, pause and task.
    const int64_t quiet_us = 600 * kSecondUs;
    while (!auditor_.complaint() && world_.step()) {
      if (world_.now_us < calm_us) continue;
      if (is_over()) break;
      const int64_t since_us = std::max(calm_us, auditor_.last_progress_us());
      if (world_.now_us - since_us > quiet_us)
        auditor_.complain("nothing moves any more:" + auditor_.describe_open());
      if (world_.now_us - calm_us > 24 * kHourUs)
        auditor_.complain("it does not come to an end:" + auditor_.describe_open());
    }
    if (!auditor_.complaint()) auditor_.finish();
    Seen seen;
    seen.complaint = auditor_.complaint();
    seen.simulated_us = world_.now_us - world_.begun_us;
    seen.events = world_.event_count;
    seen.calls = world_.call_count;
    seen.faults = world_.fault_count;
    seen.runs = std::ssize(auditor_.runs());
    seen.begins = auditor_.begins();
    seen.effects = auditor_.effects();
    if (world_.is_traced() && seen.complaint) world_.write("WRONG: " + *seen.complaint);
    return seen;
  }

 private:
  bool is_over() const {
    return auditor_.active_runs() == 0 && std::ranges::all_of(plan_.wishes, [&](const auto& wish) {
             return auditor_.has_run(wish.flow_id, wish.run_key);
           });
  }

  void start_server() {
    const std::string id = fmt::format("s{}", ++numbered_);
    Process& process =
        world_.add_process(id, world_.dice.between(-plan_.most_skew_ms, plan_.most_skew_ms) * 1000);
    process.server_id = id;
    servers_.push_back(std::make_unique<Server>(stage_, process, world_.dice.chance(0.5)));
    Server& server = *servers_.back();
    server.executor.on_exit = [this, &server] {
      world_.wake(*server.loop, world_.now_us + world_.dice.between(10, 500));
    };
    server.loop = &world_.spawn(
        process, "server", [this, &server] { serve(server); },
        [this, &server](bool was_killed) {
          if (was_killed) server.executor.die_with_server();
          restart();
        });
  }

  void restart() {
    const int64_t after_us = world_.dice.between(100, 120'000) * 1000;
    world_.at(world_.now_us + after_us, [this] { start_server(); });
  }

  void serve(Server& server) {
    orchestrate::Pinning pinning;
    pinning.head =
        [this](const orchestrate::RunWish&) -> Result<std::shared_ptr<const orchestrate::Pinned>> {
      return stage_.pinned;
    };
    pinning.version =
        [this, &server](const std::string&) -> Result<std::shared_ptr<const orchestrate::Pinned>> {
      if (!world_.is_calm && world_.dice.chance(plan_.weather.unavailable))
        return fail(ErrorCode::kUnavailable, "the configuration cannot be read now");
      return stage_.pinned;
    };
    Coordinator coordinator(server.outfit.services, pinning, server.executor, {&server.source},
                            {server.outfit.process.server_id, plan_.look_ms, 1000});
    const int64_t skew_us = server.outfit.process.skew_us;
    int64_t spins = 0;
    while (true) {
      if (server.is_leaving) coordinator.drain();
      const auto next = coordinator.step();
      if (!next) world_.trace("step: {}", to_line(next.error()));
      if (server.is_leaving && coordinator.is_idle() && coordinator.leave()) return;
      int64_t until_us = next ? *next - skew_us : world_.now_us + kSecondUs;
      spins = until_us <= world_.now_us ? spins + 1 : 0;
      if (spins > 100) auditor_.complain("server " + server.outfit.process.name + " spins");
      until_us = std::max(until_us, world_.now_us + 1000);
      // Hours in which nothing can happen are not looked through second by second.
      if (next && auditor_.active_runs() == 0 && coordinator.count_runs() == 0 &&
          coordinator.is_idle() && !server.is_leaving) {
        server.is_idle = true;
        until_us = std::max(world_.now_us + 1000, server.source.next_us() - skew_us);
      }
      world_.sleep_until(until_us);
      server.is_idle = false;
    }
  }

  void note_death(Process& process) {
    auditor_.note_death(process.name);
    // Half of them are on one host, where others see at once that a process is gone.
    if (!world_.dice.chance(0.5)) return;
    journal_.watch(false);
    journal_.execute("UPDATE lease SET boot_id = 'gone' WHERE holder = '" + process.name + "'");
    journal_.watch(true);
    auditor_.note_gone(process.name);
  }

  // ---- people

  void plan_person() {
    const auto& wishes = plan_.wishes;
    const auto& wish = wishes[static_cast<size_t>(world_.dice.between(0, std::ssize(wishes) - 1))];
    const int64_t at_us = world_.begun_us + wish.time_us + world_.dice.between(0, 60'000) * 1000;
    const int64_t what = world_.dice.between(0, 9);
    world_.at(at_us, [this, what, flow_id = wish.flow_id] {
      Process& process = world_.add_process(fmt::format("person{}", ++people_));
      auto outfit = std::make_shared<Outfit>(stage_, process);
      world_.spawn(process, "person", [this, what, flow_id, outfit] {
        if (what < 4) return cancel_one(*outfit);
        if (what < 7) return retry_one(*outfit);
        if (what == 7) return mark_one(*outfit);
        if (what == 8) return pause(*outfit, flow_id);
        leave_one();
      });
    });
  }

  template <typename Is>
  std::optional<std::string> some_run(Is&& is) {
    auto runs = auditor_.runs();
    std::erase_if(runs, [&](const auto& run) { return !is(run); });
    if (runs.empty()) return std::nullopt;
    return runs[static_cast<size_t>(world_.dice.between(0, std::ssize(runs) - 1))].run_id;
  }

  void cancel_one(Outfit& outfit) {
    const auto run_id =
        some_run([](const auto& run) { return run.state == "queued" || run.state == "running"; });
    if (!run_id) return;
    world_.trace("cancels {}", *run_id);
    const auto asked = orchestrate::cancel_run(outfit.services, *run_id);
    if (!asked) world_.trace("cancel: {}", to_line(asked.error()));
  }

  void retry_one(Outfit& outfit) {
    const bool dares = world_.dice.chance(0.2);
    const auto run_id = some_run([&](const auto& run) { return !run.is_driven || dares; });
    if (!run_id) return;
    const auto retry = [&]() -> Status {
      const auto& services = outfit.services;
      WEIR_ASSIGN(const auto run, services.catalog->flow_run(*run_id));
      const model::Flow* flow = stage_.pinned->configuration.find_flow(run.flow_id);
      std::string from;
      if (!flow->tasks.empty() &&
          (run.state == catalog::RunState::kSucceeded || world_.dice.chance(0.3)))
        from = flow->tasks[static_cast<size_t>(world_.dice.between(0, std::ssize(flow->tasks) - 1))]
                   .task_id;
      world_.trace("retries {} from '{}'", *run_id, from);
      auditor_.expect_retry(outfit.process.name, from);
      WEIR_TRY(orchestrate::enqueue_retry(services, *stage_.pinned,
                                          {.run_id = *run_id,
                                           .from_task = from,
                                           .may_change_configuration = false,
                                           .max_parallel_tasks = 4}));
      return {};
    };
    const Status retried = retry();
    if (!retried) world_.trace("retry: {}", to_line(retried.error()));
  }

  void mark_one(Outfit& outfit) {
    const auto run_id = some_run([](const auto&) { return true; });
    if (!run_id) return;
    const auto rows = outfit.catalog.task_runs(*run_id);
    if (!rows || rows->empty()) return;
    const auto& row = (*rows)[static_cast<size_t>(world_.dice.between(0, std::ssize(*rows) - 1))];
    const auto to = row.state == catalog::TaskState::kSucceeded ? catalog::TaskState::kFailed
                                                                : catalog::TaskState::kSucceeded;
    world_.trace("marks {}/{} as {}", *run_id, row.task_id, to_text(to));
    const auto marked = orchestrate::mark_task(outfit.services, *run_id, row.task_id, to,
                                               outfit.process.name, "as the dice say");
    if (!marked) world_.trace("mark: {}", to_line(marked.error()));
  }

  void pause(Outfit& outfit, const std::string& flow_id) {
    static_cast<void>(outfit.catalog.pause_flow(flow_id, true, "ann", "to look at it"));
    world_.sleep(world_.dice.between(1, 120) * kSecondUs);
    // Until it is so: nobody else resumes it.
    for (int i = 0; i < 1000; ++i) {
      const Status resumed = outfit.catalog.pause_flow(flow_id, false, "ann", "");
      if (resumed || resumed.error().code == ErrorCode::kConflict) return;
      world_.sleep(kSecondUs);
    }
  }

  /// Who paused a flow may have died since.
  void resume_all() {
    Process& process = world_.add_process("cleaner");
    auto outfit = std::make_shared<Outfit>(stage_, process);
    world_.spawn(process, "person", [this, outfit] {
      for (const auto& flow : plan_.flows)
        static_cast<void>(outfit->catalog.pause_flow(flow.id, false, "ann", ""));
    });
  }

  void leave_one() {
    for (const auto& server : servers_) {
      if (server->outfit.process.is_dead || server->loop->has_ended || server->is_leaving) continue;
      world_.trace("asks {} to leave", server->outfit.process.name);
      server->is_leaving = true;
      world_.wake(*server->loop, world_.now_us + 1000);
      return;
    }
  }

  // ---- for readers

  void tell_plan() {
    world_.write(fmt::format("servers {}, slots {}, lease {} ms, look {} ms, skew {} ms",
                             plan_.servers, plan_.slots, plan_.lease_ms, plan_.look_ms,
                             plan_.most_skew_ms));
    const auto& w = plan_.weather;
    world_.write(
        fmt::format("unavailable {} lost {} pause {} crash {} slow {} cut {} dies {} hangs "
                    "{} fails {}",
                    w.unavailable, w.lost_answer, w.pause, w.crash, w.slow, w.cut, w.task_dies,
                    w.watch_hangs, w.task_fails));
    for (const auto& flow : plan_.flows) {
      world_.write(fmt::format("flow {}: at most {}, overlap {}", flow.id, flow.max_active_runs,
                               to_text(flow.overlap)));
      for (const auto& task : flow.tasks)
        world_.write(fmt::format("  {} after [{}] if {}, retries {}, pool '{}'", task.id,
                                 fmt::join(task.needs, " "), static_cast<int>(task.run_if),
                                 task.retries, task.pool));
    }
  }

  void tell(const std::vector<Change>& changes) {
    for (const auto& change : changes) {
      std::string text = change.table + ":";
      const Image& any = change.after.empty() ? change.before : change.after;
      for (const auto& [column, value] : any) {
        const auto was = change.before.find(column);
        const bool is_new = was == change.before.end() || was->second != value;
        if (is_new && !change.before.empty() && !change.after.empty())
          text += fmt::format(" {}={}→{}", column, was->second, value);
        else if (column.ends_with("_id") || column == "name" || column == "epoch" ||
                 column == "state" || column == "server_id")
          text += fmt::format(" {}={}", column, value);
      }
      world_.write("    " + text + (change.after.empty() ? " (deleted)" : ""));
    }
  }

  World world_;
  DiceRandom random_;
  TraceLog log_;
  Plan plan_;
  Auditor auditor_;
  Journal& journal_;
  Stage stage_;
  std::vector<std::unique_ptr<Server>> servers_;
  int64_t numbered_ = 0;
  int64_t people_ = 0;
};

}  // namespace

class Theatre::TrueClock final : public Clock {
 public:
  int64_t now_us() override { return play == nullptr ? 1 : play->now_us(); }
  int64_t monotonic_us() override { return now_us(); }
  Play* play = nullptr;
};

Theatre::Theatre(const std::string& folder)
    : clock_(std::make_unique<TrueClock>()), random_(make_system_random()) {
  const std::string path = folder + "/catalog.db";
  catalog::CatalogOptions options;
  options.url = "sqlite:" + path;
  {
    // The tables come first, so that the journal finds their columns.
    auto made = catalog::open_catalog(options, *clock_, *random_);
    if (!made) {
      std::fprintf(stderr, "%s\n", to_line(made.error()).c_str());
      std::exit(2);
    }
  }
  journal_ = std::make_unique<Journal>(
      path, audited_tables(), [this](const std::vector<Change>& changes) { on_commit_(changes); });
  journal_->execute("PRAGMA synchronous=OFF");
  catalog_ = *catalog::open_catalog(options, *clock_, *random_);
}

Theatre::~Theatre() = default;

Seen Theatre::play(uint64_t seed, bool is_traced) {
  journal_->watch(false);
  journal_->execute(
      "BEGIN; DELETE FROM task_log; DELETE FROM reconciliation; DELETE FROM task_run; "
      "DELETE FROM flow_run; DELETE FROM lease; DELETE FROM flow_state; DELETE FROM "
      "outbox; COMMIT");
  Seen seen;
  {
    Play play(seed, is_traced, *catalog_, *journal_);
    clock_->play = &play;
    on_commit_ = [&play](const std::vector<Change>& changes) { play.commit(changes); };
    journal_->watch(true);
    seen = play.go();
    journal_->watch(false);
  }
  clock_->play = nullptr;
  return seen;
}

}  // namespace weir::simulate
