#include "storage/s3/body_digest.h"

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <span>

#include "base/digest.h"

namespace weir::storage::s3 {
namespace {

std::string base64(std::span<const uint8_t> bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // and a NUL, which EVP writes
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  return text;
}

}  // namespace

BodyDigest::BodyDigest(std::string_view body) {
  Sha256 digest;
  digest.update(body);
  const auto bytes = digest.finish_bytes();
  hex = to_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  base64_text = base64(bytes);
}

std::string md5_base64(std::string_view body) {
  std::array<uint8_t, EVP_MAX_MD_SIZE> bytes;
  unsigned int size = 0;
  if (EVP_Digest(body.data(), body.size(), bytes.data(), &size, EVP_md5(), nullptr) != 1) return {};
  return base64(std::span(bytes).first(size));
}

}  // namespace weir::storage::s3
