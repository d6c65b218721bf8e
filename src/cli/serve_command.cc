#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <ostream>

#include <unistd.h>

#include "base/digest.h"
#include "base/instant.h"
#include "cli/commands.h"
#include "cli/project.h"
#include "cli/pruning.h"
#include "cli/serving/serving.h"
#include "cli/shown_run.h"
#include "orchestrate/runner.h"
#include "server/server.h"

namespace weir::cli {
namespace {

constexpr int64_t kShortestLeaseMs = 1000;
constexpr int64_t kCatalogPauseMs = 1000;
constexpr int64_t kCatalogWordMs = 60'000;

struct ServeFlags {
  server::ServerOptions options;
  ServingOptions serving;
  bool api_only = false;
  std::string ready_file;
  std::string drain = "30s";
  std::string lease = "30s";
  std::string keep_runs;
};

/// The plan as a client sees it; its hash says which one it is.
Result<server::ConfigurationPlan> plan_for_client(Session& session, bool prune,
                                                  config::Plan* made = nullptr) {
  if (!session.has_yaml())
    return fail_with_hint(ErrorCode::kNotFound, "the project of this server has no weir.yaml",
                          "its configuration is rows alone: there is nothing to plan");
  WEIR_ASSIGN(auto plan, plan_project(session, prune));
  server::ConfigurationPlan result;
  result.plan = config::to_json(plan);
  result.hash = sha256_hex(dump_json(result.plan));
  result.is_empty = plan.is_empty();
  if (made != nullptr) *made = std::move(plan);
  return result;
}

/// What the API changes. Without `serving` nothing is started here. A plan reads the project's
/// files, one at a time.
server::Actions actions_of(Session& session, Serving* serving, std::mutex& planning) {
  server::Actions actions;
  actions.cancel_run = [&session, serving](const std::string& run_id,
                                           const std::string& /*author*/) {
    return serving != nullptr ? serving->cancel_run(run_id)
                              : orchestrate::cancel_run(session.services(), run_id);
  };
  if (serving != nullptr) {
    actions.start_run = [serving](const auto& request) { return serving->start_run(request); };
    actions.retry_run = [serving](const auto& request) { return serving->retry_run(request); };
    actions.take_arrivals = [serving](const auto& request) {
      return serving->take_arrivals(request);
    };
    actions.state = [serving] { return serving->state(); };
    actions.task_usage = [serving] { return serving->task_usage(); };
  }
  const auto decide = [&session](const std::string& state) {
    return [&session, state](const std::string& token, const std::string& author) -> Status {
      WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
      return catalog->close_hold(token, state, author);
    };
  };
  actions.approve = decide("approved");
  actions.reject = decide("rejected");
  actions.pause = [&session](const server::PauseRequest& request) -> Status {
    WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
    return catalog->pause_flow(request.flow_id, request.is_paused, request.author, request.reason);
  };
  actions.plan = [&session, &planning](bool prune) {
    const std::lock_guard lock(planning);
    return plan_for_client(session, prune);
  };
  actions.apply = [&session, &planning](bool prune, const std::string& hash,
                                        const std::string& author) -> Status {
    const std::lock_guard lock(planning);
    config::Plan plan;
    WEIR_ASSIGN(const auto now, plan_for_client(session, prune, &plan));
    if (now.hash != hash)
      return fail_with_hint(ErrorCode::kConflict, "what there is to change is another plan by now",
                            "plan again, and apply that one");
    WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
    return config::apply(*catalog, plan, author);
  };
  return actions;
}

/// For whoever started the server: where it is. It appears whole, once requests are answered.
Status write_ready_file(Session& session, const std::string& name, const server::Server& server) {
  if (name.empty()) return {};
  const auto path = (std::filesystem::path(session.wiring().working_directory) / name);
  const Json json = {
      {"format", 1}, {"url", server.url()}, {"port", server.port()}, {"pid", this_process().pid}};
  WEIR_ASSIGN(storage::Storage * folder,
              session.stores().open(path.parent_path().lexically_normal().string()));
  WEIR_TRY(storage::put(*folder, path.filename().string(), dump_json(json) + "\n",
                        storage::Put::kReplace));
  return {};
}

void wait_for_end(Cancel& cancel) {
  std::mutex mutex;
  std::condition_variable ended;
  bool is_over = false;
  const int listener = cancel.add_listener([&] {
    const std::lock_guard lock(mutex);
    is_over = true;
    ended.notify_all();
  });
  {
    std::unique_lock lock(mutex);
    ended.wait(lock, [&] { return is_over; });
  }
  cancel.remove_listener(listener);
}

/// Tries until the catalog can be had. False: it is told to stop before. An error that waiting
/// cannot mend is given.
Result<bool> wait_for_catalog(Session& session, const Error& why) {
  session.log().warning("the catalog cannot be reached, the server waits for it: {}", to_line(why));
  Clock& clock = *session.wiring().clock;
  const int64_t began_us = clock.monotonic_us();
  int64_t told_us = began_us;
  while (wait_ms(*session.wiring().cancel, kCatalogPauseMs)) {
    const auto opened = session.catalog();
    const int64_t now_us = clock.monotonic_us();
    if (opened) {
      session.log().warning("the catalog is there, after {} s", (now_us - began_us) / 1'000'000);
      return true;
    }
    if (opened.error().code == ErrorCode::kCancelled) return false;
    if (opened.error().code != ErrorCode::kUnavailable) return std::unexpected(opened.error());
    if (now_us - told_us < kCatalogWordMs * 1000) continue;
    told_us = now_us;
    session.log().warning("the server has waited for the catalog for {} s: {}",
                          (now_us - began_us) / 1'000'000, to_line(opened.error()));
  }
  return false;
}

Result<int> serve(Session& session, const ServeFlags& flags) {
  // Several servers write into one collection of logs: by the name that their leases have.
  if (JsonLog* const log = session.json_log()) log->stamp({{"server", session.services().holder}});
  WEIR_ASSIGN(const int64_t drain_ms,
              while_doing(parse_duration_ms(flags.drain), "reading --drain"));
  ServingOptions serving_options = flags.serving;
  WEIR_ASSIGN(serving_options.lease_ms,
              while_doing(parse_duration_ms(flags.lease), "reading --lease"));
  if (serving_options.lease_ms < kShortestLeaseMs)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("--lease {} is shorter than 1s", flags.lease),
                          "a server renews its lease with each third of it, over the network");
  if (!flags.keep_runs.empty()) {
    WEIR_ASSIGN(serving_options.keep_runs_ms, read_age(flags.keep_runs, "--keep-runs"));
  }
  const Wiring& wiring = session.wiring();
  auto catalog = session.catalog();
  if (!catalog && catalog.error().code != ErrorCode::kUnavailable)
    return std::unexpected(catalog.error());
  server::ServerOptions options = flags.options;
  // Who closes the terminal of a server ends it.
  if (wiring.watch_hangups && !wiring.is_terminal) options.wants_new_files = wiring.watch_hangups();
  const server::ServerGround ground = {.catalog = nullptr,
                                       .clock = wiring.clock,
                                       .random = wiring.random,
                                       .log = &session.log(),
                                       .templates = wiring.templates,
                                       .version = wiring.version,
                                       .engine_version = wiring.engine_version};
  std::mutex planning;
  std::unique_ptr<Serving> serving;  // it outlives the server, whose actions are its
  WEIR_ASSIGN(const auto server, server::start_server(options, ground, {}));
  if (!catalog) {
    WEIR_ASSIGN(const bool is_there, wait_for_catalog(session, catalog.error()));
    if (!is_there) {
      server->stop(0);
      session.say("stopped");
      return 0;
    }
    catalog = session.catalog();
  }
  if (!flags.api_only) serving = std::make_unique<Serving>(session, serving_options);
  WEIR_TRY(server->open(**catalog, actions_of(session, serving.get(), planning)));
  // Not before the port is ours: who cannot answer starts nothing.
  if (serving != nullptr) serving->begin();
  WEIR_TRY(write_ready_file(session, flags.ready_file, *server));
  session.say(fmt::format("weir answers at {}", server->url()));
  session.give({{"event", "ready"}, {"url", server->url()}, {"port", server->port()}});
  *wiring.out << std::flush;
  wait_for_end(*wiring.cancel);
  const bool is_idle = serving == nullptr || serving->stop(drain_ms);
  server->stop(drain_ms);
  session.say(is_idle ? "stopped"
                      : "stopped; tasks that run on are processes of their own, and whoever serves "
                        "the catalog next waits for them");
  if (!is_idle) {
    // Threads wait for those processes; nothing is left to be done by this one.
    *wiring.out << std::flush;
    _exit(0);
  }
  return 0;
}

}  // namespace

void add_serve_command(CLI::App& app, Chosen& chosen) {
  auto flags = std::make_shared<ServeFlags>();
  flags->options.port = 8080;
  auto* command = app.add_subcommand(
      "serve", "Start what is due, drive runs and answer the API, until it is told to stop");
  command->add_option("--address", flags->options.address,
                      "IP address to listen at (default: 127.0.0.1)");
  command->add_option("--port", flags->options.port, "Port (default: 8080; 0: a free one)")
      ->check(CLI::Range(0, 65'535));
  command->add_option("--tls-cert", flags->options.tls_certificate,
                      "PEM file with the certificate and its chain");
  command->add_option("--tls-key", flags->options.tls_key, "PEM file with its key");
  command->add_flag("--plain-http", flags->options.may_be_plain,
                    "Without TLS beyond loopback: something in front of it has TLS");
  command->add_option("--ready-file", flags->ready_file,
                      "File that says where it is, once it answers");
  command->add_option(
      "--drain", flags->drain,
      "How long requests and tasks may go on once it is told to stop (default: 30s)");
  command->add_option("--lease", flags->lease,
                      "How long others wait for this server once it is silent, before they go on "
                      "with its runs; at least 1s (default: 30s)");
  command->add_option("--slots", flags->serving.slots, "Tasks at once (default: 4)")
      ->check(CLI::Range(1, 256));
  command->add_option("--keep-runs", flags->keep_runs,
                      "Forget runs that ended longer ago, such as 90d, as `weir prune` does; "
                      "without it none are forgotten");
  command->add_flag("--threads", flags->serving.uses_threads,
                    "Tasks as threads of the server, not as a process each");
  command->add_flag("--api-only", flags->api_only, "Start and drive no runs");
  command->callback([&chosen, flags] {
    chosen.action = [flags](Session& session) { return serve(session, *flags); };
  });
}

}  // namespace weir::cli
