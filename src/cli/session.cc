#include "cli/session.h"

#include <filesystem>
#include <ostream>

#include "base/instant.h"
#include "base/redact.h"
#include "cli/project.h"
#include "inputs/locations.h"

namespace weir::cli {
namespace {

std::string absolute_folder(const std::string& working_directory, const std::string& folder) {
  auto path = std::filesystem::path(working_directory) / folder;
  std::string text = path.lexically_normal().string();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

}  // namespace

Session::Session(const Wiring& wiring, const Flags& flags)
    : wiring_(wiring),
      flags_(flags),
      folder_(absolute_folder(wiring.working_directory, flags.project)),
      stores_(wiring.make_stores(folder_, wiring.secrets_file(folder_),
                                 [this] { return bucket_connections(); })),
      open_api_(wiring.make_apis(folder_, wiring.secrets_file(folder_),
                                 [this] { return bucket_connections(); })),
      log_(nullptr) {
  const bool is_debug = wiring.environment->get("WEIR_LOG") == "debug";
  if (flags.log_format != "json") {
    log_ = make_stderr_log(is_debug ? LogLevel::kDebug : LogLevel::kWarning);
    return;
  }
  auto json = make_json_log(is_debug ? LogLevel::kDebug : LogLevel::kInfo);
  json_log_ = json.get();
  log_ = std::move(json);
}

Result<std::vector<model::Connection>> Session::bucket_connections() {
  // Without a project there is the environment.
  if (!has_yaml() && catalog_ == nullptr) return std::vector<model::Connection>{};
  WEIR_ASSIGN(const auto configuration, resolved_connections(*this));
  return inputs::buckets(configuration, folder_);
}

Result<std::unique_ptr<secrets::Secrets>> Session::secrets() {
  WEIR_ASSIGN(const auto connections, bucket_connections());
  return wiring_.make_secrets(wiring_.secrets_file(folder_), connections);
}

Result<secrets::Secrets*> Session::kept_secrets() {
  const std::lock_guard lock(secrets_mutex_);
  if (secrets_ == nullptr) {
    WEIR_ASSIGN(secrets_, secrets());
  }
  return secrets_.get();
}

ResolveSecrets Session::resolve_secrets() {
  const auto resolve = [this](const Json& options, const Cancel& cancel) -> Result<Json> {
    WEIR_ASSIGN(secrets::Secrets* const kept, kept_secrets());
    return kept->resolved(options, cancel);
  };
  const auto forget = [this](const Json& options) {
    if (const auto kept = kept_secrets()) (*kept)->forget_all(options);
  };
  return {resolve, forget};
}

Result<std::unique_ptr<notify::Channel>> Session::open_channel(
    const model::Connection& connection) {
  WEIR_ASSIGN(secrets::Secrets* const kept, kept_secrets());
  return wiring_.make_channel(connection, folder_, *kept);
}

Result<std::unique_ptr<arrivals::Queue>> Session::open_queue(const model::Connection& connection) {
  WEIR_ASSIGN(secrets::Secrets* const kept, kept_secrets());
  return wiring_.make_queue(connection, folder_, *kept);
}

Result<storage::Storage*> Session::files() {
  WEIR_ASSIGN(storage::Storage * folder, stores_->open(folder_));
  const std::lock_guard lock(files_mutex_);
  if (files_ == nullptr) files_ = std::make_unique<ProjectFiles>(*folder, *stores_);
  return files_.get();
}

bool Session::has_yaml() const {
  std::error_code error;
  return std::filesystem::exists(folder_ + "/weir.yaml", error);
}

bool Session::names_catalog() const {
  const auto url = wiring_.environment->get("WEIR_CATALOG");
  return !flags_.catalog.empty() || (url && !url->empty());
}

Result<std::string> Session::catalog_url() {
  if (!flags_.catalog.empty()) return flags_.catalog;
  if (const auto url = wiring_.environment->get("WEIR_CATALOG"); url && !url->empty()) return *url;
  if (has_yaml()) {
    WEIR_ASSIGN(std::string url, project_catalog(*this));
    if (!url.empty()) return url;
  }
  return std::string("sqlite:weir.db");
}

Result<catalog::Catalog*> Session::catalog(bool may_create) {
  if (catalog_ != nullptr) return catalog_.get();
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder_, ignored))
    return fail_with_hint(ErrorCode::kNotFound,
                          fmt::format("there is no project folder {}", folder_),
                          "--project names another one; `weir init` writes a first project");
  WEIR_ASSIGN(const std::string url, catalog_url());
  catalog::CatalogOptions options;
  options.url = url;
  options.base_folder = folder_;
  options.may_create = may_create;
  options.cancel = wiring_.cancel;
  if (const auto patience = wiring_.environment->get("WEIR_CATALOG_PATIENCE")) {
    WEIR_ASSIGN(options.patience_ms,
                while_doing(parse_duration_ms(*patience), "reading WEIR_CATALOG_PATIENCE"));
  }
  WEIR_ASSIGN(catalog_, catalog::open_catalog(options, *wiring_.clock, *wiring_.random));
  return catalog_.get();
}

Result<std::map<std::string, std::string>> Session::variables() const {
  std::map<std::string, std::string> values;
  for (const auto& each : flags_.variables) {
    const auto equals = each.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("--var '{}' has no value", each),
                            "write --var name=value");
    values[each.substr(0, equals)] = each.substr(equals + 1);
  }
  return values;
}

orchestrate::Services Session::services() {
  orchestrate::Services services;
  services.catalog = catalog_.get();
  services.stores = stores_.get();
  services.clock = wiring_.clock;
  services.random = wiring_.random;
  services.log = log_.get();
  services.templates = wiring_.templates;
  services.open_api = open_api_;
  services.engine = wiring_.engine;
  services.channel = [this](const model::Connection& connection) {
    return open_channel(connection);
  };
  services.base_folder = folder_;
  services.secrets_file = wiring_.secrets_file(folder_);
  services.resolve_secrets = resolve_secrets();
  services.temp_folder = wiring_.environment->get("TMPDIR").value_or("/tmp");
  services.version = wiring_.version;
  services.holder = fmt::format("{}, process {}", host_name(), this_process().pid);
  return services;
}

void Session::say(const std::string& line) {
  if (!wants_json() && !flags_.is_quiet) *wiring_.out << line << "\n";
}

void Session::give(Json object) {
  if (!wants_json()) return;
  object["format"] = 1;
  *wiring_.out << dump_json(object) << "\n";
}

int Session::give_error(const Error& with_secrets) {
  const Error error = without_secrets(with_secrets);
  if (wants_json()) {
    Json json = {{"code", to_text(error.code)},
                 {"message", error.message},
                 {"trail", error.trail},
                 {"hint", error.hint}};
    if (error.place)
      json["place"] = {{"file", error.place->file},
                       {"line", error.place->line},
                       {"column", error.place->column}};
    *wiring_.out << dump_json({{"format", 1}, {"event", "error"}, {"error", std::move(json)}})
                 << "\n";
  }
  *wiring_.err << to_terminal(error);
  return exit_status(error.code);
}

}  // namespace weir::cli
