#include "server/password.h"

#include <algorithm>
#include <array>

#include <sodium.h>

#include "base/base64.h"

namespace weir::server {
namespace {

constexpr unsigned long long kPasses = 2;
constexpr size_t kMemoryBytes = size_t{19} << 20;
constexpr size_t kLeastBytes = 12;
constexpr size_t kMostBytes = 1000;

Status start() {
  if (sodium_init() >= 0) return {};
  return fail(ErrorCode::kInternal, "libsodium does not start");
}

}  // namespace

Status check_password(std::string_view user_name, std::string_view password) {
  if (password.size() < kLeastBytes || password.size() > kMostBytes)
    return fail_with_hint(ErrorCode::kInvalidData,
                          fmt::format("a password has {} to {} bytes", kLeastBytes, kMostBytes),
                          "a few words that do not belong together are easy to remember");
  if (password == user_name)
    return fail(ErrorCode::kInvalidData, "the password is the name of the user");
  return {};
}

Result<std::string> hash_password(std::string_view password) {
  WEIR_TRY(start());
  std::array<char, crypto_pwhash_STRBYTES> hash{};
  if (crypto_pwhash_str_alg(hash.data(), password.data(), password.size(), kPasses, kMemoryBytes,
                            crypto_pwhash_ALG_ARGON2ID13) != 0)
    return fail(ErrorCode::kResourceExhausted, "there is no memory to hash a password");
  return std::string(hash.data());
}

bool is_password(const std::string& hash, std::string_view password) {
  if (!start() || hash.size() >= crypto_pwhash_STRBYTES) return false;
  return crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) == 0;
}

Result<std::string> random_word() {
  WEIR_TRY(start());
  std::string bytes(32, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  std::string text = base64(bytes);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  std::erase(text, '=');
  return text;
}

}  // namespace weir::server
