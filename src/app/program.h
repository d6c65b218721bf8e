#pragma once

/// The program: reads the environment, makes clock, stores, engines and templates, hands them to
/// the command line. The only place that names adapters.

#include <span>

#include "task/template.h"

namespace weir::app {

/// Runs the command line; the exit status as the table of errors says. `own` are templates beside
/// the builtin ones: listed, documented, linted and run like them. One that breaks the contract
/// (task/contract.h), or whose name is taken, ends the program before any command with exit 2.
int run_program(int argc, char** argv, std::span<const task::Template> own = {});

}  // namespace weir::app
