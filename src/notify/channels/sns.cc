#include <algorithm>

#include "base/digest.h"
#include "base/printable.h"
#include "net/url.h"
#include "net/xml.h"
#include "notify/channel.h"

namespace weir::notify {
namespace {

constexpr size_t kLongestSubject = 100;        // SNS: fewer characters than that, ASCII, one line
constexpr size_t kMostMessageBytes = 250'000;  // of 262,144 with the attributes
constexpr int64_t kMostAnswerBytes = 256 << 10;

/// The subject as SNS takes it: printable ASCII that begins with a letter, digit or mark.
std::string sns_subject(std::string_view subject) {
  std::string text;
  for (const char c : subject) {
    // Bytes after the first of a character of UTF-8 count with it.
    if ((static_cast<unsigned char>(c) & 0xc0) == 0x80) continue;
    text += c >= ' ' && c <= '~' ? c : '?';
  }
  text.erase(0, text.find_first_not_of(' '));
  return text.substr(0, kLongestSubject - 1);
}

std::string shortened(std::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "\n…";
}

std::string endpoint_of(const SnsSettings& settings) {
  if (!settings.endpoint.empty()) return settings.endpoint;
  return fmt::format("https://sns.{}.amazonaws.com{}/", settings.region,
                     settings.region.starts_with("cn-") ? ".cn" : "");
}

/// AWS Query protocol (Smithy: "AWS query protocol"): a form in, XML out.
class SnsChannel final : public Channel {
 public:
  SnsChannel(SnsSettings settings, SnsGround ground)
      : settings_(std::move(settings)), ground_(ground) {}

  Status send(const Message& message, const Cancel& cancel) override {
    asked_to_wait_ms_ = 0;
    const std::string form = net::encode_query(parameters(message));
    for (bool has_new_keys = false;; has_new_keys = true) {
      WEIR_ASSIGN(const net::Credentials keys, ground_.credentials->get(cancel));
      net::Request request;
      request.method = "POST";
      request.url = endpoint_of(settings_);
      request.body = form;
      request.timeout_ms = settings_.timeout_ms;
      request.connect_timeout_ms = settings_.timeout_ms;
      request.answer_limit_bytes = kMostAnswerBytes;
      request.headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}};
      WEIR_TRY(net::sign(
          request, keys,
          {.region = settings_.region, .service = "sns", .at_us = ground_.clock->now_us()},
          sha256_hex(form)));
      WEIR_ASSIGN(const net::Response response, ground_.http->send(request, cancel));
      if (response.status == 200) return {};
      asked_to_wait_ms_ = net::retry_after_ms(response, ground_.clock->now_us());
      const Refusal refusal = read_refusal(response);
      if (is_about_keys(refusal) && !has_new_keys) {
        ground_.credentials->forget(keys);
        continue;
      }
      return refuse(response, refusal);
    }
  }

  int64_t asked_to_wait_ms() const override { return asked_to_wait_ms_; }

 private:
  struct Refusal {
    std::string code;
    std::string message;
  };

  std::vector<std::pair<std::string, std::string>> parameters(const Message& message) const {
    std::vector<std::pair<std::string, std::string>> form = {
        {"Action", "Publish"},
        {"Version", "2010-03-31"},
        {"TopicArn", settings_.topic_arn},
        {"Subject", sns_subject(message.subject)},
        {"Message", shortened(message.body, kMostMessageBytes)}};
    int entry = 0;
    const auto add = [&](std::string_view name, const std::string& value) {
      if (value.empty()) return;
      const std::string prefix = fmt::format("MessageAttributes.entry.{}.", ++entry);
      form.emplace_back(prefix + "Name", name);
      form.emplace_back(prefix + "Value.DataType", "String");
      form.emplace_back(prefix + "Value.StringValue", value);
    };
    add("idempotency_key", message.key);
    add("severity", message.severity);
    for (const char* name : {"event", "project", "flow"}) {
      const auto found = message.fields.find(name);
      if (found != message.fields.end() && found->is_string()) add(name, found->get<std::string>());
    }
    if (settings_.topic_arn.ends_with(".fifo")) {
      form.emplace_back("MessageDeduplicationId", message.key);
      // Messages of one flow come in their order.
      form.emplace_back("MessageGroupId", "weir");
    }
    return form;
  }

  static Refusal read_refusal(const net::Response& response) {
    Refusal refusal{fmt::format("HTTP {}", response.status), ""};
    const auto xml = net::parse_xml(response.body);
    const net::XmlNode* error = xml ? xml->find("Error") : nullptr;
    if (error == nullptr) return refusal;
    refusal.message = error->text_of("Message");
    if (std::string code = error->text_of("Code"); !code.empty()) refusal.code = std::move(code);
    return refusal;
  }

  static bool has_any(std::string_view text, std::initializer_list<std::string_view> parts) {
    return std::ranges::any_of(
        parts, [&](std::string_view part) { return text.find(part) != std::string_view::npos; });
  }

  static bool is_about_keys(const Refusal& refusal) {
    return has_any(refusal.code, {"InvalidClientTokenId", "ExpiredToken", "SignatureDoesNotMatch",
                                  "UnrecognizedClient", "InvalidSecurity"});
  }

  Status refuse(const net::Response& response, const Refusal& refusal) const {
    ErrorCode code = ErrorCode::kInvalidConfig;
    if (response.status >= 500 || response.status == 429 || has_any(refusal.code, {"Throttl"}))
      code = ErrorCode::kUnavailable;
    else if (is_about_keys(refusal) || response.status == 401 || response.status == 403)
      code = ErrorCode::kDenied;
    else if (response.status == 404)
      code = ErrorCode::kNotFound;
    return fail(
        code, "SNS does not publish to {}: {}", settings_.topic_arn,
        printable(refusal.message.empty() ? refusal.code
                                          : fmt::format("{}: {}", refusal.code, refusal.message)));
  }

  const SnsSettings settings_;
  const SnsGround ground_;
  int64_t asked_to_wait_ms_ = 0;
};

}  // namespace

std::unique_ptr<Channel> make_sns_channel(SnsSettings settings, SnsGround ground) {
  return std::make_unique<SnsChannel>(std::move(settings), ground);
}

}  // namespace weir::notify
