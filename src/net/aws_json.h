#pragma once

/// Calls to AWS services that speak JSON over POST (Smithy: "AWS JSON 1.1 protocol", and
/// 1.0; Secrets Manager, Glue, EventBridge, SQS, …): signed, and tried again where that may help.

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"
#include "net/credentials.h"
#include "net/http.h"
#include "net/retry.h"

namespace weir::net {

struct AwsJsonOptions {
  std::string service;   ///< As it is signed and named in hosts: `secretsmanager`.
  std::string target;    ///< In `X-Amz-Target`, before the operation: `secretsmanager`, `AWSGlue`.
  std::string region;    ///< Empty: us-east-1.
  std::string endpoint;  ///< Empty: the region's own, `https://<service>.<region>.amazonaws.com`.
  std::string json_version = "1.1";  ///< Of the protocol; SQS speaks 1.0.
  int max_tries = 5;
  int64_t timeout_ms = 30'000;  ///< Of one try.
};

/// What a client works with. Everything outlives it.
struct AwsGround {
  Http* http = nullptr;
  CredentialSource* credentials = nullptr;
  Clock* clock = nullptr;
  Random* random = nullptr;
  Wait wait;
};

/// Safe to use from many threads at once.
class AwsJson {
 public:
  AwsJson(AwsJsonOptions options, AwsGround ground);

  /// The answer of one operation that may be done twice without harm: a lost answer is asked for
  /// again, as are throttling and faults of the service, with full jitter. Keys that the service
  /// does not take are fetched anew, once.
  /// kNotFound for what the service calls `…NotFound…`; kDenied where keys or rights do not do;
  /// kUnavailable where it does not answer; kInvalidConfig for all else that it refuses. The
  /// message holds the service's code and words, never the body that was sent.
  Result<Json> call(std::string_view operation, const Json& body, const Cancel& cancel);

 private:
  Result<Response> send(std::string_view operation, const std::string& body,
                        const Credentials& keys, const Cancel& cancel);

  const AwsJsonOptions options_;
  const AwsGround ground_;
};

}  // namespace weir::net
