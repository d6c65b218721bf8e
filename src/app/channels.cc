#include "app/channels.h"

#include <filesystem>

#include "app/secrets.h"

namespace weir::app {
namespace {

namespace fs = std::filesystem;

/// Webhooks stand in a company's own network as often as outside; the addresses of the link and of
/// instance metadata are none.
constexpr net::Reach kWebhooks{.loopback = true, .private_networks = true, .everything = false};

/// SNS with what it works with.
class OwnSns final : public notify::Channel {
 public:
  static Result<std::unique_ptr<notify::Channel>> make(const model::Connection& connection,
                                                       notify::SnsSettings settings,
                                                       secrets::Secrets& secrets,
                                                       const StoresGround& ground) {
    auto made = std::make_unique<OwnSns>();
    const auto fill = [&](std::string& to, const char* variable) {
      if (to.empty()) to = ground.environment->get(variable).value_or("");
    };
    fill(settings.endpoint, "AWS_ENDPOINT_URL_SNS");
    fill(settings.endpoint, "AWS_ENDPOINT_URL");
    fill(settings.ca_file, "AWS_CA_BUNDLE");
    WEIR_ASSIGN(made->http_,
                net::make_http({.ca_file = settings.ca_file, .proxy = {}}, net::Reach::anywhere()));
    if (!connection.secret_id.empty()) {
      WEIR_ASSIGN(auto reference, secrets::parse_secret_id(connection.secret_id));
      made->credentials_ = make_secret_keys(secrets, std::move(reference));
    } else {
      net::CredentialOptions options;
      options.profile = settings.profile;
      options.role_arn = settings.role_arn;
      options.external_id = settings.external_id;
      options.region = settings.region;
      made->credentials_ = make_aws_keys(std::move(options), *made->http_, ground);
    }
    made->channel_ =
        notify::make_sns_channel(std::move(settings), {.http = made->http_.get(),
                                                       .credentials = made->credentials_.get(),
                                                       .clock = ground.clock});
    return made;
  }

  Status send(const notify::Message& message, const Cancel& cancel) override {
    return channel_->send(message, cancel);
  }
  int64_t asked_to_wait_ms() const override { return channel_->asked_to_wait_ms(); }

 private:
  std::unique_ptr<net::Http> http_;
  std::unique_ptr<net::CredentialSource> credentials_;
  std::unique_ptr<notify::Channel> channel_;
};

void settle(std::string& path, const std::string& base_folder) {
  if (!path.empty()) path = (fs::path(base_folder) / path).string();
}

}  // namespace

Result<std::unique_ptr<notify::Channel>> make_channel(const model::Connection& connection,
                                                      const std::string& base_folder,
                                                      secrets::Secrets& secrets,
                                                      const StoresGround& ground) {
  WEIR_ASSIGN(const Json options, secrets.resolved(connection.options, *ground.cancel));
  if (connection.kind == "log") {
    WEIR_ASSIGN(auto settings, notify::read_log_settings(options));
    settle(settings.path, base_folder);
    return notify::make_log_channel(std::move(settings), make_stderr_log(LogLevel::kInfo));
  }
  if (connection.kind == "webhook") {
    WEIR_ASSIGN(auto settings, notify::read_webhook_settings(options));
    settle(settings.ca_file, base_folder);
    WEIR_ASSIGN(auto http, net::make_http({.ca_file = settings.ca_file, .proxy = {}}, kWebhooks));
    return notify::make_webhook_channel(std::move(settings), std::move(http), *ground.clock);
  }
  if (connection.kind == "smtp") {
    WEIR_ASSIGN(auto settings, notify::read_smtp_settings(options));
    settle(settings.ca_file, base_folder);
    WEIR_ASSIGN(auto mailer, net::make_mailer(settings.ca_file));
    return notify::make_smtp_channel(std::move(settings), std::move(mailer));
  }
  if (connection.kind == "sns") {
    WEIR_ASSIGN(auto settings, notify::read_sns_settings(options));
    settle(settings.ca_file, base_folder);
    return OwnSns::make(connection, std::move(settings), secrets, ground);
  }
  return fail(ErrorCode::kInvalidConfig, "connection '{}' is of kind '{}', which is no channel",
              connection.connection_id, connection.kind);
}

}  // namespace weir::app
