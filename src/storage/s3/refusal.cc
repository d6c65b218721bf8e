#include "storage/s3/refusal.h"

#include <algorithm>
#include <array>

#include "base/printable.h"
#include "net/xml.h"

namespace weir::storage::s3 {
namespace {

template <size_t kSize>
bool is_one_of(const std::string& code, const std::array<std::string_view, kSize>& codes) {
  return std::ranges::find(codes, code) != codes.end();
}

struct Meaning {
  std::string_view code;  ///< S3's.
  ErrorCode kind;
  std::string_view hint;
};

constexpr std::array kMeanings = {
    Meaning{"NoSuchKey", ErrorCode::kNotFound, ""},
    // Not kNotFound: a lake in a bucket that is not there must not look like an empty one.
    Meaning{"NoSuchBucket", ErrorCode::kInvalidConfig,
            "make the bucket, or correct the s3:// URI, the region or the endpoint"},
    Meaning{"PermanentRedirect", ErrorCode::kInvalidConfig,
            "give the region of the bucket, or its endpoint"},
    Meaning{"AuthorizationHeaderMalformed", ErrorCode::kInvalidConfig,
            "give the region of the bucket"},
    Meaning{"InvalidBucketName", ErrorCode::kInvalidConfig, "correct the s3:// URI"},
    Meaning{"KeyTooLongError", ErrorCode::kInvalidConfig, "use a shorter name or prefix"},
    Meaning{"AccessDenied", ErrorCode::kDenied,
            "allow s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and "
            "s3:ListBucket (without that one S3 refuses what is not there, too)"},
    Meaning{"AllAccessDisabled", ErrorCode::kDenied, "the account of the bucket is suspended"},
    Meaning{"InvalidAccessKeyId", ErrorCode::kDenied,
            "S3 does not know the access key: other keys, or another endpoint"},
    Meaning{"SignatureDoesNotMatch", ErrorCode::kDenied,
            "the secret access key is not the one of the access key"},
    Meaning{"ExpiredToken", ErrorCode::kDenied, "the session of the keys is over: get new ones"},
    Meaning{"InvalidToken", ErrorCode::kDenied,
            "the session token does not belong to the access key"},
    Meaning{"RequestTimeTooSkewed", ErrorCode::kDenied, "set this machine's clock"},
    Meaning{"InvalidObjectState", ErrorCode::kUnsupported,
            "the object is archived: restore it first"},
    Meaning{"NotImplemented", ErrorCode::kUnsupported, "this server does not do that"},
    Meaning{"ConditionalRequestConflict", ErrorCode::kConflict, ""},
    Meaning{"OperationAborted", ErrorCode::kConflict, ""},
    Meaning{"PreconditionFailed", ErrorCode::kConflict, ""},
    Meaning{"EntityTooLarge", ErrorCode::kResourceExhausted, "S3 takes objects up to its limit"},
    Meaning{"QuotaExceeded", ErrorCode::kResourceExhausted, "make room in the bucket"},
};

ErrorCode kind_of_status(int status) {
  switch (status) {
    case 401:
    case 403: return ErrorCode::kDenied;
    case 404: return ErrorCode::kNotFound;
    case 405:
    case 501: return ErrorCode::kUnsupported;
    case 409:
    case 412: return ErrorCode::kConflict;
    case 507: return ErrorCode::kResourceExhausted;
    case 301:
    case 307: return ErrorCode::kInvalidConfig;
    default: return ErrorCode::kInternal;
  }
}

}  // namespace

Refusal read_refusal(const net::Response& response) {
  Refusal refusal;
  refusal.status = response.status;
  if (const auto xml = net::parse_xml(response.body); xml && xml->name == "Error") {
    refusal.code = printable(xml->text_of("Code"));
    refusal.message = printable(xml->text_of("Message"));
    refusal.region = printable(xml->text_of("Region"));
    refusal.request_id = printable(xml->text_of("RequestId"));
  }
  if (const auto* region = net::find_header(response.headers, "x-amz-bucket-region"))
    refusal.region = printable(*region);
  if (const auto* id = net::find_header(response.headers, "x-amz-request-id"))
    refusal.request_id = printable(*id);
  return refusal;
}

bool is_passing(const Refusal& refusal) {
  constexpr std::array<std::string_view, 11> kPassing = {
      "SlowDown",           "RequestTimeout",   "RequestTimeoutException",  "InternalError",
      "ServiceUnavailable", "Throttling",       "ThrottlingException",      "RequestLimitExceeded",
      "BadDigest",          "RequestThrottled", "XAmzContentSHA256Mismatch"};
  const int status = refusal.status;
  return status == 500 || status == 502 || status == 503 || status == 504 || status == 429 ||
         is_one_of(refusal.code, kPassing);
}

bool may_have_acted(const Refusal& refusal) {
  // These say that the request was turned away at the door.
  constexpr std::array<std::string_view, 9> kTurnedAway = {"SlowDown",
                                                           "ServiceUnavailable",
                                                           "RequestTimeout",
                                                           "RequestTimeoutException",
                                                           "Throttling",
                                                           "ThrottlingException",
                                                           "RequestThrottled",
                                                           "BadDigest",
                                                           "XAmzContentSHA256Mismatch"};
  return refusal.status != 429 && !is_one_of(refusal.code, kTurnedAway);
}

bool is_about_keys(const Refusal& refusal) {
  constexpr std::array<std::string_view, 5> kAboutKeys = {
      "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId",
      "XAdminUserNotFound"};
  // HEAD is answered without a body: it may be about keys.
  return is_one_of(refusal.code, kAboutKeys) ||
         (refusal.code.empty() && (refusal.status == 400 || refusal.status == 403));
}

bool is_about_region(const Refusal& refusal) {
  constexpr std::array<std::string_view, 4> kAboutRegion = {
      "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed",
      "IllegalLocationConstraintException"};
  return refusal.status == 301 || refusal.status == 307 || is_one_of(refusal.code, kAboutRegion) ||
         (refusal.code.empty() && refusal.status == 400);
}

Error to_error(const Refusal& refusal, const std::string& what) {
  ErrorCode kind = kind_of_status(refusal.status);
  std::string hint;
  const auto meaning = std::ranges::find(kMeanings, refusal.code, &Meaning::code);
  if (meaning != kMeanings.end()) {
    kind = meaning->kind;
    hint = meaning->hint;
  } else if (is_about_keys(refusal) && !refusal.code.empty()) {
    kind = ErrorCode::kDenied;
  } else if (kind == ErrorCode::kNotFound && !refusal.code.empty()) {
    kind = ErrorCode::kInternal;  // 404 is said of many things; absence is not guessed
  }
  if (is_passing(refusal)) kind = ErrorCode::kUnavailable;
  std::string why = refusal.code.empty() ? fmt::format("HTTP {}", refusal.status)
                                         : fmt::format("{}: {}", refusal.code, refusal.message);
  if (!refusal.region.empty() && is_about_region(refusal))
    why += fmt::format(" (the bucket is in '{}')", refusal.region);
  if (!refusal.request_id.empty()) why += fmt::format(" (request {})", refusal.request_id);
  return Error{kind, fmt::format("cannot {}: {}", what, why), {}, std::move(hint), std::nullopt};
}

}  // namespace weir::storage::s3
