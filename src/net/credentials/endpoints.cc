/// Keys from an endpoint beside the program: a container's ("Container credential provider") and an
/// instance's ("IMDS credential provider", version 2: with a token).

#include <algorithm>
#include <array>

#include "base/instant.h"
#include "base/json.h"
#include "base/printable.h"
#include "net/credentials/provider.h"
#include "net/url.h"

namespace weir::net::credentials {
namespace {

constexpr int kTries = 3;
constexpr int64_t kNearTimeoutMs = 2000;  // these endpoints are on the machine, or nowhere

Request near_request(std::string method, std::string url) {
  Request request;
  request.method = std::move(method);
  request.url = std::move(url);
  request.connect_timeout_ms = 1000;
  request.timeout_ms = kNearTimeoutMs;
  request.answer_limit_bytes = 1 << 20;
  return request;
}

/// The document that both give. No part of it is shown in a message: it holds keys.
Result<Credentials> read_document(const Response& response, const std::string& who) {
  if (response.status != 200)
    return fail_with_hint(
        response.status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kDenied,
        fmt::format("{} answered with HTTP {} in place of credentials", who, response.status),
        "see that the task or instance has a role");
  const auto document = parse_json(response.body);
  if (!document || !document->is_object())
    return fail(ErrorCode::kInvalidData, "{} answered with something that is no JSON object", who);
  if (const auto code = json_field_or<std::string>(*document, "Code", "Success");
      !code || *code != "Success")
    return fail(ErrorCode::kDenied, "{} has no credentials: {}", who,
                code ? printable(*code) : "a Code that is no text");
  Credentials credentials;
  credentials.source = who;
  WEIR_ASSIGN(credentials.access_key_id, json_field<std::string>(*document, "AccessKeyId"));
  WEIR_ASSIGN(credentials.secret_access_key, json_field<std::string>(*document, "SecretAccessKey"));
  WEIR_ASSIGN(credentials.session_token, json_field_or<std::string>(*document, "Token", ""));
  WEIR_ASSIGN(const auto expiration, json_field_or<std::string>(*document, "Expiration", ""));
  if (!expiration.empty()) {
    WEIR_ASSIGN(credentials.expires_at_us, parse_instant(expiration));
  }
  return credentials;
}

/// Keys must not go over a network in clear: https, this machine, or AWS's own link-local hosts.
Status check_container_url(const std::string& text) {
  constexpr std::array kNear = {"127.0.0.1",     "localhost",      "[::1]",
                                "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};
  WEIR_ASSIGN(const Url url,
              while_doing(parse_url(text), "reading AWS_CONTAINER_CREDENTIALS_FULL_URI"));
  if (url.scheme == "https" || std::ranges::find(kNear, url.host) != kNear.end()) return {};
  return fail_with_hint(
      ErrorCode::kInvalidConfig,
      fmt::format("AWS_CONTAINER_CREDENTIALS_FULL_URI names the host '{}' without TLS", url.host),
      "write https, or a host of this machine");
}

Result<std::string> container_token(const Search& search) {
  const auto file = search.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  if (file.empty()) return search.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  return while_doing(read_small_file(file), "reading AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
}

std::string instance_endpoint(const Search& search) {
  std::string url = search.options.instance_endpoint;
  if (url.empty()) url = search.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (url.empty()) url = "http://169.254.169.254";
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace

Result<Found> from_container(Search& search) {
  const auto relative = search.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  auto url = search.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!relative.empty()) {
    const auto& given = search.options.container_endpoint;
    url = (given.empty() ? "http://169.254.170.2" : given) + relative;
  } else if (url.empty()) {
    search.notes.emplace_back(
        "container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set");
    return std::nullopt;
  } else {
    WEIR_TRY(check_container_url(url));
  }
  Request request = near_request("GET", url);
  WEIR_ASSIGN(std::string token, container_token(search));
  if (!token.empty()) request.headers.push_back({"Authorization", std::move(token)});
  WEIR_ASSIGN(const Response response, while_doing(send_patiently(search, request, kTries),
                                                   "asking the container for credentials"));
  return read_document(response, "the container's endpoint");
}

Result<Found> from_instance(Search& search) {
  if (search.variable("AWS_EC2_METADATA_DISABLED") == "true") {
    search.notes.emplace_back("instance: AWS_EC2_METADATA_DISABLED is true");
    return std::nullopt;
  }
  const auto endpoint = instance_endpoint(search);
  Request ask_token = near_request("PUT", endpoint + "/latest/api/token");
  ask_token.headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}};
  // Once only: elsewhere than on an instance nobody is there, and everybody would wait.
  const auto token = search.ground.http->send(ask_token, search.cancel);
  if (!token && token.error().code == ErrorCode::kCancelled) return std::unexpected(token.error());
  if (!token || token->status != 200) {
    search.notes.push_back(fmt::format("instance: {} gives no token{}", endpoint,
                                       token ? fmt::format(": HTTP {}", token->status) : ""));
    return std::nullopt;
  }
  const Headers with_token = {{"X-aws-ec2-metadata-token", token->body}};
  Request ask_role = near_request("GET", endpoint + "/latest/meta-data/iam/security-credentials/");
  ask_role.headers = with_token;
  WEIR_ASSIGN(const Response role, while_doing(send_patiently(search, ask_role, kTries),
                                               "asking the instance for its role"));
  std::string name = role.body;
  if (const auto end = name.find('\n'); end != std::string::npos) name.resize(end);
  if (role.status != 200 || name.empty()) {
    search.notes.emplace_back("instance: it has no role");
    return std::nullopt;
  }
  Request ask_keys = near_request("GET", ask_role.url + percent_encode(name, Slash::kEncode));
  ask_keys.headers = with_token;
  WEIR_ASSIGN(const Response keys, while_doing(send_patiently(search, ask_keys, kTries),
                                               "asking the instance for credentials"));
  return read_document(keys, fmt::format("the instance's role '{}'", printable(name)));
}

}  // namespace weir::net::credentials
