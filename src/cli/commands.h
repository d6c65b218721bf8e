#pragma once

/// The commands by theme; each adds its words to the command line and says what to do when they are
/// given.

#include <functional>

#include <CLI/CLI.hpp>

#include "cli/session.h"

namespace weir::cli {

/// What the words ask for; an exit status, or the error that says why not.
using Action = std::function<Result<int>(Session&)>;

/// Where a command leaves its action once its words were read.
struct Chosen {
  Action action;
};

void add_configuration_commands(CLI::App& app, Chosen& chosen);
/// `run`, `retry`, `rerun`, `cancel`, `approve`, `reject`
void add_run_commands(CLI::App& app, Chosen& chosen);
/// `mark`, `pause`, `resume`
void add_restart_commands(CLI::App& app, Chosen& chosen);
void add_backfill_command(CLI::App& app, Chosen& chosen);
/// `status`, `runs`, `logs`
void add_watch_commands(CLI::App& app, Chosen& chosen);
void add_prune_command(CLI::App& app, Chosen& chosen);
void add_graph_command(CLI::App& app, Chosen& chosen);
void add_simulate_command(CLI::App& app, Chosen& chosen);
/// `task run` and `op run`
void add_task_commands(CLI::App& app, Chosen& chosen);
void add_next_command(CLI::App& app, Chosen& chosen);
void add_table_commands(CLI::App& app, Chosen& chosen);
/// Below `table`.
void add_maintenance_commands(CLI::App& table, Chosen& chosen);
void add_template_commands(CLI::App& app, Chosen& chosen);
void add_doctor_command(CLI::App& app, Chosen& chosen);
void add_serve_command(CLI::App& app, Chosen& chosen);
/// `user`, `token` and `audit`.
void add_account_commands(CLI::App& app, Chosen& chosen);
void add_connection_commands(CLI::App& app, Chosen& chosen);
void add_secret_commands(CLI::App& app, Chosen& chosen);
void add_notify_commands(CLI::App& app, Chosen& chosen);
void add_arrival_commands(CLI::App& app, Chosen& chosen);
/// `app` must outlive the action: the pages are made of it.
void add_reference_command(CLI::App& app, Chosen& chosen);

}  // namespace weir::cli
