#include <algorithm>
#include <ostream>
#include <set>

#include "arrivals/pace.h"
#include "arrivals/trigger.h"
#include "base/instant.h"
#include "base/printable.h"
#include "catalog/overview.h"
#include "cli/commands.h"
#include "cli/project.h"
#include "cli/shown_run.h"
#include "cli/table_text.h"
#include "orchestrate/rehearsal.h"
#include "orchestrate/task_order.h"
#include "schedule/schedule.h"

namespace weir::cli {
namespace {

constexpr size_t kMostRuns = 10'000;
constexpr int64_t kPastRuns = 20;  ///< Of which the medians are taken.

struct SimulateFlags {
  std::string flow;
  std::string from;
  std::string to;
  std::string duration;
  std::vector<std::string> files;  ///< `layer/name@instant`
  int64_t slots = 4;
};

/// What is rehearsed, and what is not.
struct Stage {
  std::vector<orchestrate::RehearsedFlow> flows;
  std::vector<orchestrate::RehearsedWish> wishes;
  std::vector<std::string> remarks;
  /// Files of triggers with `at_most_every`, by flow: when they are whole, and which.
  std::map<std::string, std::vector<std::pair<int64_t, std::string>>> paced;
};

/// A run takes `total_ms`: each task its share of the longest chain of tasks.
std::map<std::string, int64_t> shares(const model::Flow& flow, int64_t total_ms) {
  std::map<std::string, int64_t> depth;
  int64_t longest = 1;
  for (const model::Task* task : orchestrate::in_order_of_needs(flow)) {
    int64_t mine = 1;
    for (const auto& need : task->needs) mine = std::max(mine, depth[need] + 1);
    depth[task->task_id] = mine;
    longest = std::max(longest, mine);
  }
  std::map<std::string, int64_t> shared;
  for (const auto& task : flow.tasks) shared[task.task_id] = total_ms / longest;
  return shared;
}

/// Medians of the tasks of the newest runs that succeeded; nothing where none did.
Result<std::map<std::string, int64_t>> past_durations(catalog::Catalog& catalog,
                                                      const std::string& flow_id) {
  catalog::RunFilter filter;
  filter.scope = catalog::FlowScope::all();
  filter.flow_id = flow_id;
  filter.state = catalog::RunState::kSucceeded;
  filter.limit = kPastRuns;
  WEIR_ASSIGN(const auto runs, catalog.overview().run_page(filter));
  std::map<std::string, std::vector<int64_t>> taken;
  for (const auto& run : runs) {
    WEIR_ASSIGN(const auto rows, catalog.task_runs(run.run_id));
    for (const auto& row : rows)
      if (row.state == catalog::TaskState::kSucceeded && row.finished_at_us > 0)
        taken[row.task_id].push_back((row.finished_at_us - row.started_at_us) / 1000);
  }
  std::map<std::string, int64_t> medians;
  for (auto& [task_id, all] : taken) {
    const auto middle = all.begin() + std::ssize(all) / 2;
    std::ranges::nth_element(all, middle);
    medians[task_id] = *middle;
  }
  return medians;
}

Status take_times(const model::Flow& flow, schedule::Zones& zones, int64_t from_us, int64_t to_us,
                  Stage& stage) {
  WEIR_ASSIGN(const auto schedule,
              while_doing(schedule::read_schedule(flow.schedule, zones),
                          fmt::format("reading the schedule of flow '{}'", flow.flow_id)));
  schedule::Times times(schedule, from_us - 1, to_us - 1);
  for (auto time = times.next(); time; time = times.next()) {
    if (stage.wishes.size() == kMostRuns)
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("more than {} runs are due there", kMostRuns),
                            "rehearse a shorter stretch, or one flow");
    stage.wishes.push_back({flow.flow_id, *time, "schedule"});
  }
  return {};
}

bool waits_for_more(const model::FileTrigger& settings) {
  const bool is_batch = settings.is_batch && settings.at_most_every_ms == 0;
  return !settings.set.empty() || settings.has_groups() || is_batch || settings.expect > 0 ||
         settings.quiet_ms > 0 || !settings.marker.empty() || !settings.control.empty();
}

Status take_file(const std::string& word, const arrivals::Triggers& triggers,
                 const std::set<std::string>& staged, Stage& stage) {
  const auto sign = word.rfind('@');
  const auto slash = word.find('/');
  if (sign == std::string::npos || slash == std::string::npos || slash > sign)
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("'{}' is no arrival", word),
                          "--file layer/name@instant: landing/sales/1.csv@2026-11-28T06:00:00Z");
  WEIR_ASSIGN(const int64_t at_us,
              while_doing(parse_instant(word.substr(sign + 1)), "reading --file"));
  const std::string layer = word.substr(0, slash);
  const std::string name = word.substr(slash + 1, sign - slash - 1);
  bool is_known = false;
  for (const auto& trigger : triggers.usable) {
    for (const auto& source : trigger.sources) {
      WEIR_ASSIGN(const bool fits, source.glob.matches(name));
      if (source.layer != layer || !fits || !staged.contains(trigger.flow_id)) continue;
      is_known = true;
      if (waits_for_more(trigger.settings))
        stage.remarks.push_back(
            fmt::format("{}: flow {} waits for more than one file; that is not rehearsed",
                        word.substr(0, sign), trigger.flow_id));
      else if (trigger.settings.at_most_every_ms > 0)
        stage.paced[trigger.flow_id].emplace_back(at_us + trigger.settle_ms() * 1000,
                                                  word.substr(0, sign));
      else
        stage.wishes.push_back(
            {trigger.flow_id, at_us + trigger.settle_ms() * 1000, word.substr(0, sign)});
      break;
    }
  }
  if (!is_known) stage.remarks.push_back(fmt::format("{}: starts no flow", word.substr(0, sign)));
  return {};
}

/// One run for all that came since the one before; how large files are is not known.
void take_batches(const arrivals::Triggers& triggers, Stage& stage) {
  for (const auto& trigger : triggers.usable) {
    auto& files = stage.paced[trigger.flow_id];
    std::ranges::sort(files);
    std::vector<int64_t> times;
    for (const auto& [at_us, name] : files) times.push_back(at_us);
    size_t first = 0;
    for (const auto& batch : arrivals::rehearse_batches(trigger.settings, times)) {
      const std::string cause =
          batch.files == 1 ? files[first].second
                           : fmt::format("{} files from {}", batch.files, files[first].second);
      stage.wishes.push_back({trigger.flow_id, batch.at_us, cause});
      first += batch.files;
    }
  }
}

/// The flows that start by themselves in the stretch, with how long their tasks take.
Result<Stage> set_up(Session& session, const model::Configuration& configuration,
                     const SimulateFlags& flags) {
  WEIR_ASSIGN(const int64_t from_us, while_doing(parse_instant(flags.from), "reading --from"));
  WEIR_ASSIGN(const int64_t to_us, while_doing(parse_instant(flags.to), "reading --to"));
  if (from_us >= to_us)
    return fail_with_hint(ErrorCode::kInvalidConfig, "--from must lie before --to",
                          "--from belongs to the stretch, --to does not");
  if (!flags.flow.empty()) WEIR_TRY(find_flow(configuration, flags.flow));
  // Without a catalog nobody paused anything, and nothing ran.
  catalog::Catalog* catalog = nullptr;
  std::set<std::string> paused;
  if (auto opened = session.catalog(false)) {
    catalog = *opened;
    WEIR_ASSIGN(const auto states, catalog->flow_states());
    for (const auto& state : states)
      if (state.is_paused) paused.insert(state.flow_id);
  } else if (opened.error().code != ErrorCode::kNotFound) {
    return std::unexpected(opened.error());
  }
  Stage stage;
  schedule::Zones zones;
  std::set<std::string> staged;
  for (const auto& flow : configuration.flows) {
    const bool is_meant = flags.flow.empty() || flow.flow_id == flags.flow;
    if (!is_meant || !flow.is_enabled) continue;
    if (paused.contains(flow.flow_id)) {
      stage.remarks.push_back(fmt::format("flow {} is paused: nothing starts it", flow.flow_id));
      continue;
    }
    staged.insert(flow.flow_id);
    if (!flow.schedule.is_null()) WEIR_TRY(take_times(flow, zones, from_us, to_us, stage));
  }
  const auto triggers = arrivals::triggers_of(configuration, session.folder(), flags.flow);
  for (const auto& word : flags.files) WEIR_TRY(take_file(word, triggers, staged, stage));
  take_batches(triggers, stage);
  std::optional<int64_t> said_ms;
  if (!flags.duration.empty()) {
    WEIR_ASSIGN(said_ms, while_doing(parse_duration_ms(flags.duration), "reading --duration"));
  }
  for (const auto& flow : configuration.flows) {
    if (std::ranges::find(stage.wishes, flow.flow_id, &orchestrate::RehearsedWish::flow_id) ==
        stage.wishes.end())
      continue;
    std::map<std::string, int64_t> durations;
    if (said_ms) {
      durations = shares(flow, *said_ms);
    } else if (catalog != nullptr) {
      WEIR_ASSIGN(durations, past_durations(*catalog, flow.flow_id));
    }
    if (durations.empty())
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("how long flow '{}' takes is not known: no run of it has succeeded",
                      flow.flow_id),
          "say it for a run of each flow: --duration 5m");
    stage.flows.push_back({flow, std::move(durations)});
  }
  return stage;
}

std::string length(int64_t us) { return us <= 0 ? "" : format_duration_ms(us / 1000); }

void show(Session& session, const std::vector<orchestrate::RehearsedRun>& runs,
          const std::vector<std::string>& remarks) {
  if (session.wants_json()) {
    Json list = Json::array();
    for (const auto& run : runs)
      list.push_back(
          {{"flow_id", run.wish.flow_id},
           {"due", format_instant(run.wish.at_us)},
           {"cause", run.wish.cause},
           {"started", run.started_at_us == 0 ? Json() : Json(format_instant(run.started_at_us))},
           {"ended", format_instant(run.ended_at_us)},
           {"end", to_text(run.end)},
           {"waited_for_slots_ms", run.for_slots_us / 1000},
           {"remark", run.remark}});
    session.give({{"event", "rehearsal"}, {"runs", std::move(list)}, {"remarks", remarks}});
    return;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& run : runs) {
    const bool has_run = run.started_at_us != 0;
    rows.push_back({format_instant(run.wish.at_us), run.wish.flow_id, run.wish.cause,
                    std::string(to_text(run.end)),
                    has_run ? length(run.started_at_us - run.wish.at_us) : "",
                    has_run ? length(run.ended_at_us - run.started_at_us) : "",
                    length(run.for_slots_us), run.remark});
  }
  if (rows.empty())
    session.say("nothing is due there");
  else
    *session.wiring().out << printable(
        table_text({"due (UTC)", "flow", "by", "end", "queued", "took", "for slots", ""}, rows));
  for (const auto& remark : remarks) session.say(remark);
}

Result<int> simulate(Session& session, const SimulateFlags& flags) {
  WEIR_ASSIGN(const auto configuration, resolved_configuration(session, Unseen::kAsWritten));
  WEIR_ASSIGN(auto stage, set_up(session, configuration, flags));
  orchestrate::RehearsalLimits limits;
  limits.slots = flags.slots;
  for (const auto& pool : configuration.pools) limits.pools[pool.name] = pool.slots;
  show(session, orchestrate::rehearse(stage.flows, std::move(stage.wishes), limits), stage.remarks);
  return 0;
}

}  // namespace

void add_simulate_command(CLI::App& app, Chosen& chosen) {
  auto* command = app.add_subcommand(
      "simulate",
      "Rehearse a stretch of time without effect: which runs start when, what overlap does with "
      "them, how long they queue and wait for slots of pools. It takes every task to succeed at "
      "the "
      "first try, and knows nothing of runs under way, failures, retries, deadlines, catch-up, "
      "data "
      "that grows, and files that are not said");
  auto flags = std::make_shared<SimulateFlags>();
  command->add_option("flow", flags->flow, "Only this flow");
  command->add_option("--from", flags->from, "First instant (UTC where it has no offset)")
      ->required();
  command->add_option("--to", flags->to, "Instant before which it ends")->required();
  command->add_option("--duration", flags->duration,
                      "How long a run takes that waits for nothing, such as 5m; without it the "
                      "medians of the flow's last 20 runs that succeeded");
  command
      ->add_option("--file", flags->files,
                   "A file that arrives: layer/name@instant; sets and batches are not rehearsed")
      ->allow_extra_args(false);
  command
      ->add_option("--slots", flags->slots,
                   "Tasks at once of all servers together (default: 4; 0: no limit)")
      ->check(CLI::Range(0, 10'000));
  command->callback([&chosen, flags] {
    chosen.action = [flags](Session& session) { return simulate(session, *flags); };
  });
}

}  // namespace weir::cli
