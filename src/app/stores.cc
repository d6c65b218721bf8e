#include "app/stores.h"

#include <filesystem>
#include <map>
#include <mutex>

#include "app/secrets.h"
#include "base/check.h"
#include "net/credentials.h"
#include "storage/s3_settings.h"
#include "storage/sftp_settings.h"

namespace weir::app {
namespace {

class AllStores final : public storage::Stores {
 public:
  AllStores(std::string base_folder, std::string secrets_file, FindConnections connections,
            StoresGround ground)
      : base_folder_(std::move(base_folder)),
        secrets_file_(std::move(secrets_file)),
        connections_(std::move(connections)),
        ground_(ground),
        local_(storage::make_local_stores(base_folder_)) {}

  Result<storage::Storage*> open(const std::string& uri) override {
    const bool is_server = uri.starts_with("sftp:");
    if (!uri.starts_with("s3:") && !is_server) return local_->open(uri);
    // Without our lock: who reads the configuration opens stores, too.
    WEIR_TRY(read_settings());
    const std::lock_guard lock(mutex_);
    if (const auto found = opened_.find(uri); found != opened_.end()) return found->second.get();
    WEIR_ASSIGN(auto store, is_server ? make_server(uri) : make(uri));
    return (opened_[uri] = std::move(store)).get();
  }

 private:
  Status read_settings() {
    {
      const std::lock_guard lock(mutex_);
      if (has_settings_) return {};
    }
    std::vector<Bucket> read;
    std::vector<Server> servers;
    WEIR_ASSIGN(const auto connections,
                while_doing(connections_(), "looking for connections of kinds 's3' and 'sftp'"));
    for (const auto& connection : connections) {
      const std::string doing = fmt::format("reading connection '{}'", connection.connection_id);
      if (connection.kind == "s3") {
        WEIR_ASSIGN(auto settings,
                    while_doing(storage::read_s3_settings(connection.options), doing));
        read.push_back({std::move(settings), connection.secret_id});
      }
      if (connection.kind == "sftp") {
        WEIR_ASSIGN(auto settings,
                    while_doing(storage::read_sftp_settings(connection.options), doing));
        servers.push_back({std::move(settings), connection.secret_id});
      }
    }
    WEIR_ASSIGN(auto secrets, make_secrets(secrets_file_, connections, ground_));
    const std::lock_guard lock(mutex_);
    // Another thread was quicker: its secrets are in use by stores that it has opened.
    if (has_settings_) return {};
    settings_ = std::move(read);
    servers_ = std::move(servers);
    secrets_ = std::move(secrets);
    has_settings_ = true;
    return {};
  }

  Result<std::unique_ptr<storage::Storage>> make(const std::string& uri) {
    Bucket bucket;
    for (const auto& each : settings_)
      if (storage::is_at_or_below(uri, each.settings.uri) &&
          each.settings.uri.size() > bucket.settings.uri.size())
        bucket = each;
    storage::S3Settings& settings = bucket.settings;
    WEIR_TRY(storage::add_environment(settings, *ground_.environment));
    if (!settings.ca_file.empty())
      settings.ca_file = (std::filesystem::path(base_folder_) / settings.ca_file).string();
    WEIR_ASSIGN(net::Http* const http, http_of(settings.ca_file));
    WEIR_ASSIGN(net::CredentialSource* const credentials, credentials_of(bucket, *http));
    return storage::make_s3_storage(uri, settings.options,
                                    {.http = http,
                                     .credentials = credentials,
                                     .clock = ground_.clock,
                                     .random = ground_.random,
                                     .wait = net::make_wait(),
                                     .cancel = ground_.cancel});
  }

  /// The nearest above is asked for its rules; without any nobody knows which host key to trust.
  Result<std::unique_ptr<storage::Storage>> make_server(const std::string& uri) {
    const Server* nearest = nullptr;
    for (const auto& each : servers_) {
      const bool is_nearer =
          nearest == nullptr || each.settings.uri.size() > nearest->settings.uri.size();
      if (storage::is_at_or_below(uri, each.settings.uri) && is_nearer) nearest = &each;
    }
    if (nearest == nullptr)
      return fail_with_hint(
          ErrorCode::kInvalidConfig, fmt::format("no connection of kind 'sftp' is for '{}'", uri),
          "add one with `uri: sftp://host`, its user and its host_key: docs/guide/sftp.md");
    storage::SftpSettings settings = nearest->settings;
    for (std::string* const file : {&settings.options.known_hosts, &settings.private_key_file})
      if (!file->empty()) *file = (std::filesystem::path(base_folder_) / *file).string();
    WEIR_ASSIGN(auto logins, make_sftp_logins(*secrets_, settings, nearest->secret_id));
    logins_.push_back(std::move(logins));
    return storage::make_sftp_storage(uri, settings.options,
                                      {.logins = logins_.back().get(),
                                       .clock = ground_.clock,
                                       .random = ground_.random,
                                       .wait = net::make_wait(),
                                       .cancel = ground_.cancel});
  }

  Result<net::Http*> http_of(const std::string& ca_file) {
    auto& http = https_[ca_file];
    if (http == nullptr) {
      WEIR_ASSIGN(http, net::make_http({.ca_file = ca_file, .proxy = {}}, net::Reach::anywhere()));
    }
    return http.get();
  }

  struct Bucket {
    storage::S3Settings settings;
    std::string secret_id;
  };
  struct Server {
    storage::SftpSettings settings;
    std::string secret_id;
  };

  /// Stores with the same keys share one source, so that the keys are fetched once.
  Result<net::CredentialSource*> credentials_of(const Bucket& bucket, net::Http& http) {
    const storage::S3Settings& settings = bucket.settings;
    auto& source = sources_[{settings.profile, settings.role_arn, settings.external_id,
                             settings.ca_file, bucket.secret_id}];
    if (source == nullptr && !bucket.secret_id.empty()) {
      WEIR_ASSIGN(auto reference, secrets::parse_secret_id(bucket.secret_id));
      source = make_secret_keys(*secrets_, std::move(reference));
    }
    if (source == nullptr) {
      net::CredentialOptions options;
      options.profile = settings.profile;
      options.role_arn = settings.role_arn;
      options.external_id = settings.external_id;
      source = make_aws_keys(std::move(options), http, ground_);
    }
    return source.get();
  }

  const std::string base_folder_;
  const std::string secrets_file_;
  const FindConnections connections_;
  const StoresGround ground_;
  const std::unique_ptr<storage::Stores> local_;
  std::mutex mutex_;
  bool has_settings_ WEIR_GUARDED_BY(mutex_) = false;
  std::vector<Bucket> settings_ WEIR_GUARDED_BY(mutex_);
  std::vector<Server> servers_ WEIR_GUARDED_BY(mutex_);
  std::unique_ptr<secrets::Secrets> secrets_ WEIR_GUARDED_BY(mutex_);
  std::map<std::string, std::unique_ptr<net::Http>> https_ WEIR_GUARDED_BY(mutex_);
  std::map<std::vector<std::string>, std::unique_ptr<net::CredentialSource>> sources_
      WEIR_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<storage::SftpLogins>> logins_ WEIR_GUARDED_BY(mutex_);
  std::map<std::string, std::unique_ptr<storage::Storage>> opened_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<storage::Stores> make_stores(std::string base_folder, std::string secrets_file,
                                             FindConnections connections, StoresGround ground) {
  return std::make_unique<AllStores>(std::move(base_folder), std::move(secrets_file),
                                     std::move(connections), ground);
}

}  // namespace weir::app
