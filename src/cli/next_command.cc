#include <algorithm>
#include <ostream>
#include <set>

#include "base/instant.h"
#include "base/nearest.h"
#include "cli/commands.h"
#include "cli/project.h"
#include "cli/table_text.h"
#include "config/lint_schedule.h"
#include "schedule/calendar.h"

namespace weir::cli {
namespace {

using schedule::Schedule;

struct NextFlags {
  std::string flow;
  int64_t count = 10;
  std::string from;
};

bool is_scheduled(const model::Flow& flow) { return flow.is_enabled && !flow.schedule.is_null(); }

/// The flow that was asked for, or all that run by themselves.
Result<std::vector<const model::Flow*>> flows_of(const model::Configuration& configuration,
                                                 const std::string& flow_id) {
  std::vector<const model::Flow*> flows;
  if (flow_id.empty()) {
    for (const auto& flow : configuration.flows)
      if (is_scheduled(flow)) flows.push_back(&flow);
    return flows;
  }
  const auto* flow = configuration.find_flow(flow_id);
  if (flow == nullptr) {
    std::vector<std::string> names;
    for (const auto& each : configuration.flows) names.push_back(each.flow_id);
    const std::string guess = did_you_mean(flow_id, names);
    return fail_with_hint(ErrorCode::kNotFound, fmt::format("there is no flow '{}'", flow_id),
                          guess.empty() ? "`weir plan` shows the flows" : guess);
  }
  if (flow->schedule.is_null())
    return fail_with_hint(ErrorCode::kNotFound, fmt::format("flow '{}' has no schedule", flow_id),
                          "give it one: schedule: {cron: \"0 6 * * *\", timezone: Europe/Berlin}");
  if (!flow->is_enabled)
    return fail_with_hint(ErrorCode::kNotFound,
                          fmt::format("flow '{}' is not enabled, so nothing of it is due", flow_id),
                          "set its is_enabled to true");
  flows.push_back(flow);
  return flows;
}

/// Faults with their places, as `weir validate` shows them.
Status check_schedules(Session& session, const model::Configuration& configuration,
                       const std::vector<const model::Flow*>& flows, schedule::Zones& zones) {
  WEIR_ASSIGN(const auto open, open_configuration(session));
  config::Faults faults;
  for (const auto* flow : flows)
    config::lint_schedule(configuration, *flow, open.places, zones, faults);
  if (!faults.empty()) return std::unexpected(config::as_one(faults));
  return {};
}

/// Flows that people paused; none where there is no catalog yet.
Result<std::set<std::string>> paused_flows(Session& session) {
  std::set<std::string> paused;
  const auto catalog = session.catalog(false);
  if (!catalog && catalog.error().code == ErrorCode::kNotFound) return paused;
  if (!catalog) return std::unexpected(catalog.error());
  WEIR_ASSIGN(const auto states, (*catalog)->flow_states());
  for (const auto& state : states)
    if (state.is_paused) paused.insert(state.flow_id);
  return paused;
}

Json to_json(const std::string& flow_id, const Schedule& schedule, int64_t at_us) {
  const auto run = schedule::run_at(schedule, at_us);
  Json json = run.parameters();
  json["flow_id"] = flow_id;
  json["run_key"] = run.run_key();
  json["local_time"] = schedule.zone().local_text(at_us);
  json["timezone"] = schedule.zone().name();
  json["params"] = schedule.params();
  return json;
}

/// As long as each day has 24 hours, this is `1d`.
std::string length_of(const schedule::Interval& interval) {
  return format_duration_ms((interval.end_us - interval.start_us) / 1000);
}

Result<int> next(Session& session, const NextFlags& flags) {
  int64_t from_us = session.wiring().clock->now_us();
  if (!flags.from.empty()) {
    WEIR_ASSIGN(from_us, while_doing(parse_instant(flags.from), "reading --from"));
    --from_us;  // What is due at that instant is shown, too.
  }
  WEIR_ASSIGN(const auto configuration, resolved_configuration(session));
  WEIR_ASSIGN(const auto flows, flows_of(configuration, flags.flow));
  schedule::Zones zones;
  WEIR_TRY(check_schedules(session, configuration, flows, zones));
  WEIR_ASSIGN(const auto paused, paused_flows(session));
  schedule::Calendar calendar;
  for (const auto* flow : flows) {
    WEIR_ASSIGN(auto schedule,
                while_doing(schedule::read_schedule(flow->schedule, zones),
                            fmt::format("reading the schedule of flow '{}'", flow->flow_id)));
    calendar.put(flow->flow_id, std::move(schedule), from_us);
  }
  std::vector<std::vector<std::string>> rows;
  Json times = Json::array();
  for (auto entry = calendar.next(); entry && std::ssize(rows) < flags.count;
       entry = calendar.next()) {
    const Schedule& schedule = *calendar.find(entry->flow_id);
    const auto interval = schedule.interval_of(entry->next_us);
    const bool is_paused = paused.contains(entry->flow_id);
    rows.push_back({format_instant(entry->next_us), schedule.zone().local_text(entry->next_us),
                    schedule.zone().name(), entry->flow_id + (is_paused ? " (paused)" : ""),
                    format_instant(interval.start_us), length_of(interval)});
    times.push_back(to_json(entry->flow_id, schedule, entry->next_us));
    times.back()["is_paused"] = is_paused;
    calendar.advance(entry->flow_id, entry->next_us);
  }
  if (session.wants_json())
    session.give({{"times", std::move(times)}, {"tzdata", schedule::tzdata_version()}});
  else if (rows.empty())
    session.say(flows.empty() ? "no enabled flow has a schedule"
                              : "nothing is due any more: every schedule has ended");
  else
    *session.wiring().out << table_text(
        {"due (UTC)", "local time", "zone", "flow", "data from (UTC)", "for"}, rows);
  return 0;
}

}  // namespace

void add_next_command(CLI::App& app, Chosen& chosen) {
  auto* command = app.add_subcommand(
      "next", "What is due when: the next logical times of all enabled flows, with their data");
  auto flags = std::make_shared<NextFlags>();
  command->add_option("flow", flags->flow, "Only of this flow");
  command->add_option("--count", flags->count, "How many times")->check(CLI::Range(1, 10'000));
  command->add_option("--from", flags->from,
                      "From this instant on (UTC where it has no offset), instead of now");
  command->callback([&chosen, flags] {
    chosen.action = [flags](Session& session) { return next(session, *flags); };
  });
}

}  // namespace weir::cli
