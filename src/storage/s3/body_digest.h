#pragma once

/// Digests of a request's body, as S3 wants them in headers.

#include <string>
#include <string_view>

namespace weir::storage::s3 {

struct BodyDigest {
  std::string hex;          ///< SHA-256, for the signature.
  std::string base64_text;  ///< SHA-256, for `x-amz-checksum-sha256`.
  explicit BodyDigest(std::string_view body);
};

/// For `Content-MD5`, which servers demand that know no other checksum. Empty where OpenSSL has no
/// MD5 (FIPS).
std::string md5_base64(std::string_view body);

}  // namespace weir::storage::s3
