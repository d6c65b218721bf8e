#pragma once

/// AWS Signature Version 4 in the header `Authorization` (AWS: "Create a signed AWS API request";
/// for S3: "Authenticating Requests: Using the Authorization Header"). Pure: a request, keys and
/// an instant in, headers out.

#include <cstdint>
#include <string>
#include <string_view>

#include "net/http.h"

namespace weir::net {

struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  ///< Empty for keys that last.
  int64_t expires_at_us = 0;  ///< UTC; 0: they last.
  std::string source;         ///< Where they came from, for messages: `environment`.
};

/// In place of the SHA-256 of a body, where the service takes that.
inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

/// How the path stands in what is signed.
enum class PathForm {
  kAsSent,  ///< S3: keys may hold `//` and `..`.
  kNormal,  ///< The others: dot segments removed, encoded once more.
};

struct Signing {
  std::string region;
  std::string service;  ///< `s3`, `sts`
  int64_t at_us = 0;    ///< UTC; the service refuses what is 15 minutes off.
  PathForm path = PathForm::kNormal;
};

/// Adds `X-Amz-Date`, `X-Amz-Security-Token` where there is a token, and `Authorization`, over all
/// headers that the request has by now, its method, path, query and the SHA-256 of its body
/// (64 hex digits, or kUnsignedPayload). S3 wants that in the header `X-Amz-Content-Sha256`, too.
/// Call it again on a fresh copy for another try: the time is part of it.
/// kInvalidConfig where the URL is none.
Status sign(Request& request, const Credentials& credentials, const Signing& signing,
            std::string_view payload_sha256);

namespace internal {
/// The canonical request of the specification, and the names of its signed headers.
struct Canonical {
  std::string text;
  std::string signed_headers;
};
Result<Canonical> canonical_request(const Request& request, PathForm path,
                                    std::string_view payload_sha256);
}  // namespace internal

}  // namespace weir::net
