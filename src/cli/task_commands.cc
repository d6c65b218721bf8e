#include <istream>
#include <iterator>
#include <ostream>

#include "base/instant.h"
#include "cli/commands.h"
#include "cli/project.h"
#include "cli/shown_run.h"
#include "engine/error_json.h"

namespace weir::cli {
namespace {

Result<int> run_single_task(Session& session, const orchestrate::TaskRequest& request,
                            const std::string& lease) {
  WEIR_TRY(session.catalog());
  Shown shown(session);
  shown.services.is_for_one_task = true;
  if (!lease.empty()) {
    WEIR_ASSIGN(shown.services.lease_ms, while_doing(parse_duration_ms(lease), "reading --lease"));
  }
  const auto pin = [&](const std::string& hash) {
    return hash.empty() ? pin_head(session, {.flow_id = request.flow_id}, false)
                        : pin_version(session, hash);
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

}  // namespace

void add_task_commands(CLI::App& app, Chosen& chosen) {
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
  auto lease = std::make_shared<std::string>();
  task_run->add_option("--lease", *lease, "Of the server that asks")->group("");
  task_run->callback([&chosen, request, lease] {
    chosen.action = [=](Session& session) { return run_single_task(session, *request, *lease); };
  });
  auto* op = app.add_subcommand("op", "Single operations, for an engine");
  op->require_subcommand(1);
  op->add_subcommand("run", "Execute the operation on standard input")->callback([&chosen] {
    chosen.action = run_operation;
  });
}

}  // namespace weir::cli
