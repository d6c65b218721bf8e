#include "cli/command_line.h"

#include <algorithm>
#include <ostream>

#include "base/nearest.h"
#include "cli/commands.h"

namespace weir::cli {
namespace {

void add_flags(CLI::App& app, Flags& flags) {
  app.add_option("--project", flags.project, "Project folder (default: the current one)");
  app.add_option("--catalog", flags.catalog, "Catalog: sqlite:PATH or postgresql://…");
  app.add_option("--env", flags.environment, "Environment of weir.yaml");
  app.add_option("--var", flags.variables, "Variable for ${NAME}: name=value")
      ->allow_extra_args(false);
  app.add_option("--output", flags.output, "text or json")->check(CLI::IsMember({"text", "json"}));
  app.add_option("--log-format", flags.log_format, "Of the log on standard error: text or json")
      ->check(CLI::IsMember({"text", "json"}));
  app.add_flag("--quiet", flags.is_quiet, "Say only what was asked for and what went wrong");
  app.add_flag("--no-color", flags.no_color, "Plain text");
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> known;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
    known.push_back(command->get_name());
  return known;
}

/// CLI11 says which word it does not know; we add the nearest that it knows.
std::string unknown_word_hint(const CLI::App& app, const std::vector<std::string>& words) {
  const auto known = commands_of(app);
  for (const auto& word : words) {
    // Values of flags stand among the words, too: only a guess counts.
    if (word.starts_with('-') || std::ranges::find(known, word) != known.end()) continue;
    if (const std::string guess = did_you_mean(word, known); !guess.empty()) return guess;
  }
  return {};
}

}  // namespace

int run_command_line(const std::vector<std::string>& words, const Wiring& wiring) {
  CLI::App app("weir: metadata-driven ETL for lake houses", "weir");
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version",
                       fmt::format("weir {} (DuckDB {})", wiring.version, wiring.engine_version));
  Flags flags;
  add_flags(app, flags);
  Chosen chosen;
  add_configuration_commands(app, chosen);
  add_run_commands(app, chosen);
  add_restart_commands(app, chosen);
  add_backfill_command(app, chosen);
  add_watch_commands(app, chosen);
  add_prune_command(app, chosen);
  add_graph_command(app, chosen);
  add_simulate_command(app, chosen);
  add_task_commands(app, chosen);
  add_next_command(app, chosen);
  add_table_commands(app, chosen);
  add_template_commands(app, chosen);
  add_connection_commands(app, chosen);
  add_secret_commands(app, chosen);
  add_notify_commands(app, chosen);
  add_arrival_commands(app, chosen);
  add_doctor_command(app, chosen);
  add_serve_command(app, chosen);
  add_account_commands(app, chosen);
  add_reference_command(app, chosen);

  auto reversed = words;
  std::ranges::reverse(reversed);
  try {
    app.parse(reversed);
  } catch (const CLI::Success& wish) {
    return app.exit(wish, *wiring.out, *wiring.err);
  } catch (const CLI::ParseError& problem) {
    // "A subcommand is required" is said of a word that is none, too.
    const auto left = app.remaining();
    const bool is_unknown = problem.get_name() == "RequiredError" && !left.empty();
    *wiring.err << "error: "
                << (is_unknown ? fmt::format("there is no command '{}'", left.front())
                               : problem.what())
                << "\n";
    const std::string hint = unknown_word_hint(app, words);
    *wiring.err << "  help: " << (hint.empty() ? "`weir --help` lists the commands" : hint) << "\n";
    return exit_status(ErrorCode::kInvalidConfig);
  }
  Session session(wiring, flags);
  auto status = chosen.action(session);
  if (!status) return session.give_error(status.error());
  return *status;
}

}  // namespace weir::cli
