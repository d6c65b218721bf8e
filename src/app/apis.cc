#include "app/apis.h"

#include <filesystem>
#include <map>
#include <mutex>

#include "app/secrets.h"
#include "base/check.h"

namespace weir::app {
namespace {

class Apis {
 public:
  Apis(std::string base_folder, std::string secrets_file, FindConnections connections,
       StoresGround ground)
      : base_folder_(std::move(base_folder)),
        secrets_file_(std::move(secrets_file)),
        connections_(std::move(connections)),
        ground_(ground) {}

  Result<net::Api*> open(const model::Connection& connection) {
    const std::lock_guard lock(mutex_);
    auto& opened = opened_[connection.connection_id + "\n" + dump_json(connection.options)];
    if (opened.api != nullptr) return opened.api.get();
    WEIR_ASSIGN(net::ApiSettings settings, net::read_api_settings(connection.options));
    if (!settings.ca_file.empty())
      settings.ca_file = (std::filesystem::path(base_folder_) / settings.ca_file).string();
    if (secrets_ == nullptr) {
      WEIR_ASSIGN(const auto connections, connections_());
      WEIR_ASSIGN(secrets_, make_secrets(secrets_file_, connections, ground_));
    }
    WEIR_ASSIGN(opened.http,
                net::make_http({.ca_file = settings.ca_file, .proxy = {}}, settings.reach));
    opened.api = net::make_api(std::move(settings), api_ground(*opened.http));
    return opened.api.get();
  }

 private:
  struct Opened {
    std::unique_ptr<net::Http> http;
    std::unique_ptr<net::Api> api;
  };

  net::ApiGround api_ground(net::Http& http) {
    net::ApiGround ground;
    ground.http = &http;
    ground.clock = ground_.clock;
    ground.random = ground_.random;
    ground.wait = net::make_wait();
    ground.secret = [secrets = secrets_.get()](const std::string& text,
                                               const Cancel& cancel) -> Result<std::string> {
      WEIR_ASSIGN(const auto reference, secrets::parse_reference(text));
      return secrets->value(reference, cancel);
    };
    ground.forget = [secrets = secrets_.get()](const std::string& text) {
      if (const auto reference = secrets::parse_reference(text)) secrets->forget(reference->id);
    };
    return ground;
  }

  const std::string base_folder_;
  const std::string secrets_file_;
  const FindConnections connections_;
  const StoresGround ground_;
  std::mutex mutex_;
  std::unique_ptr<secrets::Secrets> secrets_ WEIR_GUARDED_BY(mutex_);
  std::map<std::string, Opened> opened_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace

task::OpenApi make_apis(std::string base_folder, std::string secrets_file,
                        FindConnections connections, StoresGround ground) {
  auto apis = std::make_shared<Apis>(std::move(base_folder), std::move(secrets_file),
                                     std::move(connections), ground);
  return [apis](const model::Connection& connection) { return apis->open(connection); };
}

}  // namespace weir::app
