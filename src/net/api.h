#pragma once

/// Requests to one HTTP API as its connection says: authorized, paced, tried again, with redirects
/// within the same origin where that is allowed. Every call may be repeated by it: a call that acts
/// has no business here. It knows nothing of pages.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "net/api_settings.h"
#include "net/http.h"
#include "net/retry.h"

namespace weir::net {

struct ApiCall {
  std::string method = "GET";
  std::string url;  ///< Absolute and of the API's own origin; kDenied otherwise.
  Headers headers;
  std::string body;
};

struct ApiAnswer {
  Response response;  ///< Of status 200–299, its body unpacked.
  std::string url;    ///< That was answered, without the key in its query.
  int64_t tries = 1;
};

/// Everything outlives the API.
struct ApiGround {
  Http* http = nullptr;
  Clock* clock = nullptr;
  Random* random = nullptr;
  Wait wait = nullptr;
  /// The value behind `secret://…`, and that it was not taken by the service.
  std::function<Result<std::string>(const std::string& reference, const Cancel& cancel)> secret;
  std::function<void(const std::string& reference)> forget;
};

/// Safe to use from many threads at once; they share the pace and the token.
class Api {
 public:
  virtual ~Api() = default;
  virtual const ApiSettings& settings() const = 0;

  /// The answer, once its status is 200–299. 401 asks for new credentials, once. 408, 425, 429,
  /// 500, 502–504, timeouts and broken connections are tried again, after `Retry-After` where it is
  /// said. kUnavailable: they went on, or more patience was asked for than max_wait. kDenied: 401,
  /// 403, an address out of reach, another origin. kNotFound: 404, 410. kInvalidConfig: other
  /// refusals, a redirect that is not followed. kResourceExhausted: a longer answer than
  /// max_response_bytes. No text holds a secret.
  virtual Result<ApiAnswer> send(const ApiCall& call, const Cancel& cancel) = 0;
};

std::unique_ptr<Api> make_api(ApiSettings settings, ApiGround ground);

}  // namespace weir::net
