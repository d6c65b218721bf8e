#include <algorithm>
#include <mutex>
#include <ostream>
#include <thread>

#include "base/ids.h"
#include "base/instant.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/parameters.h"
#include "cli/project.h"
#include "cli/shown_run.h"
#include "cli/table_text.h"
#include "orchestrate/restart.h"

namespace weir::cli {
namespace {

struct BackfillFlags {
  std::string flow;
  std::string from;
  std::string to;
  std::vector<std::string> params;  ///< `k=v`
  int64_t parallel = 1;
  bool runs_again = false;
  bool is_dry = false;
  bool is_detached = false;
};

/// One of its times, and what became of it.
struct Line {
  orchestrate::RunWish wish;
  std::optional<catalog::FlowRun> run;  ///< Nothing: none yet.
  bool was_known = false;               ///< It was there before this backfill.
  std::string says;
};

/// Runs are taken oldest first, so many at once as there are threads.
class Backfill {
 public:
  Backfill(Session& session, const orchestrate::Pinned& pinned, std::vector<Line>& lines)
      : session_(session), pinned_(pinned), lines_(lines), shown_(session) {
    if (!session.wants_json()) shown_.services.on_event = nullptr;  // They would be mixed up.
  }

  /// The exit status: that of the worst run.
  int go(int64_t parallel) {
    {
      std::vector<std::jthread> threads;
      for (int64_t i = 0; i < parallel; ++i) threads.emplace_back([this] { work(); });
    }
    return worst_;
  }

  Status enqueue() {
    for (Line& line : lines_) {
      if (line.was_known) continue;
      WEIR_ASSIGN(const auto started,
                  orchestrate::enqueue_run(shown_.services, pinned_, line.wish));
      line.run = started.run;
    }
    return {};
  }

 private:
  Line* take() {
    const std::lock_guard lock(mutex_);
    if (session_.wiring().cancel->is_cancelled()) return nullptr;
    while (next_ < lines_.size() && lines_[next_].was_known) ++next_;
    return next_ < lines_.size() ? &lines_[next_++] : nullptr;
  }

  void work() {
    for (Line* line = take(); line != nullptr; line = take()) {
      const orchestrate::RunWish& wish = line->wish;
      orchestrate::RunRequest request;
      request.flow_id = wish.flow_id;
      request.run_key = wish.run_key;
      request.params = wish.params;
      request.trigger = wish.trigger;
      request.logical_time_us = wish.logical_time_us;
      request.interval_start_us = wish.interval_start_us;
      request.interval_end_us = wish.interval_end_us;
      request.backfill_id = wish.backfill_id;
      const auto report =
          orchestrate::run_flow(shown_.services, pinned_, request, *session_.wiring().cancel);
      const std::lock_guard lock(mutex_);
      if (report) {
        line->run = report->run;
        line->says = report->run.error_text;
      } else {
        line->says = to_line(report.error());
      }
      const int status =
          report ? orchestrate::exit_status(*report) : exit_status(report.error().code);
      if (worst_ == 0) worst_ = status;
      if (session_.wants_json() || session_.flags().is_quiet) continue;
      *session_.wiring().err << printable(fmt::format(
                                    "  {}: {}{}{}", format_instant(wish.logical_time_us),
                                    report ? to_text(report->run.state) : "not run",
                                    line->says.empty() ? "" : ": ", line->says))
                             << "\n"
                             << std::flush;
    }
  }

  Session& session_;
  const orchestrate::Pinned& pinned_;
  std::vector<Line>& lines_;
  Shown shown_;
  std::mutex mutex_;
  size_t next_ = 0;
  int worst_ = 0;
};

Result<std::vector<Line>> lines_of(catalog::Catalog& catalog,
                                   std::vector<orchestrate::RunWish> wishes) {
  std::vector<Line> lines;
  for (auto& wish : wishes) {
    Line line;
    WEIR_ASSIGN(line.run, catalog.find_run(wish.flow_id, wish.run_key));
    // A run whose process died before its end is taken up again; servers go on with their own.
    line.was_known = line.run && (is_final(line.run->state) || line.run->is_served);
    if (line.was_known) line.says = "was there before";
    line.wish = std::move(wish);
    lines.push_back(std::move(line));
  }
  return lines;
}

void show(Session& session, const std::vector<Line>& lines, const std::string& backfill_id) {
  if (session.wants_json()) {
    Json runs = Json::array();
    for (const auto& line : lines)
      runs.push_back({{"logical_time", format_instant(line.wish.logical_time_us)},
                      {"interval_start", format_instant(line.wish.interval_start_us)},
                      {"interval_end", format_instant(line.wish.interval_end_us)},
                      {"run_key", line.wish.run_key},
                      {"was_there", line.was_known},
                      {"run", line.run ? to_json(*line.run) : Json()},
                      {"message", line.says}});
    session.give({{"event", "backfill"}, {"backfill_id", backfill_id}, {"runs", std::move(runs)}});
    return;
  }
  if (session.flags().is_quiet) return;
  std::vector<std::vector<std::string>> rows;
  for (const auto& line : lines)
    rows.push_back({format_instant(line.wish.logical_time_us),
                    format_instant(line.wish.interval_start_us), line.run ? line.run->run_id : "",
                    line.run ? std::string(to_text(line.run->state)) : "not run", line.says});
  *session.wiring().out << printable(
      table_text({"logical time", "data from", "run", "state", ""}, rows, 110));
}

Result<orchestrate::BackfillRequest> request_of(Session& session, const BackfillFlags& flags) {
  orchestrate::BackfillRequest request;
  const int64_t now_us = session.wiring().clock->now_us();
  request.flow_id = flags.flow;
  WEIR_ASSIGN(request.from_us, while_doing(parse_instant(flags.from), "reading --from"));
  request.to_us = now_us;
  if (!flags.to.empty()) {
    WEIR_ASSIGN(request.to_us, while_doing(parse_instant(flags.to), "reading --to"));
  }
  if (request.to_us > now_us)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("--to {} has not come yet", format_instant(request.to_us)),
                          "without --to it goes until now; later times are the schedule's");
  if (request.from_us >= request.to_us)
    return fail_with_hint(ErrorCode::kInvalidConfig, "--from must lie before --to",
                          "--from belongs to the stretch, --to does not");
  WEIR_ASSIGN(request.params, read_parameters(flags.params));
  request.runs_again = flags.runs_again;
  return request;
}

Result<int> backfill(Session& session, const BackfillFlags& flags) {
  WEIR_ASSIGN(const auto pinned, pin_head(session, {.flow_id = flags.flow}, false));
  WEIR_ASSIGN(const model::Flow* flow, find_flow(pinned.configuration, flags.flow));
  WEIR_ASSIGN(const auto request, request_of(session, flags));
  const Wiring& wiring = session.wiring();
  const std::string backfill_id = make_uuid7(*wiring.clock, *wiring.random);
  schedule::Zones zones;
  WEIR_ASSIGN(auto wishes, orchestrate::backfill_wishes(*flow, zones, request, backfill_id));
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog());
  WEIR_ASSIGN(auto lines, lines_of(*catalog, std::move(wishes)));
  int status = 0;
  if (!flags.is_dry) {
    Backfill work(session, pinned, lines);
    if (flags.is_detached) {
      WEIR_TRY(work.enqueue());
    } else {
      const int64_t at_once = std::min(flags.parallel, flow->max_active_runs);
      if (at_once < flags.parallel)
        session.say(fmt::format("{} at once: max_active_runs of flow {} is {}", at_once,
                                flow->flow_id, flow->max_active_runs));
      status = work.go(at_once);
    }
  }
  show(session, lines, backfill_id);
  const auto known = std::ranges::count(lines, true, &Line::was_known);
  session.say(flags.is_dry ? fmt::format("{} runs, {} of them there already; nothing was done",
                                         lines.size(), known)
                           : fmt::format("{} runs, {} of them there before", lines.size(), known));
  return status;
}

}  // namespace

void add_backfill_command(CLI::App& app, Chosen& chosen) {
  auto* command = app.add_subcommand(
      "backfill",
      "Run a flow for the times of its schedule in a stretch of time, oldest first. Times that "
      "have run are left alone: a second call does nothing. A run that fails stops none after it; "
      "`weir retry RUN` mends it. They wait for each other, whatever the flow's overlap says");
  auto flags = std::make_shared<BackfillFlags>();
  command->add_option("flow", flags->flow, "Flow with a schedule")->required();
  command->add_option("--from", flags->from, "First instant (UTC where it has no offset)")
      ->required();
  command->add_option("--to", flags->to, "Instant before which it ends; until now without it");
  auto* parallel =
      command
          ->add_option("--parallel", flags->parallel,
                       "Runs at once, at most max_active_runs of the flow (default: 1)")
          ->check(CLI::Range(1, 64));
  command->add_option("--param", flags->params, "Parameter of the flow: name=value")
      ->allow_extra_args(false);
  command->add_flag("--again", flags->runs_again, "Also for times that have run");
  command->add_flag("--dry-run", flags->is_dry, "Show the times, and run nothing");
  command
      ->add_flag("--detach", flags->is_detached,
                 "Queue them for the servers of the catalog (`weir serve`), and do not wait")
      ->excludes(parallel);
  command->callback([&chosen, flags] {
    chosen.action = [flags](Session& session) { return backfill(session, *flags); };
  });
}

}  // namespace weir::cli
