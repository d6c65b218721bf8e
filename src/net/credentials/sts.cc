/// AWS Security Token Service, API version 2011-06-15: AssumeRole and AssumeRoleWithWebIdentity.

#include "base/digest.h"
#include "base/instant.h"
#include "base/printable.h"
#include "net/credentials/provider.h"
#include "net/url.h"
#include "net/xml.h"

namespace weir::net::credentials {
namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

struct Place {
  std::string url;
  std::string region;
};

Result<Place> sts_place(const Search& search) {
  Place place{search.options.sts_endpoint, search.options.region};
  if (place.region.empty()) {
    WEIR_ASSIGN(place.region,
                configured_region(*search.ground.environment, search.options.profile));
  }
  if (place.url.empty()) place.url = search.variable("AWS_ENDPOINT_URL_STS");
  if (place.url.empty()) place.url = search.variable("AWS_ENDPOINT_URL");
  if (place.url.empty() && place.region.empty()) {
    // The one endpoint that serves all regions of the commercial partition.
    place.url = "https://sts.amazonaws.com";
  } else if (place.url.empty()) {
    const bool is_china = place.region.starts_with("cn-");
    place.url = fmt::format("https://sts.{}.amazonaws.com{}", place.region, is_china ? ".cn" : "");
  }
  if (place.region.empty()) place.region = "us-east-1";
  return place;
}

Error refusal(const Response& response, const Role& role) {
  std::string code = fmt::format("HTTP {}", response.status);
  std::string message;
  if (const auto xml = parse_xml(response.body); xml) {
    if (const auto* error = xml->find("Error"); error != nullptr) {
      code = error->text_of("Code");
      message = error->text_of("Message");
    }
  }
  // Only a server at fault may answer otherwise later.
  const bool is_servers = response.status >= 500 || response.status == 429;
  return Error{
      is_servers ? ErrorCode::kUnavailable : ErrorCode::kDenied,
      printable(fmt::format("STS does not give the role '{}': {}: {}", role.arn, code, message)),
      {},
      is_servers ? "" : "see that the role exists and that its trust policy names who asks",
      std::nullopt};
}

Result<Credentials> read_answer(const Response& response, std::string_view action,
                                const Role& role) {
  if (response.status != 200) return std::unexpected(refusal(response, role));
  WEIR_ASSIGN(const XmlNode root, parse_xml(response.body));
  const XmlNode* result = root.find(fmt::format("{}Result", action));
  const XmlNode* keys = result == nullptr ? nullptr : result->find("Credentials");
  if (keys == nullptr)
    return fail(ErrorCode::kInvalidData, "STS answered {} without credentials", action);
  Credentials credentials{.access_key_id = keys->text_of("AccessKeyId"),
                          .secret_access_key = keys->text_of("SecretAccessKey"),
                          .session_token = keys->text_of("SessionToken"),
                          .source = fmt::format("role '{}'", role.arn)};
  WEIR_ASSIGN(credentials.expires_at_us, parse_instant(keys->text_of("Expiration")));
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty())
    return fail(ErrorCode::kInvalidData, "STS answered {} with empty keys", action);
  return credentials;
}

Result<Credentials> ask(const Search& search, std::string_view action, const Role& role,
                        Parameters more, const Credentials* by) {
  WEIR_ASSIGN(const Place place, sts_place(search));
  Parameters parameters = {{"Action", std::string(action)},
                           {"Version", "2011-06-15"},
                           {"RoleArn", role.arn},
                           {"RoleSessionName", role.session_name},
                           {"DurationSeconds", std::to_string(role.duration_s)}};
  for (auto& parameter : more) parameters.push_back(std::move(parameter));
  const std::string form = encode_query(parameters);
  Request request;
  request.method = "POST";
  request.url = place.url;
  request.body = form;
  request.timeout_ms = 30'000;
  request.answer_limit_bytes = 1 << 20;
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}};
  if (by != nullptr)
    WEIR_TRY(
        sign(request, *by,
             {.region = place.region, .service = "sts", .at_us = search.ground.clock->now_us()},
             sha256_hex(form)));
  WEIR_ASSIGN(const Response response,
              while_doing(send_patiently(search, request, 3),
                          fmt::format("taking on the role '{}'", role.arn)));
  return read_answer(response, action, role);
}

}  // namespace

Result<Credentials> assume_role(const Search& search, const Role& role, const Credentials& by) {
  Parameters more;
  if (!role.external_id.empty()) more.emplace_back("ExternalId", role.external_id);
  return ask(search, "AssumeRole", role, std::move(more), &by);
}

Result<Credentials> assume_role_with_token(const Search& search, const Role& role,
                                           const std::string& token_file) {
  WEIR_ASSIGN(std::string token, while_doing(read_small_file(token_file),
                                             fmt::format("taking on the role '{}'", role.arn)));
  return ask(search, "AssumeRoleWithWebIdentity", role, {{"WebIdentityToken", std::move(token)}},
             nullptr);
}

}  // namespace weir::net::credentials
