#include "storage/s3/body_digest.h"

#include <openssl/evp.h>

#include <array>
#include <cstdint>

#include "base/base64.h"
#include "base/digest.h"

namespace weir::storage::s3 {

BodyDigest::BodyDigest(std::string_view body) {
  Sha256 digest;
  digest.update(body);
  const auto bytes = digest.finish_bytes();
  hex = to_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  base64_text = base64({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string md5_base64(std::string_view body) {
  std::array<uint8_t, EVP_MAX_MD_SIZE> bytes;
  unsigned int size = 0;
  if (EVP_Digest(body.data(), body.size(), bytes.data(), &size, EVP_md5(), nullptr) != 1) return {};
  return base64({reinterpret_cast<const char*>(bytes.data()), size});
}

}  // namespace weir::storage::s3
