#include "app/program.h"

#include <atomic>
#include <csignal>
#include <exception>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include "app/apis.h"
#include "app/channels.h"
#include "app/queues.h"
#include "app/secrets.h"
#include "app/stores.h"
#include "base/fork_server.h"
#include "base/process.h"
#include "base/result.h"
#include "cli/command_line.h"
#include "engine/engine.h"
#include "sql/session.h"
#include "task/contract.h"
#include "templates/templates.h"

#ifndef WEIR_VERSION
#define WEIR_VERSION "0.1.0"
#endif

namespace weir::app {
namespace {

/// Turns SIGINT and SIGTERM into a cancellation. A thread waits for them, because a handler may do
/// next to nothing; a second signal ends the process the hard way.
class SignalWatch {
 public:
  explicit SignalWatch(Cancel& cancel) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::thread([signals, &cancel] {
      int signal = 0;
      if (sigwait(&signals, &signal) != 0) return;
      cancel.cancel(signal == SIGINT ? "interrupted" : "terminated by a signal");
      if (sigwait(&signals, &signal) == 0) _exit(130);
    }).detach();
  }
};

/// Whether there was a SIGHUP since it was last called.
std::function<bool()> watch_hangups() {
  static std::atomic_flag was_heeded = ATOMIC_FLAG_INIT;  // a handler may touch nothing else
  was_heeded.test_and_set();
  std::signal(SIGHUP, [](int /*signal*/) { was_heeded.clear(); });
  return [] { return !was_heeded.test_and_set(); };
}

/// WEIR_SPARK_SUBMIT: the program and its options, separated by blanks. WEIR_SPARK_SCRIPTS: where
/// weir's scripts are.
engine::SparkOptions spark_options(const Environment& environment) {
  engine::SparkOptions options;
  std::istringstream words(environment.get("WEIR_SPARK_SUBMIT").value_or(""));
  std::vector<std::string> submit;
  for (std::string word; words >> word;) submit.push_back(word);
  if (!submit.empty()) options.submit = submit;
  // A distribution has them beside `bin`, a checkout at its top, above `build/release`.
  const auto folder = std::filesystem::path(this_program()).parent_path();
  std::error_code ignored;
  for (const auto& place :
       {folder.parent_path() / "spark", folder.parent_path().parent_path() / "spark"}) {
    if (options.scripts.empty() && std::filesystem::is_directory(place, ignored))
      options.scripts = place.string();
  }
  options.scripts = environment.get("WEIR_SPARK_SCRIPTS").value_or(options.scripts);
  return options;
}

/// A library may throw where nothing may be thrown: DuckDB does when a disk fails under its
/// write-ahead log. What it said is told, as any error is, instead of a core dump; a run is then as
/// after a kill.
[[noreturn]] void tell_and_end() {
  std::string why = "no exception";
  try {
    if (const auto thrown = std::current_exception()) std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    why = error.what();
  } catch (...) {
    why = "an exception without words";
  }
  const std::string text = fmt::format(
      "error: internal: the program cannot go on: {}\n  hint: nothing half-written is visible; see "
      "to the disk, then `weir retry` the run\n",
      why);
  (void)!::write(STDERR_FILENO, text.data(), text.size());
  _exit(exit_status(ErrorCode::kInternal));
}

/// One command, from its words to its exit status.
int run_words(const std::vector<std::string>& words, std::span<const task::Template> own) {
  std::set_terminate(tell_and_end);
  const auto all_templates = task::join_templates(templates::all(), own);
  if (!all_templates) {
    std::cerr << to_terminal(all_templates.error());
    return exit_status(all_templates.error().code);
  }

  // It must outlive the thread that waits for signals.
  static Cancel cancel;
  const SignalWatch signals(cancel);
  std::signal(SIGPIPE, SIG_IGN);

  const auto environment = make_process_environment();
  const auto clock = make_system_clock();
  const auto random = make_system_random();
  const auto embedded = engine::make_embedded_engine();
  const auto subprocess = engine::make_subprocess_engine(this_program());
  const auto spark = engine::make_spark_engine(spark_options(*environment));

  cli::Wiring wiring;
  wiring.environment = environment.get();
  wiring.clock = clock.get();
  wiring.random = random.get();
  wiring.cancel = &cancel;
  wiring.templates = *all_templates;
  const StoresGround ground{environment.get(), clock.get(), random.get(), &cancel};
  wiring.make_stores = [ground](const std::string& base, const std::string& secrets_file,
                                cli::FindConnections connections) {
    return make_stores(base, secrets_file, std::move(connections), ground);
  };
  wiring.make_apis = [ground](const std::string& base, const std::string& secrets_file,
                              cli::FindConnections connections) {
    return make_apis(base, secrets_file, std::move(connections), ground);
  };
  wiring.make_secrets = [ground](const std::string& file,
                                 const std::vector<model::Connection>& connections) {
    return make_secrets(file, connections, ground);
  };
  wiring.make_channel = [ground](const model::Connection& connection, const std::string& base,
                                 secrets::Secrets& secrets) {
    return make_channel(connection, base, secrets, ground);
  };
  wiring.make_queue = [ground](const model::Connection& connection, const std::string& base,
                               secrets::Secrets& secrets) {
    return make_queue(connection, base, secrets, ground);
  };
  wiring.secrets_file = [&](const std::string& base) { return secrets_file(*environment, base); };
  wiring.secrets_key_file = secrets_key_file(*environment);
  wiring.engine = [&](const std::string& name) -> Result<engine::Engine*> {
    for (auto* each : {embedded.get(), subprocess.get(), spark.get()}) {
      if (each->name() == name) return each;
    }
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("there is no engine '{}'", name),
                          "engines are: embedded, subprocess, spark");
  };
  wiring.watch_hangups = watch_hangups;
  wiring.program = this_program();
  wiring.version = WEIR_VERSION;
  wiring.engine_version = sql::engine_version();
  std::error_code error;
  wiring.working_directory = std::filesystem::current_path(error).string();
  wiring.in = &std::cin;
  wiring.out = &std::cout;
  wiring.err = &std::cerr;
  wiring.is_terminal = isatty(STDERR_FILENO) == 1;
  const int status = cli::run_command_line(words, wiring);
  std::cout.flush();
  return status;
}

}  // namespace

int run_program(int argc, char** argv, std::span<const task::Template> own) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  // Before anything that a child must not share: a thread, a connection, a secret.
  if (!words.empty() && words.front() == cli::kForkServer)
    return serve_forks([own](const auto& of_child) { return run_words(of_child, own); });
  return run_words(words, own);
}

}  // namespace weir::app
