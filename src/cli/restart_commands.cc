#include <algorithm>
#include <ostream>

#include "cli/commands.h"
#include "cli/project.h"
#include "cli/shown_run.h"
#include "orchestrate/restart.h"

namespace weir::cli {
namespace {

struct MarkFlags {
  std::string run;
  std::string task;
  std::string state;
  std::string reason;
};

Result<int> mark(Session& session, const MarkFlags& flags) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto run, find_run(*catalog, flags.run));
  WEIR_ASSIGN(const auto state, catalog::task_state_from_text(flags.state));
  const Shown shown(session);
  WEIR_ASSIGN(const auto row, orchestrate::mark_task(shown.services, run.run_id, flags.task, state,
                                                     author_of(session), flags.reason));
  if (session.wants_json())
    session.give({{"event", "marked"}, {"run_id", run.run_id}, {"task", to_json(row)}});
  session.say(fmt::format(
      "task '{}' of run {} is marked as {}; `weir retry {}` {}", row.task_id, run.run_id,
      to_text(row.state), run.run_id,
      row.state == catalog::TaskState::kSucceeded ? "goes on behind it" : "does it again"));
  return 0;
}

struct PauseFlags {
  std::string flow;
  std::string reason;
};

Result<int> pause(Session& session, const PauseFlags& flags, bool is_paused) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto head, catalog->load_head());
  WEIR_ASSIGN(const auto states, catalog->flow_states());
  // A flow that is no more can be resumed: it may come back.
  const bool is_known =
      std::ranges::find(states, flags.flow, &catalog::FlowState::flow_id) != states.end();
  if (is_paused || !is_known) WEIR_TRY(find_flow(head.configuration, flags.flow));
  WEIR_TRY(catalog->pause_flow(flags.flow, is_paused, author_of(session), flags.reason));
  WEIR_TRY(catalog->audit(author_of(session), is_paused ? "pause flow" : "resume flow",
                          {{"flow_id", flags.flow}, {"reason", flags.reason}}));
  if (session.wants_json())
    session.give({{"event", is_paused ? "paused" : "resumed"}, {"flow_id", flags.flow}});
  session.say(is_paused
                  ? fmt::format("flow {} is paused: neither its schedule nor files start it; `weir "
                                "resume {}` ends that",
                                flags.flow, flags.flow)
                  : fmt::format("flow {} is started by its schedule and by files again; what "
                                "passed meanwhile is made up for as its `catchup` says",
                                flags.flow));
  return 0;
}

void add_mark(CLI::App& app, Chosen& chosen) {
  auto* command = app.add_subcommand(
      "mark",
      "Say how a task of a run ended: succeeded for one that did not (somebody did its work), "
      "failed for one that did (a retry does it again). The run must have ended");
  auto flags = std::make_shared<MarkFlags>();
  command->add_option("run", flags->run, "Run id, or a flow: its newest run")->required();
  command->add_option("task", flags->task, "Task")->required();
  command->add_option("state", flags->state, "succeeded or failed")
      ->required()
      ->check(CLI::IsMember({"succeeded", "failed"}));
  command->add_option("--reason", flags->reason, "Why, for the audit log")->required();
  command->callback([&chosen, flags] {
    chosen.action = [flags](Session& session) { return mark(session, *flags); };
  });
}

void add_pause_and_resume(CLI::App& app, Chosen& chosen) {
  for (const auto& [name, is_paused, about] :
       {std::tuple("pause", true,
                   "Let neither schedule nor files start a flow: servers heed it within some "
                   "seconds. Runs under way go on, `weir run` starts it still"),
        std::tuple("resume", false, "Let schedule and files start a paused flow again")}) {
    auto* command = app.add_subcommand(name, about);
    auto flags = std::make_shared<PauseFlags>();
    command->add_option("flow", flags->flow, "Flow")->required();
    if (is_paused) command->add_option("--reason", flags->reason, "Why, for whoever looks");
    command->callback([&chosen, flags, pauses = is_paused] {
      chosen.action = [flags, pauses](Session& s) { return pause(s, *flags, pauses); };
    });
  }
}

}  // namespace

void add_restart_commands(CLI::App& app, Chosen& chosen) {
  add_mark(app, chosen);
  add_pause_and_resume(app, chosen);
}

}  // namespace weir::cli
