#include <algorithm>
#include <ostream>

#include "base/nearest.h"
#include "cli/commands.h"
#include "cli/parameters.h"
#include "cli/project.h"
#include "cli/shown_run.h"
#include "orchestrate/coordinator.h"
#include "orchestrate/restart.h"

namespace weir::cli {
namespace {

constexpr const char* kDetach =
    "Queue it for the servers of the catalog (`weir serve`), and do not wait";

struct RunFlags {
  std::string flow;
  std::string run_key;
  std::vector<std::string> params;  ///< `k=v`
  int64_t parallel = 4;
  bool applies = false;
  bool is_detached = false;
};

struct RetryFlags {
  std::string run;
  std::string from;
  std::string config = "same";
  int64_t parallel = 4;
  bool is_detached = false;
  bool looks_again = false;
};

/// A run that was started with the key keeps the configuration with which it started.
Result<orchestrate::Pinned> pin_for(Session& session, const RunFlags& flags, const Json& params) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog());
  if (!flags.run_key.empty()) {
    WEIR_ASSIGN(const auto known, catalog->find_run(flags.flow, flags.run_key));
    if (known) return pin_version(session, known->config_hash);
  }
  return pin_head(session, {.flow_id = flags.flow, .params = params}, flags.applies);
}

Result<int> run(Session& session, const RunFlags& flags) {
  orchestrate::RunRequest request;
  request.flow_id = flags.flow;
  request.run_key = flags.run_key;
  WEIR_ASSIGN(request.params, read_parameters(flags.params));
  WEIR_ASSIGN(const auto pinned, pin_for(session, flags, request.params));
  Shown shown(session);
  request.max_parallel_tasks = flags.parallel;
  if (flags.is_detached) {
    orchestrate::RunWish wish;
    wish.flow_id = request.flow_id;
    wish.run_key = request.run_key;
    wish.trigger = request.trigger;
    wish.params = request.params;
    WEIR_ASSIGN(const auto started, orchestrate::enqueue_run(shown.services, pinned, wish));
    return say_queued(session, started.run);
  }
  WEIR_ASSIGN(const auto report,
              orchestrate::run_flow(shown.services, pinned, request, *session.wiring().cancel));
  return finish(session, report);
}

constexpr int64_t kMostVersions = 100'000;

/// `same`, `latest`, or the hash of a version, of which the first letters are enough.
Result<orchestrate::Pinned> pin_of(Session& session, const catalog::FlowRun& run,
                                   const std::string& config) {
  if (config == "same") return pin_version(session, run.config_hash);
  if (config == "latest")
    return pin_head(session, {.flow_id = run.flow_id, .params = run.params}, false);
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto versions, catalog->config_versions(run.flow_id, kMostVersions));
  std::vector<std::string> found;
  for (const auto& version : versions)
    if (version.hash.starts_with(config)) found.push_back(version.hash);
  if (found.size() == 1) return pin_version(session, found.front());
  return fail_with_hint(
      ErrorCode::kNotFound,
      found.empty() ? fmt::format("no version of flow '{}' begins with '{}'", run.flow_id, config)
                    : fmt::format("{} versions of flow '{}' begin with '{}'", found.size(),
                                  run.flow_id, config),
      "--config takes same, latest, or the hash of a version (table config_version)");
}

Result<int> retry(Session& session, const RetryFlags& flags) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto run, find_run(*catalog, flags.run));
  WEIR_ASSIGN(const auto pinned, pin_of(session, run, flags.config));
  Shown shown(session);
  orchestrate::RetryRequest request;
  request.run_id = run.run_id;
  request.from_task = flags.from;
  request.may_change_configuration = flags.config != "same";
  request.max_parallel_tasks = flags.parallel;
  if (flags.is_detached) {
    WEIR_ASSIGN(const auto queued, orchestrate::enqueue_retry(shown.services, pinned, request));
    return say_queued(session, queued);
  }
  WEIR_ASSIGN(const auto report,
              orchestrate::retry_run(shown.services, pinned, request, *session.wiring().cancel));
  return finish(session, report);
}

Result<int> rerun(Session& session, const RetryFlags& flags) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto run, find_run(*catalog, flags.run));
  WEIR_ASSIGN(const auto pinned,
              pin_head(session,
                       {.flow_id = run.flow_id,
                        .params = run.params,
                        .lists_of_hash = flags.looks_again ? "" : run.config_hash},
                       false));
  Shown shown(session);
  if (flags.is_detached) {
    orchestrate::RunWish wish;
    wish.flow_id = run.flow_id;
    wish.trigger = "rerun";
    wish.params = run.params;
    wish.rerun_of = run.run_id;
    WEIR_ASSIGN(const auto started, orchestrate::enqueue_run(shown.services, pinned, wish));
    return say_queued(session, started.run);
  }
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
  request.max_parallel_tasks = flags.parallel;
  WEIR_ASSIGN(const auto report,
              orchestrate::run_flow(shown.services, pinned, request, *session.wiring().cancel));
  return finish(session, report);
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
    WEIR_TRY(catalog->close_hold(hold.token, state, author_of(session)));
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

void add_run(CLI::App& app, Chosen& chosen) {
  auto* command = app.add_subcommand("run", "Run a flow to its end");
  auto flags = std::make_shared<RunFlags>();
  command->add_option("flow", flags->flow, "Flow")->required();
  command->add_option("--run-key", flags->run_key, "A key that a second start finds again");
  command->add_option("--param", flags->params, "Parameter of the flow: name=value")
      ->allow_extra_args(false);
  auto* parallel =
      command->add_option("--parallel", flags->parallel, "Tasks at once")->check(CLI::Range(1, 64));
  command->add_flag("--apply", flags->applies, "Apply the YAML first");
  command->add_flag("--detach", flags->is_detached, kDetach)->excludes(parallel);
  command->callback([&chosen, flags] {
    chosen.action = [flags](Session& session) { return run(session, *flags); };
  });
}

void add_retry_and_rerun(CLI::App& app, Chosen& chosen) {
  const auto add = [&](const std::string& name, const std::string& about,
                       Result<int> (*action)(Session&, const RetryFlags&)) {
    auto* command = app.add_subcommand(name, about);
    auto flags = std::make_shared<RetryFlags>();
    command->add_option("run", flags->run, "Run id, or a flow: its newest run")->required();
    auto* parallel = command->add_option("--parallel", flags->parallel, "Tasks at once")
                         ->check(CLI::Range(1, 64));
    command->add_flag("--detach", flags->is_detached, kDetach)->excludes(parallel);
    command->callback([&chosen, flags, action] {
      chosen.action = [flags, action](Session& session) { return action(session, *flags); };
    });
    return std::pair(command, flags);
  };
  const auto [command, flags] =
      add("retry",
          "Run what did not succeed of a run, with the same inputs: here, also where a server had "
          "driven it, or with --detach on a server",
          retry);
  command->add_option("--from", flags->from,
                      "This task and all that needs it run again, also where they succeeded");
  command->add_option("--config", flags->config,
                      "Its configuration: same (where it is not said), latest (what is applied "
                      "now) or the hash of a version; with another one inputs are looked up anew");
  const auto [again, again_flags] =
      add("rerun", "Start a new run with the same parameters, as the configuration is now", rerun);
  again->add_flag("--look-again", again_flags->looks_again,
                  "Look up the tables and files of for_each now, in place of taking those that "
                  "that run found");
}

}  // namespace

void add_run_commands(CLI::App& app, Chosen& chosen) {
  add_run(app, chosen);
  add_retry_and_rerun(app, chosen);
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
}

}  // namespace weir::cli
