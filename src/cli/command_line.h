#pragma once

/// The command line: a thin skin that reads words, calls the use cases of config, orchestrate and
/// lake, and shows what they give, as text for people or as JSON for programs.

#include <functional>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "arrivals/queue.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/ids.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "model/configuration.h"
#include "notify/channel.h"
#include "secrets/secrets.h"
#include "storage/storage.h"
#include "task/template.h"

namespace weir::cli {

/// The connections of the project at hand by which its stores are reached.
using FindConnections = std::function<Result<std::vector<model::Connection>>()>;

/// What app/ hands in. Everything outlives the call.
struct Wiring {
  Environment* environment = nullptr;
  Clock* clock = nullptr;
  Random* random = nullptr;
  Cancel* cancel = nullptr;  ///< Set by signals.
  std::span<const task::Template> templates;
  std::function<std::unique_ptr<storage::Stores>(const std::string& base_folder,
                                                 const std::string& secrets_file, FindConnections)>
      make_stores;
  std::function<Result<std::unique_ptr<secrets::Secrets>>(
      const std::string& file, const std::vector<model::Connection>& connections)>
      make_secrets;
  std::function<Result<std::unique_ptr<notify::Channel>>(
      const model::Connection& connection, const std::string& base_folder, secrets::Secrets&)>
      make_channel;
  std::function<Result<std::unique_ptr<arrivals::Queue>>(
      const model::Connection& connection, const std::string& base_folder, secrets::Secrets&)>
      make_queue;
  std::function<task::OpenApi(const std::string& base_folder, const std::string& secrets_file,
                              FindConnections)>
      make_apis;
  /// Where the sealed secrets of a project lie, and the key to them.
  std::function<std::string(const std::string& base_folder)> secrets_file;
  std::string secrets_key_file;
  std::function<Result<engine::Engine*>(const std::string& name)> engine;
  /// From now on SIGHUP does not end the process; whether there was one since it was last called.
  std::function<std::function<bool()>()> watch_hangups = {};
  std::string program;  ///< Path of this program.
  std::string version;
  std::string engine_version;
  std::string working_directory;
  std::istream* in = nullptr;
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  bool is_terminal = false;  ///< Standard error is a terminal.
};

/// The word by which a program is a fork server (base/fork_server.h) and nothing else.
inline constexpr std::string_view kForkServer = "fork-server";

/// Runs one command; the exit status as the table of errors says.
int run_command_line(const std::vector<std::string>& words, const Wiring& wiring);

}  // namespace weir::cli
