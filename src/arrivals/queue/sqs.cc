#include <algorithm>

#include "arrivals/queue.h"
#include "base/json.h"

// Amazon SQS (API reference, "Making Query API requests", JSON 1.0): ReceiveMessage with long
// polling, DeleteMessageBatch.

namespace weir::arrivals {
namespace {

constexpr int64_t kMostAtOnce = 10;
constexpr int64_t kLongestWaitMs = 20'000;
constexpr int64_t kAnswerMs = 30'000;

class SqsQueue final : public Queue {
 public:
  SqsQueue(SqsSettings settings, net::AwsGround ground)
      : queue_url_(std::move(settings.queue_url)),
        client_({.service = "sqs",
                 .target = "AmazonSQS",
                 .region = std::move(settings.region),
                 .endpoint = std::move(settings.endpoint),
                 .json_version = "1.0",
                 .timeout_ms = kLongestWaitMs + kAnswerMs},
                std::move(ground)) {}

  Result<std::vector<Message>> receive(int64_t wait_ms, const Cancel& cancel) override {
    const Json request = {
        {"QueueUrl", queue_url_},
        {"MaxNumberOfMessages", kMostAtOnce},
        {"WaitTimeSeconds", std::clamp<int64_t>(wait_ms, 0, kLongestWaitMs) / 1000}};
    WEIR_ASSIGN(const Json answer,
                while_doing(client_.call("ReceiveMessage", request, cancel), doing("reading")));
    std::vector<Message> messages;
    WEIR_ASSIGN(const Json list, json_field_or<Json>(answer, "Messages", Json::array()));
    for (const Json& each : list) {
      Message message;
      WEIR_ASSIGN(message.body, json_field<std::string>(each, "Body"));
      WEIR_ASSIGN(message.receipt, json_field<std::string>(each, "ReceiptHandle"));
      messages.push_back(std::move(message));
    }
    return messages;
  }

  Status forget(const std::vector<Message>& messages, const Cancel& cancel) override {
    if (messages.empty()) return {};
    Json entries = Json::array();
    for (size_t i = 0; i < messages.size(); ++i)
      entries.push_back({{"Id", std::to_string(i)}, {"ReceiptHandle", messages[i].receipt}});
    // One that the answer says was not deleted comes again, and the inbox knows it.
    WEIR_TRY(while_doing(
        client_.call("DeleteMessageBatch",
                     {{"QueueUrl", queue_url_}, {"Entries", std::move(entries)}}, cancel),
        doing("taking messages out of")));
    return {};
  }

 private:
  std::string doing(std::string_view what) const {
    return fmt::format("{} queue '{}'", what, queue_url_.substr(queue_url_.rfind('/') + 1));
  }

  const std::string queue_url_;
  net::AwsJson client_;
};

}  // namespace

std::unique_ptr<Queue> make_sqs_queue(SqsSettings settings, net::AwsGround ground) {
  return std::make_unique<SqsQueue>(std::move(settings), std::move(ground));
}

}  // namespace weir::arrivals
