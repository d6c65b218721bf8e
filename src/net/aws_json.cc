#include "net/aws_json.h"

#include <algorithm>
#include <array>

#include "base/digest.h"
#include "base/printable.h"

namespace weir::net {
namespace {

AwsJsonOptions completed(AwsJsonOptions options) {
  if (options.region.empty()) options.region = "us-east-1";
  if (!options.endpoint.empty()) return options;
  const bool is_china = options.region.starts_with("cn-");
  options.endpoint = fmt::format("https://{}.{}.amazonaws.com{}", options.service, options.region,
                                 is_china ? ".cn" : "");
  return options;
}

struct Refusal {
  std::string code;  ///< `ResourceNotFoundException`
  std::string message;
};

/// The code stands in the body or in a header, with a name space before it or an address behind it
/// (Smithy: "Operation error serialization").
Refusal read_refusal(const Response& response) {
  Refusal refusal;
  if (const auto json = parse_json(response.body); json && json->is_object()) {
    for (const char* name : {"__type", "code"})
      if (refusal.code.empty())
        refusal.code = json->value(name, Json()).is_string() ? json->value(name, "") : "";
    for (const char* name : {"message", "Message"})
      if (refusal.message.empty() && json->contains(name) && json->at(name).is_string())
        refusal.message = json->at(name).get<std::string>();
  }
  if (const auto* header = find_header(response.headers, "x-amzn-ErrorType");
      refusal.code.empty() && header != nullptr)
    refusal.code = *header;
  if (const auto hash = refusal.code.find('#'); hash != std::string::npos)
    refusal.code.erase(0, hash + 1);
  if (const auto colon = refusal.code.find(':'); colon != std::string::npos)
    refusal.code.resize(colon);
  if (refusal.code.empty()) refusal.code = fmt::format("HTTP {}", response.status);
  return refusal;
}

bool has_any(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::ranges::any_of(
      parts, [&](std::string_view part) { return text.find(part) != std::string_view::npos; });
}

bool may_pass(const Response& response, const Refusal& refusal) {
  return response.status >= 500 || response.status == 429 ||
         has_any(refusal.code, {"Throttl", "TooManyRequests", "RequestLimitExceeded"});
}

/// The keys, not the rights: others may do.
bool is_about_keys(const Refusal& refusal) {
  return has_any(refusal.code,
                 {"UnrecognizedClient", "InvalidClientTokenId", "ExpiredToken", "InvalidSignature",
                  "SignatureDoesNotMatch", "IncompleteSignature", "MissingAuthenticationToken"});
}

ErrorCode code_of(const Response& response, const Refusal& refusal) {
  if (may_pass(response, refusal)) return ErrorCode::kUnavailable;
  if (is_about_keys(refusal) || response.status == 401 || response.status == 403 ||
      has_any(refusal.code, {"AccessDenied", "NotAuthorized"}))
    return ErrorCode::kDenied;
  if (has_any(refusal.code, {"NotFound"})) return ErrorCode::kNotFound;
  return ErrorCode::kInvalidConfig;
}

bool is_lost(const Result<Response>& response) {
  return !response && (response.error().code == ErrorCode::kUnavailable ||
                       response.error().code == ErrorCode::kOutcomeUnknown);
}

}  // namespace

AwsJson::AwsJson(AwsJsonOptions options, AwsGround ground)
    : options_(completed(std::move(options))), ground_(std::move(ground)) {}

Result<Response> AwsJson::send(std::string_view operation, const std::string& body,
                               const Credentials& keys, const Cancel& cancel) {
  Request request;
  request.method = "POST";
  request.url = options_.endpoint;
  request.body = body;
  request.timeout_ms = options_.timeout_ms;
  request.headers = {{"Content-Type", "application/x-amz-json-" + options_.json_version},
                     {"X-Amz-Target", fmt::format("{}.{}", options_.target, operation)}};
  WEIR_TRY(sign(
      request, keys,
      {.region = options_.region, .service = options_.service, .at_us = ground_.clock->now_us()},
      sha256_hex(body)));
  return ground_.http->send(request, cancel);
}

Result<Json> AwsJson::call(std::string_view operation, const Json& body, const Cancel& cancel) {
  const std::string text = dump_json(body);
  const Backoff backoff;
  bool has_new_keys = false;
  for (int failed = 1;; ++failed) {
    WEIR_ASSIGN(const Credentials keys, ground_.credentials->get(cancel));
    auto response = send(operation, text, keys, cancel);
    if (response && response->status == 200) return parse_json(response->body);
    if (!response && !is_lost(response)) return std::unexpected(std::move(response).error());
    Error error;
    bool may_help = true;
    int64_t wait_ms = backoff.wait_ms(failed, *ground_.random);
    if (response) {
      const Refusal refusal = read_refusal(*response);
      error.code = code_of(*response, refusal);
      error.message = printable(fmt::format("{} does not do {}: {}{}{}", options_.service,
                                            operation, refusal.code,
                                            refusal.message.empty() ? "" : ": ", refusal.message));
      wait_ms = std::max(wait_ms, retry_after_ms(*response, ground_.clock->now_us()));
      may_help = may_pass(*response, refusal);
      if (is_about_keys(refusal) && !has_new_keys) {
        has_new_keys = true;
        ground_.credentials->forget(keys);
        continue;
      }
    } else {
      error = std::move(response).error();
      error.code = ErrorCode::kUnavailable;  // asking changes nothing: that the answer is lost, too
    }
    if (!may_help || failed >= options_.max_tries) return std::unexpected(std::move(error));
    WEIR_TRY(ground_.wait(wait_ms, cancel));
  }
}

}  // namespace weir::net
