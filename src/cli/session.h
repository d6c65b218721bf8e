#pragma once

/// What every command shares: the flags in front, the project that they name, and the way out.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/json_log.h"
#include "base/resolve_secrets.h"
#include "cli/command_line.h"
#include "cli/project_files.h"
#include "model/configuration.h"
#include "orchestrate/services.h"

namespace weir::cli {

struct Flags {
  std::string project = ".";
  std::string catalog;
  std::string environment;
  std::vector<std::string> variables;  ///< `k=v`
  std::string output = "text";
  std::string log_format = "text";  ///< Of the log on stderr.
  bool is_quiet = false;
  bool no_color = false;
};

/// One command under way. Opened lazily: `weir template list` needs no catalog.
class Session {
 public:
  Session(const Wiring& wiring, const Flags& flags);

  const Wiring& wiring() const { return wiring_; }
  const Flags& flags() const { return flags_; }
  bool wants_json() const { return flags_.output == "json"; }

  /// The project folder, absolute.
  const std::string& folder() const { return folder_; }
  bool has_yaml() const;
  storage::Stores& stores() { return *stores_; }
  /// What its configuration names: files of the folder, and others by URI.
  Result<storage::Storage*> files();
  Log& log() { return *log_; }
  /// The log, where it is one for machines; else nothing.
  JsonLog* json_log() { return json_log_; }
  /// Those of the project.
  Result<std::unique_ptr<secrets::Secrets>> secrets();

  /// The catalog that --catalog, WEIR_CATALOG or weir.yaml names; opened once.
  Result<catalog::Catalog*> catalog(bool may_create = true);
  Result<std::string> catalog_url();
  /// Whether a flag or the environment names the catalog: what weir.yaml says of it does not count.
  bool names_catalog() const;

  /// Values of `--var` over the environment.
  Result<std::map<std::string, std::string>> variables() const;

  orchestrate::Services services();

  /// A queue that tells of files.
  Result<std::unique_ptr<arrivals::Queue>> open_queue(const model::Connection& connection);

  /// For whoever opens connections while this session lives; the secrets are opened once.
  ResolveSecrets resolve_secrets();

  /// Prints a line of text, or nothing with --output json or --quiet.
  void say(const std::string& line);
  /// Prints one JSON object (with `"format": 1`) where JSON is wanted.
  void give(Json object);
  /// Prints an error as text on stderr, or as JSON; gives its exit status.
  int give_error(const Error& with_secrets);

 private:
  Result<std::vector<model::Connection>> bucket_connections();
  /// Safe to call from many threads at once.
  Result<secrets::Secrets*> kept_secrets();
  Result<std::unique_ptr<notify::Channel>> open_channel(const model::Connection& connection);

  const Wiring& wiring_;
  Flags flags_;
  std::string folder_;
  std::unique_ptr<storage::Stores> stores_;
  task::OpenApi open_api_;
  JsonLog* json_log_ = nullptr;
  std::unique_ptr<Log> log_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::mutex files_mutex_;
  std::unique_ptr<ProjectFiles> files_ WEIR_GUARDED_BY(files_mutex_);
  std::mutex secrets_mutex_;
  /// Made when the first is asked for, and kept, so that each value is fetched once.
  std::unique_ptr<secrets::Secrets> secrets_ WEIR_GUARDED_BY(secrets_mutex_);
};

}  // namespace weir::cli
