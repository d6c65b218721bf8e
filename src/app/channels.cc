#include "app/channels.h"

#include <filesystem>

#include "app/aws_way.h"
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
    WEIR_ASSIGN(made->way_,
                open_aws_way(connection, settings, "AWS_ENDPOINT_URL_SNS", secrets, ground));
    made->channel_ =
        notify::make_sns_channel(std::move(settings), {.http = made->way_.http.get(),
                                                       .credentials = made->way_.credentials.get(),
                                                       .clock = ground.clock});
    return made;
  }

  Status send(const notify::Message& message, const Cancel& cancel) override {
    return channel_->send(message, cancel);
  }
  int64_t asked_to_wait_ms() const override { return channel_->asked_to_wait_ms(); }

 private:
  AwsWay way_;
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
