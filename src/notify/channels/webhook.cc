#include "base/printable.h"
#include "notify/channel.h"
#include "notify/message.h"

namespace weir::notify {
namespace {

constexpr int64_t kMostAnswerBytes = 64 << 10;

class WebhookChannel final : public Channel {
 public:
  WebhookChannel(WebhookSettings settings, std::unique_ptr<net::Http> http, Clock& clock)
      : settings_(std::move(settings)), http_(std::move(http)), clock_(clock) {}

  Status send(const Message& message, const Cancel& cancel) override {
    asked_to_wait_ms_ = 0;
    const std::string body = body_of(message);
    net::Request request;
    request.method = settings_.method;
    request.url = settings_.url;
    request.body = body;
    request.timeout_ms = settings_.timeout_ms;
    request.connect_timeout_ms = settings_.timeout_ms;
    request.answer_limit_bytes = kMostAnswerBytes;
    request.headers = settings_.headers;
    request.headers.push_back({"Content-Type", settings_.content_type});
    request.headers.push_back({"Idempotency-Key", message.key});
    if (!settings_.token.empty())
      request.headers.push_back({"Authorization", "Bearer " + settings_.token});
    auto response = http_->send(request, cancel);
    if (!response) return std::unexpected(std::move(response).error());
    asked_to_wait_ms_ = net::retry_after_ms(*response, clock_.now_us());
    return verdict(*response);
  }

  int64_t asked_to_wait_ms() const override { return asked_to_wait_ms_; }

 private:
  std::string body_of(const Message& message) const {
    if (!message.event.is_null()) return dump_json(message.event);
    Json fields = message.fields;
    fields["key"] = message.key;
    fields["subject"] = message.subject;
    fields["body"] = message.body;
    if (!settings_.body.empty()) {
      const bool is_json = settings_.content_type.find("json") != std::string::npos;
      return render(settings_.body, fields, is_json ? Escape::kJson : Escape::kNone);
    }
    // What chat programs show of an object that they do not know otherwise.
    fields["text"] = message.subject + "\n" + message.body;
    return dump_json(fields);
  }

  static Status verdict(const net::Response& response) {
    const int status = response.status;
    if (status >= 200 && status < 300) return {};
    constexpr size_t kShown = 200;
    const std::string said = printable(response.body.substr(0, kShown));
    const auto failure = [&](ErrorCode code, std::string_view why, std::string hint) {
      return fail_with_hint(code,
                            fmt::format("the webhook answered {}: {}{}{}", status, why,
                                        said.empty() ? "" : ": ", said),
                            std::move(hint));
    };
    if (status >= 300 && status < 400)
      return failure(ErrorCode::kInvalidConfig, "it is elsewhere, and redirects are not followed",
                     "write the URL that it redirects to");
    if (status == 401 || status == 403)
      return failure(ErrorCode::kDenied, "it takes no such sender", "check token and headers");
    if (status == 408 || status == 429 || status >= 500)
      return failure(ErrorCode::kUnavailable, "it is not able now", "");
    return failure(ErrorCode::kInvalidConfig, "it refuses the message",
                   "check url, content_type and body");
  }

  const WebhookSettings settings_;
  const std::unique_ptr<net::Http> http_;
  Clock& clock_;
  int64_t asked_to_wait_ms_ = 0;
};

}  // namespace

std::unique_ptr<Channel> make_webhook_channel(WebhookSettings settings,
                                              std::unique_ptr<net::Http> http, Clock& clock) {
  return std::make_unique<WebhookChannel>(std::move(settings), std::move(http), clock);
}

}  // namespace weir::notify
