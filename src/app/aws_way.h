#pragma once

/// The way to a service of AWS that a connection names, and the keys for it.

#include <memory>
#include <string>

#include "app/secrets.h"
#include "model/configuration.h"
#include "net/credentials.h"
#include "net/http.h"

namespace weir::app {

struct AwsWay {
  std::unique_ptr<net::Http> http;
  std::unique_ptr<net::CredentialSource> credentials;  ///< Uses http.
};

/// `settings` have endpoint, ca_file, profile, role_arn, external_id and region, as
/// notify::SnsSettings has; what AWS's own tools take from the environment is filled in.
/// `endpoint_variable`: `AWS_ENDPOINT_URL_SNS`. Keys come from the connection's secret, else as
/// AWS's tools find them. `secrets` and `ground` outlive it.
template <typename Settings>
Result<AwsWay> open_aws_way(const model::Connection& connection, Settings& settings,
                            const char* endpoint_variable, secrets::Secrets& secrets,
                            const StoresGround& ground) {
  const auto fill = [&](std::string& to, const char* variable) {
    if (to.empty()) to = ground.environment->get(variable).value_or("");
  };
  fill(settings.endpoint, endpoint_variable);
  fill(settings.endpoint, "AWS_ENDPOINT_URL");
  fill(settings.ca_file, "AWS_CA_BUNDLE");
  AwsWay way;
  WEIR_ASSIGN(way.http,
              net::make_http({.ca_file = settings.ca_file, .proxy = {}}, net::Reach::anywhere()));
  if (!connection.secret_id.empty()) {
    WEIR_ASSIGN(auto reference, secrets::parse_secret_id(connection.secret_id));
    way.credentials = make_secret_keys(secrets, std::move(reference));
    return way;
  }
  net::CredentialOptions options;
  options.profile = settings.profile;
  options.role_arn = settings.role_arn;
  options.external_id = settings.external_id;
  options.region = settings.region;
  way.credentials = make_aws_keys(std::move(options), *way.http, ground);
  return way;
}

}  // namespace weir::app
