#include "app/queues.h"

#include <filesystem>

#include "app/aws_way.h"
#include "app/secrets.h"

namespace weir::app {
namespace {

/// SQS with what it works with.
class OwnSqs final : public arrivals::Queue {
 public:
  static Result<std::unique_ptr<arrivals::Queue>> make(const model::Connection& connection,
                                                       arrivals::SqsSettings settings,
                                                       secrets::Secrets& secrets,
                                                       const StoresGround& ground) {
    auto made = std::make_unique<OwnSqs>();
    if (settings.region.empty()) {
      WEIR_ASSIGN(settings.region, net::configured_region(*ground.environment, settings.profile));
    }
    WEIR_ASSIGN(made->way_,
                open_aws_way(connection, settings, "AWS_ENDPOINT_URL_SQS", secrets, ground));
    made->queue_ =
        arrivals::make_sqs_queue(std::move(settings), {.http = made->way_.http.get(),
                                                       .credentials = made->way_.credentials.get(),
                                                       .clock = ground.clock,
                                                       .random = ground.random,
                                                       .wait = net::make_wait()});
    return made;
  }

  Result<std::vector<arrivals::Message>> receive(int64_t wait_ms, const Cancel& cancel) override {
    return queue_->receive(wait_ms, cancel);
  }
  Status forget(const std::vector<arrivals::Message>& messages, const Cancel& cancel) override {
    return queue_->forget(messages, cancel);
  }

 private:
  AwsWay way_;
  std::unique_ptr<arrivals::Queue> queue_;
};

}  // namespace

Result<std::unique_ptr<arrivals::Queue>> make_queue(const model::Connection& connection,
                                                    const std::string& base_folder,
                                                    secrets::Secrets& secrets,
                                                    const StoresGround& ground) {
  if (connection.kind != "sqs")
    return fail(ErrorCode::kInvalidConfig,
                "connection '{}' is of kind '{}', which tells of no files",
                connection.connection_id, connection.kind);
  WEIR_ASSIGN(const Json options, secrets.resolved(connection.options, *ground.cancel));
  WEIR_ASSIGN(auto settings, arrivals::read_sqs_settings(options));
  if (!settings.ca_file.empty())
    settings.ca_file = (std::filesystem::path(base_folder) / settings.ca_file).string();
  return OwnSqs::make(connection, std::move(settings), secrets, ground);
}

}  // namespace weir::app
