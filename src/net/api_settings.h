#pragma once

/// What a connection of kind `http` says of an HTTP API: where it is, how to show who asks, how
/// often, how far it may lead. Secrets are references here (`secret://…`), never values.

#include <cstdint>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "net/http.h"
#include "net/reach.h"
#include "net/url.h"

namespace weir::net {

struct ApiAuth {
  enum class Kind { kNone, kBasic, kBearer, kHeaderKey, kQueryKey, kOauth2 };
  Kind kind = Kind::kNone;
  std::string name;           ///< Of the header or parameter that carries the key.
  std::string user;           ///< kBasic; kOauth2: client_id. Text or a reference.
  std::string secret;         ///< Reference: password, token, key; kOauth2: client_secret.
  std::string token_url;      ///< From here on kOauth2.
  std::string refresh_token;  ///< Reference; with it that grant, without it client credentials.
  std::string scope;
  std::string audience;
  bool has_client_in_body =
      false;  ///< Else in the header `Authorization` (RFC 6749 section 2.3.1).
};

struct ApiSettings {
  Url base;
  std::string base_url;  ///< Without '/' at its end.
  ApiAuth auth;
  Headers headers;  ///< Values are texts or references.
  std::string ca_file;
  int64_t timeout_ms = 60'000;  ///< Of one request.
  int64_t interval_us = 0;      ///< Least time between two requests; 0: none.
  int64_t max_response_bytes = int64_t{64} << 20;
  int64_t max_tries = 6;          ///< Of one request.
  int64_t max_wait_ms = 300'000;  ///< A service that asks for more ends the attempt.
  Reach reach;
  bool allows_plain_http = false;
  bool follows_redirects = false;
};

/// Reads `{url, auth, headers, ca_file, timeout, rate_limit, max_response_bytes, max_tries,
/// max_wait, allow_loopback, allow_private, allow_plain_http, follow_redirects}`. kInvalidConfig
/// names the option; so does a secret in clear, without showing it.
Result<ApiSettings> read_api_settings(const Json& options);

}  // namespace weir::net
