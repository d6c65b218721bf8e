#pragma once

/// The program: reads the environment, makes clock, stores, engines and templates, hands them to
/// the command line. The only place that names adapters.

namespace weir::app {

int run_program(int argc, char** argv);

}  // namespace weir::app
