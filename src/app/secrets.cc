#include "app/secrets.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/option_reader.h"
#include "secrets/aws_secrets.h"
#include "secrets/sealed_file.h"

namespace weir::app {
namespace {

namespace fs = std::filesystem;

struct ManagerSettings {
  secrets::ManagerOptions options;
  std::string ca_file;
  std::string profile;
  std::string role_arn;
  std::string external_id;
};

Result<ManagerSettings> read_settings(const Json& options) {
  ManagerSettings settings;
  WEIR_TRY(read_options("aws_secrets_manager", options,
                        {{"region", into_text(settings.options.region)},
                         {"endpoint", into_text(settings.options.endpoint)},
                         {"prefix", into_text(settings.options.prefix)},
                         {"ca_file", into_text(settings.ca_file)},
                         {"profile", into_text(settings.profile)},
                         {"role_arn", into_text(settings.role_arn)},
                         {"external_id", into_text(settings.external_id)}}));
  return settings;
}

/// The keeper with what it works with.
class OwnManager final : public secrets::Keeper {
 public:
  static Result<std::unique_ptr<secrets::Keeper>> make(const model::Connection& connection,
                                                       const StoresGround& ground) {
    WEIR_ASSIGN(ManagerSettings settings, read_settings(connection.options));
    auto made = std::make_unique<OwnManager>();
    const auto fill = [&](std::string& to, const char* variable) {
      if (to.empty()) to = ground.environment->get(variable).value_or("");
    };
    fill(settings.options.endpoint, "AWS_ENDPOINT_URL_SECRETS_MANAGER");
    fill(settings.options.endpoint, "AWS_ENDPOINT_URL");
    fill(settings.ca_file, "AWS_CA_BUNDLE");
    if (settings.options.region.empty()) {
      WEIR_ASSIGN(settings.options.region,
                  net::configured_region(*ground.environment, settings.profile));
    }
    WEIR_ASSIGN(made->http_,
                net::make_http({.ca_file = settings.ca_file, .proxy = {}}, net::Reach::anywhere()));
    net::CredentialOptions options;
    options.profile = settings.profile;
    options.role_arn = settings.role_arn;
    options.external_id = settings.external_id;
    options.region = settings.options.region;
    made->credentials_ = make_aws_keys(std::move(options), *made->http_, ground);
    made->keeper_ = secrets::make_secrets_manager_keeper(std::move(settings.options),
                                                         {.http = made->http_.get(),
                                                          .credentials = made->credentials_.get(),
                                                          .clock = ground.clock,
                                                          .random = ground.random,
                                                          .wait = net::make_wait()});
    made->name_ = fmt::format("{} ('{}')", made->keeper_->name(), connection.connection_id);
    return made;
  }

  std::string name() const override { return name_; }
  Result<std::string> fetch(const std::string& id, const Cancel& cancel) override {
    return keeper_->fetch(id, cancel);
  }
  Result<std::optional<std::vector<std::string>>> list(const Cancel& cancel) override {
    return keeper_->list(cancel);
  }

 private:
  std::string name_;
  std::unique_ptr<net::Http> http_;
  std::unique_ptr<net::CredentialSource> credentials_;
  std::unique_ptr<secrets::Keeper> keeper_;
};

class SecretKeys final : public net::CredentialSource {
 public:
  SecretKeys(secrets::Secrets& secrets, secrets::Reference reference)
      : secrets_(secrets), reference_(std::move(reference)) {}

  Result<net::Credentials> get(const Cancel& cancel) override {
    WEIR_ASSIGN(const std::string text, secrets_.value(reference_, cancel));
    return while_doing(read(text), fmt::format("reading secret '{}'", reference_.id));
  }

  void forget(const net::Credentials& /*credentials*/) override { secrets_.forget(reference_.id); }

 private:
  Result<net::Credentials> read(const std::string& text) const {
    const auto json = parse_json(text);
    net::Credentials keys;
    keys.source = fmt::format("secret '{}'", reference_.id);
    for (const auto& [name, to] : {std::pair{"access_key_id", &keys.access_key_id},
                                   std::pair{"secret_access_key", &keys.secret_access_key},
                                   std::pair{"session_token", &keys.session_token}}) {
      const bool has_it =
          json && json->is_object() && json->contains(name) && json->at(name).is_string();
      if (has_it) *to = json->at(name).get<std::string>();
    }
    if (!keys.access_key_id.empty() && !keys.secret_access_key.empty()) return keys;
    return fail_with_hint(ErrorCode::kInvalidConfig, "it holds no AWS keys",
                          "keep a JSON object with access_key_id and secret_access_key");
  }

  secrets::Secrets& secrets_;
  const secrets::Reference reference_;
};

class SecretLogins final : public storage::SftpLogins {
 public:
  SecretLogins(secrets::Secrets& secrets, storage::SftpSettings settings,
               std::optional<secrets::Reference> whole)
      : secrets_(secrets), settings_(std::move(settings)), whole_(std::move(whole)) {}

  Result<storage::SftpLogin> get(const Cancel& cancel) override {
    storage::SftpLogin login;
    if (whole_) {
      WEIR_ASSIGN(const std::string text, secrets_.value(*whole_, cancel));
      WEIR_TRY(while_doing(take(text, login), fmt::format("reading secret '{}'", whole_->id)));
    }
    for (const auto& [text, to] : references(login)) {
      if (text->empty()) continue;
      WEIR_ASSIGN(const auto reference, secrets::parse_reference(*text));
      WEIR_ASSIGN(*to, secrets_.value(reference, cancel));
    }
    if (login.private_key.empty() && !settings_.private_key_file.empty()) {
      WEIR_ASSIGN(login.private_key, key_in(settings_.private_key_file));
    }
    return login;
  }

  void forget() override {
    if (whole_) secrets_.forget(whole_->id);
    storage::SftpLogin unused;
    for (const auto& [text, to] : references(unused)) {
      const auto reference = secrets::parse_reference(*text);
      if (reference) secrets_.forget(reference->id);
    }
  }

 private:
  std::array<std::pair<const std::string*, std::string*>, 3> references(
      storage::SftpLogin& login) const {
    return {std::pair{&settings_.password, &login.password},
            std::pair{&settings_.private_key, &login.private_key},
            std::pair{&settings_.passphrase, &login.passphrase}};
  }

  static Status take(const std::string& text, storage::SftpLogin& login) {
    const auto json = parse_json(text);
    if (!json || !json->is_object()) {
      (text.starts_with("-----BEGIN") ? login.private_key : login.password) = text;
      return {};
    }
    for (const auto& [name, to] :
         {std::pair{"password", &login.password}, std::pair{"private_key", &login.private_key},
          std::pair{"passphrase", &login.passphrase}})
      if (json->contains(name) && json->at(name).is_string())
        *to = json->at(name).get<std::string>();
    if (!login.password.empty() || !login.private_key.empty()) return {};
    return fail_with_hint(ErrorCode::kInvalidConfig, "it holds no login",
                          "keep a JSON object with password, or with private_key");
  }

  static Result<std::string> key_in(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text(std::istreambuf_iterator<char>(file), {});
    if (!file || text.empty())
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("cannot read private_key_file '{}'", path),
                            "give this user the rights to it");
    return text;
  }

  secrets::Secrets& secrets_;
  const storage::SftpSettings settings_;
  const std::optional<secrets::Reference> whole_;
};

}  // namespace

Result<std::unique_ptr<storage::SftpLogins>> make_sftp_logins(secrets::Secrets& secrets,
                                                              const storage::SftpSettings& settings,
                                                              const std::string& secret_id) {
  std::optional<secrets::Reference> whole;
  if (!secret_id.empty()) {
    WEIR_ASSIGN(whole, secrets::parse_secret_id(secret_id));
  }
  return std::make_unique<SecretLogins>(secrets, settings, std::move(whole));
}

std::string secrets_file(const Environment& environment, const std::string& base_folder) {
  const auto named = environment.get("WEIR_SECRETS_FILE");
  return (fs::path(base_folder) / (named && !named->empty() ? *named : "secrets.sealed")).string();
}

std::string secrets_key_file(const Environment& environment) {
  if (const auto named = environment.get("WEIR_SECRETS_KEY_FILE"); named && !named->empty())
    return *named;
  auto home = environment.get("XDG_CONFIG_HOME");
  if (!home || home->empty()) home = environment.get("HOME").value_or("/root") + "/.config";
  return *home + "/weir/secrets.key";
}

Result<std::unique_ptr<secrets::Secrets>> make_secrets(
    const std::string& file, const std::vector<model::Connection>& connections,
    StoresGround ground) {
  std::vector<std::unique_ptr<secrets::Keeper>> keepers;
  keepers.push_back(secrets::make_environment_keeper(*ground.environment));
  if (!file.empty())
    keepers.push_back(secrets::make_sealed_keeper({file, secrets_key_file(*ground.environment)}));
  for (const auto& connection : connections) {
    if (connection.kind != "aws_secrets_manager") continue;
    WEIR_ASSIGN(keepers.emplace_back(),
                while_doing(OwnManager::make(connection, ground),
                            fmt::format("reading connection '{}'", connection.connection_id)));
  }
  return std::make_unique<secrets::Secrets>(std::move(keepers), *ground.clock);
}

std::unique_ptr<net::CredentialSource> make_aws_keys(net::CredentialOptions options,
                                                     net::Http& http, const StoresGround& ground) {
  return net::make_credential_source(std::move(options), {.http = &http,
                                                          .environment = ground.environment,
                                                          .clock = ground.clock,
                                                          .random = ground.random,
                                                          .wait = net::make_wait()});
}

std::unique_ptr<net::CredentialSource> make_secret_keys(secrets::Secrets& secrets,
                                                        secrets::Reference reference) {
  return std::make_unique<SecretKeys>(secrets, std::move(reference));
}

}  // namespace weir::app
