#include <istream>
#include <iterator>
#include <ostream>

#include "base/instant.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/project.h"
#include "cli/run_view.h"
#include "cli/table_text.h"
#include "engine/error_json.h"
#include "model/task_id.h"
#include "orchestrate/runner.h"

namespace weir::cli {
namespace {

struct RunFlags {
  std::string flow;
  std::string run_key;
  int64_t parallel = 4;
  bool applies = false;
};

Result<int> finish(Session& session, const orchestrate::RunReport& report) {
  if (session.wants_json()) {
    Json tasks = Json::array();
    for (const auto& row : report.tasks) tasks.push_back(to_json(row));
    session.give({{"event", "report"}, {"run", to_json(report.run)}, {"tasks", std::move(tasks)}});
  } else if (session.flags().is_quiet) {
    *session.wiring().err << printable(fault_text(report));
  } else {
    *session.wiring().out << printable(end_text(report));
  }
  return orchestrate::exit_status(report);
}

/// Services with a view that shows events.
struct Shown {
  explicit Shown(Session& session) : view(session), services(session.services()) {
    services.on_event = [this](const orchestrate::Event& event) { view.show(event); };
  }
  RunView view;
  orchestrate::Services services;
};

/// A run that was started with the key keeps the configuration with which it started.
Result<orchestrate::Pinned> pin_for(Session& session, const RunFlags& flags) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog());
  if (!flags.run_key.empty()) {
    WEIR_ASSIGN(const auto known, catalog->find_run(flags.flow, flags.run_key));
    if (known) return pin_version(session, known->config_hash);
  }
  return pin_head(session, flags.flow, flags.applies);
}

Result<int> run(Session& session, const RunFlags& flags) {
  WEIR_ASSIGN(const auto pinned, pin_for(session, flags));
  Shown shown(session);
  orchestrate::RunRequest request;
  request.flow_id = flags.flow;
  request.run_key = flags.run_key;
  request.max_parallel_tasks = flags.parallel;
  WEIR_ASSIGN(const auto report,
              orchestrate::run_flow(shown.services, pinned, request, *session.wiring().cancel));
  return finish(session, report);
}

/// A run by its id, or the newest run of a flow.
Result<catalog::FlowRun> find_run(catalog::Catalog& catalog, const std::string& word) {
  auto run = catalog.flow_run(word);
  if (run || run.error().code != ErrorCode::kNotFound) return run;
  WEIR_ASSIGN(const auto runs, catalog.flow_runs(word, 1));
  if (runs.empty())
    return fail_with_hint(ErrorCode::kNotFound, fmt::format("there is no run or flow '{}'", word),
                          "`weir runs` lists the runs");
  return runs.front();
}

Result<int> retry(Session& session, const std::string& word, int64_t parallel) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto run, find_run(*catalog, word));
  WEIR_ASSIGN(const auto pinned, pin_version(session, run.config_hash));
  Shown shown(session);
  orchestrate::RetryRequest request;
  request.run_id = run.run_id;
  request.max_parallel_tasks = parallel;
  WEIR_ASSIGN(const auto report,
              orchestrate::retry_run(shown.services, pinned, request, *session.wiring().cancel));
  return finish(session, report);
}

Result<int> rerun(Session& session, const std::string& word, int64_t parallel) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto run, find_run(*catalog, word));
  WEIR_ASSIGN(const auto pinned, pin_head(session, run.flow_id, false));
  Shown shown(session);
  orchestrate::RunRequest request;
  request.flow_id = run.flow_id;
  request.params = run.params;
  if (run.interval_end_us != 0) {  // The same data again.
    request.logical_time_us = run.logical_time_us;
    request.interval_start_us = run.interval_start_us;
    request.interval_end_us = run.interval_end_us;
  }
  request.trigger = "rerun";
  request.rerun_of = run.run_id;
  request.max_parallel_tasks = parallel;
  WEIR_ASSIGN(const auto report,
              orchestrate::run_flow(shown.services, pinned, request, *session.wiring().cancel));
  return finish(session, report);
}

Result<int> status(Session& session, const std::string& word) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  orchestrate::RunReport report;
  if (word.empty()) {
    WEIR_ASSIGN(const auto runs, catalog->flow_runs("", 1));
    if (runs.empty())
      return fail_with_hint(ErrorCode::kNotFound, "nothing has run yet",
                            "`weir run FLOW` starts a flow");
    report.run = runs.front();
  } else {
    WEIR_ASSIGN(report.run, find_run(*catalog, word));
  }
  WEIR_ASSIGN(report.tasks, catalog->task_runs(report.run.run_id));
  WEIR_TRY(finish(session, report));
  WEIR_ASSIGN(auto notices, catalog->count_notices());
  const int64_t unsent = notices["waiting"] + notices["failed"];
  if (unsent > 0)
    session.say(
        fmt::format("notifications not sent: {} ({} given up); `weir notify list` shows "
                    "why, `weir notify send` tries again",
                    unsent, notices["failed"]));
  return 0;
}

Result<int> runs(Session& session, const std::string& flow, int64_t limit) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto list, catalog->flow_runs(flow, limit));
  std::vector<std::vector<std::string>> rows;
  Json json = Json::array();
  for (const auto& run : list) {
    rows.push_back({run.run_id, run.flow_id, std::string(to_text(run.state)),
                    format_instant(run.created_at_us), run.trigger, run.error_text});
    json.push_back(to_json(run));
  }
  if (session.wants_json())
    session.give({{"runs", std::move(json)}});
  else
    *session.wiring().out << table_text({"run", "flow", "state", "created", "trigger", ""}, rows);
  return 0;
}

Result<int> logs(Session& session, const std::string& word, const std::string& task) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto run, find_run(*catalog, word));
  WEIR_ASSIGN(auto lines, catalog->logs(run.run_id, task));
  if (lines.empty() && !task.empty()) {
    // The name of a task with for_each stands for those of all its values.
    WEIR_ASSIGN(lines, catalog->logs(run.run_id, ""));
    std::erase_if(lines,
                  [&](const auto& line) { return model::without_value(line.task_id) != task; });
  }
  for (const auto& line : lines) {
    if (session.wants_json())
      session.give({{"at", format_instant(line.at_us)},
                    {"task_id", line.task_id},
                    {"attempt", line.attempt},
                    {"level", line.level},
                    {"message", line.message}});
    else
      *session.wiring().out << fmt::format("{} {} [{}#{}] {}\n", format_instant(line.at_us),
                                           line.level, line.task_id, line.attempt, line.message);
  }
  return 0;
}

Result<int> cancel(Session& session, const std::string& word) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto found, find_run(*catalog, word));
  const Shown shown(session);
  WEIR_ASSIGN(const auto run, orchestrate::cancel_run(shown.services, found.run_id));
  session.say(is_final(run.state) ? fmt::format("run {} is {}: nobody was working on it",
                                                run.run_id, to_text(run.state))
                                  : fmt::format("run {} is asked to stop", run.run_id));
  return 0;
}

/// Lets the held operations of a run through, or retires their inputs.
Result<int> decide(Session& session, const std::string& word, const std::string& state) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto run, find_run(*catalog, word));
  WEIR_ASSIGN(const auto holds, catalog->holds("open"));
  int64_t count = 0;
  for (const auto& hold : holds) {
    if (hold.run_id != run.run_id) continue;
    const std::string author = session.wiring().environment->get("USER").value_or("");
    WEIR_TRY(catalog->close_hold(hold.token, state, author));
    session.say(
        fmt::format("{} of {} ({}) is {}", hold.target.text(), hold.task_id, hold.reason, state));
    ++count;
  }
  if (count == 0)
    return fail_with_hint(ErrorCode::kNotFound, fmt::format("run {} holds nothing", run.run_id),
                          "`weir runs` shows runs in state held");
  if (state == "approved") session.say(fmt::format("`weir retry {}` takes it in", run.run_id));
  return 0;
}

Result<int> run_single_task(Session& session, const orchestrate::TaskRequest& request) {
  WEIR_TRY(session.catalog());
  Shown shown(session);
  const auto pin = [&](const std::string& hash) {
    return hash.empty() ? pin_head(session, request.flow_id, false) : pin_version(session, hash);
  };
  WEIR_ASSIGN(const auto row,
              orchestrate::run_task(shown.services, pin, request, *session.wiring().cancel));
  if (session.wants_json())
    session.give({{"event", "report"}, {"task", to_json(row)}});
  else
    session.say(
        fmt::format("task {}: {}: {}", row.task_id, to_text(row.state), counts_text(row.counts)));
  return row.state == catalog::TaskState::kHeld ? 5 : 0;
}

/// One operation from standard input; its outcome on standard output, its error as the last line of
/// standard error.
Result<int> run_operation(Session& session) {
  const Wiring& wiring = session.wiring();
  const std::string text(std::istreambuf_iterator<char>(*wiring.in), {});
  const auto execute = [&]() -> Result<model::Outcome> {
    WEIR_ASSIGN(const Json json, parse_json(text));
    WEIR_ASSIGN(const auto operation, model::operation_from_json(json));
    WEIR_ASSIGN(engine::Engine * engine, wiring.engine("embedded"));
    // Buckets are reached as the operation says, whatever project lies where this process stands.
    const auto stores = wiring.make_stores(
        session.folder(), operation.secrets_file,
        [&]() -> Result<std::vector<model::Connection>> { return operation.buckets; });
    engine::Context context;
    context.stores = stores.get();
    context.clock = wiring.clock;
    context.random = wiring.random;
    context.log = &session.log();
    context.cancel = wiring.cancel;
    // Read where one is asked for: most operations name none.
    const auto resolve = [&](const Json& options, const Cancel& cancel) -> Result<Json> {
      WEIR_ASSIGN(const auto secrets,
                  wiring.make_secrets(operation.secrets_file, operation.buckets));
      return secrets->resolved(options, cancel);
    };
    context.resolve_secrets = {resolve, nullptr};
    context.on_progress = [&](const engine::Progress& progress) {
      *wiring.err
          << dump_json(
                 {{"progress",
                   {{"step", progress.step}, {"rows", progress.rows}, {"bytes", progress.bytes}}}})
          << "\n";
    };
    return engine->execute(operation, context);
  };
  auto outcome = execute();
  if (!outcome) {
    *wiring.err << engine::error_line(outcome.error()) << "\n" << std::flush;
    return exit_status(outcome.error().code);
  }
  *wiring.out << dump_json(model::to_json(*outcome)) << "\n";
  return outcome->held ? 5 : 0;
}

void add_run_word(CLI::App& app, Chosen& chosen, const std::string& name, const std::string& about,
                  Result<int> (*action)(Session&, const std::string&, int64_t)) {
  auto* command = app.add_subcommand(name, about);
  auto word = std::make_shared<std::string>();
  auto parallel = std::make_shared<int64_t>(4);
  command->add_option("run", *word, "Run id, or a flow: its newest run")->required();
  command->add_option("--parallel", *parallel, "Tasks at once")->check(CLI::Range(1, 64));
  command->callback([&chosen, word, parallel, action] {
    chosen.action = [=](Session& session) { return action(session, *word, *parallel); };
  });
}

void add_task_and_operation(CLI::App& app, Chosen& chosen) {
  auto* task = app.add_subcommand("task", "Single tasks, for an outside scheduler");
  task->require_subcommand(1);
  auto* task_run = task->add_subcommand("run", "Run one task of a run");
  auto request = std::make_shared<orchestrate::TaskRequest>();
  task_run->add_option("--flow", request->flow_id, "Flow")->required();
  task_run->add_option("--task", request->task_id, "Task")->required();
  task_run->add_option("--run-key", request->run_key, "Key of the run, the same for all its tasks")
      ->required();
  task_run->add_option("--try", request->attempt, "Which attempt this is")
      ->check(CLI::Range(1, 10'000));
  task_run
      ->add_option("--driver-epoch", request->driver_epoch,
                   "Of the server that asks: it minds needs, tries and the end of the run")
      ->group("");
  task_run->callback([&chosen, request] {
    chosen.action = [request](Session& session) { return run_single_task(session, *request); };
  });
  auto* op = app.add_subcommand("op", "Single operations, for an engine");
  op->require_subcommand(1);
  op->add_subcommand("run", "Execute the operation on standard input")->callback([&chosen] {
    chosen.action = run_operation;
  });
}

}  // namespace

void add_run_commands(CLI::App& app, Chosen& chosen) {
  auto* run_command = app.add_subcommand("run", "Run a flow to its end");
  auto flags = std::make_shared<RunFlags>();
  run_command->add_option("flow", flags->flow, "Flow")->required();
  run_command->add_option("--run-key", flags->run_key, "A key that a second start finds again");
  run_command->add_option("--parallel", flags->parallel, "Tasks at once")->check(CLI::Range(1, 64));
  run_command->add_flag("--apply", flags->applies, "Apply the YAML first");
  run_command->callback([&chosen, flags] {
    chosen.action = [flags](Session& session) { return run(session, *flags); };
  });
  add_run_word(app, chosen, "retry", "Run what did not succeed of a run, with the same inputs",
               retry);
  add_run_word(app, chosen, "rerun", "Start a new run with the same parameters", rerun);

  auto word = std::make_shared<std::string>();
  auto* status_command = app.add_subcommand("status", "A run and its tasks (default: the newest)");
  status_command->add_option("run", *word, "Run id or flow");
  status_command->callback(
      [&chosen, word] { chosen.action = [word](Session& s) { return status(s, *word); }; });

  auto flow = std::make_shared<std::string>();
  auto limit = std::make_shared<int64_t>(20);
  auto* runs_command = app.add_subcommand("runs", "Runs, newest first");
  runs_command->add_option("flow", *flow, "Only of this flow");
  runs_command->add_option("--limit", *limit, "How many")->check(CLI::Range(1, 10'000));
  runs_command->callback([&chosen, flow, limit] {
    chosen.action = [=](Session& s) { return runs(s, *flow, *limit); };
  });

  auto task = std::make_shared<std::string>();
  auto logs_word = std::make_shared<std::string>();
  auto* logs_command = app.add_subcommand("logs", "What a run wrote into its log");
  logs_command->add_option("run", *logs_word, "Run id or flow")->required();
  logs_command->add_option("task", *task,
                           "Only of this task; of one with for_each, those of all its values");
  logs_command->callback([&chosen, logs_word, task] {
    chosen.action = [=](Session& s) { return logs(s, *logs_word, *task); };
  });

  auto cancel_word = std::make_shared<std::string>();
  auto* cancel_command = app.add_subcommand("cancel", "Ask a run to stop");
  cancel_command->add_option("run", *cancel_word, "Run id or flow")->required();
  cancel_command->callback([&chosen, cancel_word] {
    chosen.action = [=](Session& s) { return cancel(s, *cancel_word); };
  });
  for (const auto& [name, state, about] :
       {std::tuple("approve", "approved", "Let what a run holds through"),
        std::tuple("reject", "rejected", "Retire the input that a run holds")}) {
    auto held = std::make_shared<std::string>();
    auto* command = app.add_subcommand(name, about);
    command->add_option("run", *held, "Run id or flow")->required();
    command->callback([&chosen, held, state = std::string(state)] {
      chosen.action = [=](Session& s) { return decide(s, *held, state); };
    });
  }
  add_task_and_operation(app, chosen);
}

}  // namespace weir::cli
