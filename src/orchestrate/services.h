#pragma once

/// What orchestration stands on, handed in by app/: it names no template, engine or store itself.

#include <functional>
#include <map>
#include <span>
#include <string>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/resolve_secrets.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "model/configuration.h"
#include "notify/channel.h"
#include "storage/storage.h"
#include "task/template.h"

namespace weir::orchestrate {

/// Something happened that a person may want to see at once. Called from any thread.
struct Event {
  std::string name;  ///< `run_started, task_started, progress, task_finished, run_finished, …`
  std::string run_id;
  std::string task_id;
  Json details = Json::object();
};

struct Services {
  catalog::Catalog* catalog = nullptr;
  storage::Stores* stores = nullptr;
  Clock* clock = nullptr;
  Random* random = nullptr;
  Log* log = nullptr;
  std::span<const task::Template> templates;
  /// kInvalidConfig for a name that nobody serves.
  std::function<Result<engine::Engine*>(const std::string& name)> engine;
  task::OpenApi open_api;                      ///< May be empty: then there are none.
  std::function<void(const Event&)> on_event;  ///< May be empty.
  /// Opens a connection that is a channel; empty: nothing is sent from here. Called from any
  /// thread.
  std::function<Result<std::unique_ptr<notify::Channel>>(const model::Connection&)> channel = {};
  ResolveSecrets resolve_secrets = {};  ///< Of connections.
  std::string version = {};             ///< Of weir.
  std::string base_folder;              ///< Absolute; relative URIs count from it.
  std::string secrets_file;             ///< Sealed secrets of the project.
  std::string temp_folder;              ///< For spilling.
  std::string holder;                   ///< Who we are, for people: `host, process 123`.
  int64_t lease_ms = 30'000;
  /// This process makes one attempt and nothing else: what it takes is the task's.
  bool is_for_one_task = false;
  /// An attempt of a task of this flow ended under a driver of this process, as its row says; may
  /// be empty.
  std::function<void(const std::string& flow_id, const catalog::TaskRun& row)> on_attempt_end = {};
  int64_t courier_ms = 5000;  ///< How long a run that has ended waits for channels.
  /// Makes an attempt that has begun, and minds its lease meanwhile; empty: the real thing, with
  /// threads. For simulations.
  std::function<Result<catalog::TaskState>(const catalog::TaskRun& row, const catalog::Lease& lease,
                                           Cancel& cancel)>
      make_attempt = {};

  void tell(const Event& event) const {
    if (on_event) on_event(event);
  }
};

/// A configuration as a run sees it: resolved, expanded, with the contents of the files it names.
struct Pinned {
  std::string hash;
  model::Configuration configuration;
  std::map<std::string, std::string> files;  ///< path → content
  /// What the first run with it tells before its tasks start.
  struct Warning {
    std::string task_id;
    std::string message;
  };
  std::vector<Warning> warnings = {};
};

/// The template of a task; kInvalidConfig with did-you-mean.
Result<const task::Template*> find_template(std::span<const task::Template> templates,
                                            const std::string& name);

}  // namespace weir::orchestrate
