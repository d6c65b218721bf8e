#include <algorithm>
#include <map>
#include <ostream>

#include "base/instant.h"
#include "base/printable.h"
#include "catalog/overview.h"
#include "cli/commands.h"
#include "cli/shown_run.h"
#include "cli/table_text.h"
#include "model/task_id.h"
#include "schedule/schedule.h"

namespace weir::cli {
namespace {

constexpr int64_t kRedrawMs = 1000;
constexpr int64_t kFollowMs = 300;
constexpr int64_t kPage = 1000;

Status say_unsent(Session& session, catalog::Catalog& catalog) {
  WEIR_ASSIGN(auto notices, catalog.count_notices());
  const int64_t unsent = notices["waiting"] + notices["failed"];
  if (unsent > 0)
    session.say(
        fmt::format("notifications not sent: {} ({} given up); `weir notify list` shows "
                    "why, `weir notify send` tries again",
                    unsent, notices["failed"]));
  return {};
}

// ---- status --------------------------------------------------------------------------------

/// A flow, and how it stands.
struct FlowStanding {
  std::string flow_id;
  std::optional<catalog::FlowRun> run;  ///< The newest.
  std::string next;  ///< When it starts by itself, for people; empty: it does not.
  std::optional<int64_t> next_us;
  int64_t holds = 0;
  bool is_enabled = true;
  catalog::FlowState state;
  std::vector<catalog::WaitingStart> waiting;  ///< Starts that are due and fail.
};

/// When servers start it next.
void note_next(const model::Flow& flow, const Json& written, schedule::Zones& zones, int64_t now_us,
               FlowStanding& standing) {
  const bool on_files = !flow.file_trigger.is_null();
  if (standing.state.is_paused) {
    standing.next = "paused";
  } else if (!flow.is_enabled) {
    standing.next = "not enabled";
  } else if (flow.schedule.is_null()) {
    standing.next = on_files ? "on files" : "";
  } else if (const auto schedule = schedule::read_schedule(written, zones); !schedule) {
    standing.next = "unknown";  // A variable stands in it, or it is at fault: `weir next` says.
  } else {
    standing.next_us = schedule->next_after(now_us);
    standing.next = standing.next_us ? format_instant(*standing.next_us) : "never again";
    if (on_files) standing.next += ", on files";
  }
}

Result<std::vector<FlowStanding>> standings(Session& session, catalog::Catalog& catalog) {
  WEIR_ASSIGN(const auto configuration, catalog.load_configuration());
  WEIR_ASSIGN(const auto states, catalog.flow_states());
  WEIR_ASSIGN(const auto waiting, catalog.waiting_starts().list_waiting_starts());
  std::map<std::string, int64_t> holds;
  WEIR_ASSIGN(const auto open,
              catalog.overview().hold_lines(catalog::FlowScope::all(), "open", kPage));
  for (const auto& line : open) ++holds[line.flow_id];
  std::map<std::string, catalog::FlowRun> newest;
  std::string after;
  while (true) {
    WEIR_ASSIGN(const auto lines,
                catalog.overview().flow_lines(catalog::FlowScope::all(), after, kPage));
    for (const auto& line : lines)
      if (line.last_run) newest.emplace(line.flow_id, *line.last_run);
    if (std::ssize(lines) < kPage) break;
    after = lines.back().flow_id;
  }
  const int64_t now_us = session.wiring().clock->now_us();
  schedule::Zones zones;
  std::vector<FlowStanding> found;
  for (const auto& flow : configuration.flows) {
    FlowStanding standing;
    standing.flow_id = flow.flow_id;
    standing.is_enabled = flow.is_enabled;
    standing.holds = holds[flow.flow_id];
    const auto state = std::ranges::find(states, flow.flow_id, &catalog::FlowState::flow_id);
    if (state != states.end()) standing.state = *state;
    if (const auto run = newest.find(flow.flow_id); run != newest.end()) standing.run = run->second;
    for (const auto& start : waiting)
      if (start.flow_id == flow.flow_id) standing.waiting.push_back(start);
    note_next(flow, model::with_calendar(configuration, flow.schedule), zones, now_us, standing);
    found.push_back(std::move(standing));
  }
  return found;
}

/// When the run came into its state.
int64_t since_us(const catalog::FlowRun& run) {
  if (is_final(run.state)) return run.finished_at_us;
  return run.state == catalog::RunState::kRunning ? run.started_at_us : run.created_at_us;
}

/// `cannot start since 2026-11-28T01:00:00Z (4 tries): unavailable: …`
std::string start_text(const catalog::WaitingStart& start) {
  return fmt::format(
      "cannot start since {} ({}): {}", format_instant(start.since_us / 1'000'000 * 1'000'000),
      start.tries == 1 ? "1 try" : fmt::format("{} tries", start.tries), start.error_text);
}

std::string remark_on(const FlowStanding& standing) {
  std::string remark;
  const auto add = [&](const std::string& text) { remark += (remark.empty() ? "" : "; ") + text; };
  if (standing.state.is_paused)
    add(fmt::format("paused{}{}",
                    standing.state.paused_by.empty() ? "" : " by " + standing.state.paused_by,
                    standing.state.pause_reason.empty() ? "" : ": " + standing.state.pause_reason));
  for (const auto& start : standing.waiting) add(start_text(start));
  if (standing.holds > 0)
    add(fmt::format("{} held: `weir approve {}`", standing.holds, standing.flow_id));
  if (standing.run && !standing.run->error_text.empty()) add(standing.run->error_text);
  return remark;
}

std::string standings_text(const std::vector<FlowStanding>& all) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& each : all)
    rows.push_back({each.flow_id, each.run ? std::string(to_text(each.run->state)) : "never ran",
                    each.run ? format_instant(since_us(*each.run) / 1'000'000 * 1'000'000) : "",
                    each.next, remark_on(each)});
  return table_text({"flow", "newest run", "since", "next due", ""}, rows, 110);
}

Json waiting_json(const std::vector<catalog::WaitingStart>& starts) {
  Json list = Json::array();
  for (const auto& start : starts) list.push_back(catalog::to_json(start));
  return list;
}

Json standings_json(const std::vector<FlowStanding>& all) {
  Json flows = Json::array();
  for (const auto& each : all)
    flows.push_back({{"flow_id", each.flow_id},
                     {"run", each.run ? to_json(*each.run) : Json()},
                     {"next_due", each.next_us ? Json(format_instant(*each.next_us)) : Json()},
                     {"is_enabled", each.is_enabled},
                     {"is_paused", each.state.is_paused},
                     {"paused_by", each.state.paused_by},
                     {"pause_reason", each.state.pause_reason},
                     {"waiting_starts", waiting_json(each.waiting)},
                     {"open_holds", each.holds}});
  return flows;
}

Result<int> status_of_all(Session& session, bool watches) {
  if (watches && (!session.wiring().is_terminal || session.wants_json()))
    return fail_with_hint(ErrorCode::kInvalidConfig, "--watch redraws a table on a terminal",
                          "without it the table is shown once");
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  while (true) {
    WEIR_ASSIGN(const auto all, standings(session, *catalog));
    if (all.empty())
      return fail_with_hint(ErrorCode::kNotFound, "the catalog knows no flow",
                            "`weir apply` takes the flows of a project in");
    if (session.wants_json()) {
      session.give({{"event", "status"}, {"flows", standings_json(all)}});
      return 0;
    }
    std::ostream& out = *session.wiring().out;
    if (watches)
      out << "\033[H\033[2J"
          << format_instant(session.wiring().clock->now_us() / 1'000'000 * 1'000'000)
          << "  (Ctrl-C ends)\n";
    out << printable(standings_text(all));
    WEIR_TRY(say_unsent(session, *catalog));
    out << std::flush;
    if (!watches || !wait_ms(*session.wiring().cancel, kRedrawMs)) return 0;
  }
}

Result<int> status(Session& session, const std::string& word, bool watches) {
  if (word.empty()) return status_of_all(session, watches);
  if (watches)
    return fail_with_hint(ErrorCode::kInvalidConfig, "--watch is about all flows",
                          fmt::format("`weir logs {} -f` follows a run", word));
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  orchestrate::RunReport report;
  WEIR_ASSIGN(report.run, find_run(*catalog, word));
  WEIR_ASSIGN(report.tasks, catalog->task_runs(report.run.run_id));
  WEIR_TRY(finish(session, report));
  WEIR_TRY(say_unsent(session, *catalog));
  return 0;
}

// ---- runs ----------------------------------------------------------------------------------

struct RunsFlags {
  std::string flow;
  std::string state;
  std::string since;
  int64_t limit = 20;
};

/// An instant, or a duration before now.
Result<int64_t> read_since(Session& session, const std::string& text) {
  if (const auto ms = parse_duration_ms(text)) return session.wiring().clock->now_us() - *ms * 1000;
  auto at = parse_instant(text);
  if (at) return at;
  return fail_with_hint(ErrorCode::kInvalidConfig,
                        fmt::format("--since: '{}' is neither an instant nor a duration", text),
                        "for example 2026-11-28T06:00:00Z, 2026-11-28 or 12h");
}

Result<int> runs(Session& session, const RunsFlags& flags) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  catalog::RunFilter filter;
  filter.scope = catalog::FlowScope::all();
  filter.flow_id = flags.flow;
  filter.limit = flags.limit;
  if (!flags.state.empty()) {
    WEIR_ASSIGN(filter.state, catalog::run_state_from_text(flags.state));
  }
  int64_t from_us = 0;
  if (!flags.since.empty()) {
    WEIR_ASSIGN(from_us, read_since(session, flags.since));
  }
  WEIR_ASSIGN(const auto list, catalog->overview().run_page(filter));
  std::vector<std::vector<std::string>> rows;
  Json json = Json::array();
  WEIR_ASSIGN(auto waiting, catalog->waiting_starts().list_waiting_starts());
  // They are no runs yet, and in no state.
  std::erase_if(waiting, [&](const auto& start) {
    return filter.state || (!flags.flow.empty() && start.flow_id != flags.flow);
  });
  for (const auto& start : waiting)
    rows.push_back({"(none yet)", start.flow_id, "cannot start", format_instant(start.since_us),
                    start.trigger, start.error_text});
  for (const auto& run : list) {
    if (run.created_at_us < from_us) break;  // Newest first.
    rows.push_back({run.run_id, run.flow_id, std::string(to_text(run.state)),
                    format_instant(run.created_at_us), run.trigger, run.error_text});
    json.push_back(to_json(run));
  }
  if (session.wants_json())
    session.give({{"runs", std::move(json)}, {"waiting_starts", waiting_json(waiting)}});
  else
    *session.wiring().out << printable(
        table_text({"run", "flow", "state", "created", "trigger", ""}, rows));
  return 0;
}

// ---- logs ----------------------------------------------------------------------------------

void show_line(Session& session, const catalog::Catalog::LogLine& line) {
  if (session.wants_json()) {
    session.give({{"at", format_instant(line.at_us)},
                  {"task_id", line.task_id},
                  {"attempt", line.attempt},
                  {"level", line.level},
                  {"message", line.message}});
    return;
  }
  *session.wiring().out << printable(fmt::format("{} {} [{}#{}] {}", format_instant(line.at_us),
                                                 line.level, line.task_id, line.attempt,
                                                 line.message))
                        << "\n";
}

/// A run that a process of its own drove, and that process is gone.
Result<bool> is_left_alone(catalog::Catalog& catalog, const catalog::FlowRun& run) {
  if (run.is_served || run.trigger == orchestrate::kTaskTrigger) return false;
  WEIR_ASSIGN(const bool is_alive, catalog.is_lease_alive(catalog::run_lease(run.run_id)));
  return !is_alive;
}

Result<int> logs(Session& session, const std::string& word, const std::string& task, bool follows) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto run, find_run(*catalog, word));
  // The name of a task with for_each stands for those of all its values.
  const auto is_meant = [&](const std::string& task_id) {
    return task.empty() || task_id == task || model::without_value(task_id) == task;
  };
  catalog::LogFilter filter;
  filter.run_id = run.run_id;
  filter.limit = kPage;
  while (true) {
    // Asked first: what is written before the end is read after it.
    WEIR_ASSIGN(const auto now, catalog->flow_run(run.run_id));
    WEIR_ASSIGN(const bool is_alone, is_left_alone(*catalog, now));
    WEIR_ASSIGN(const auto lines, catalog->overview().log_page(filter));
    for (const auto& line : lines) {
      if (is_meant(line.task_id)) show_line(session, line);
      filter.after_id = line.task_log_id;
    }
    if (std::ssize(lines) == kPage) continue;
    if (!follows || is_final(now.state)) {
      if (follows) session.say(fmt::format("run {} is {}", now.run_id, to_text(now.state)));
      return 0;
    }
    if (is_alone) {
      session.say(
          fmt::format("run {} says {}, but nobody works on it any more; `weir retry {}` "
                      "goes on",
                      now.run_id, to_text(now.state), now.run_id));
      return 0;
    }
    *session.wiring().out << std::flush;
    if (!wait_ms(*session.wiring().cancel, kFollowMs)) return 0;
  }
}

void add_status(CLI::App& app, Chosen& chosen) {
  auto* command = app.add_subcommand(
      "status",
      "All flows with their newest runs and when they are due next; or one run and its "
      "tasks");
  auto word = std::make_shared<std::string>();
  auto watches = std::make_shared<bool>(false);
  command->add_option("run", *word, "Run id, or a flow: its newest run");
  command->add_flag("--watch", *watches, "Redraw the table of flows each second, until Ctrl-C");
  command->callback([&chosen, word, watches] {
    chosen.action = [=](Session& s) { return status(s, *word, *watches); };
  });
}

}  // namespace

void add_watch_commands(CLI::App& app, Chosen& chosen) {
  add_status(app, chosen);
  auto flags = std::make_shared<RunsFlags>();
  auto* runs_command = app.add_subcommand("runs", "Runs, newest first");
  runs_command->add_option("flow", flags->flow, "Only of this flow");
  runs_command->add_option("--state", flags->state, "Only in this state")
      ->check(CLI::IsMember(
          {"queued", "running", "succeeded", "failed", "held", "cancelled", "skipped"}));
  runs_command->add_option("--since", flags->since,
                           "Only made since this instant, or in the last so long: 12h");
  runs_command->add_option("--limit", flags->limit, "How many")->check(CLI::Range(1, 10'000));
  runs_command->callback(
      [&chosen, flags] { chosen.action = [flags](Session& s) { return runs(s, *flags); }; });

  auto word = std::make_shared<std::string>();
  auto task = std::make_shared<std::string>();
  auto follows = std::make_shared<bool>(false);
  auto* logs_command = app.add_subcommand("logs", "What a run wrote into its log");
  logs_command->add_option("run", *word, "Run id or flow")->required();
  logs_command->add_option("task", *task,
                           "Only of this task; of one with for_each, those of all its values");
  logs_command->add_flag("-f,--follow", *follows, "Show lines as they come, until the run ends");
  logs_command->callback([&chosen, word, task, follows] {
    chosen.action = [=](Session& s) { return logs(s, *word, *task, *follows); };
  });
}

}  // namespace weir::cli
