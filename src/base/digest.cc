#include "base/digest.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace weir {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() { WEIR_CHECK(EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1); }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  // Without a type OpenSSL keeps the one it has and looks nothing up: that matters for small rows.
  void start_again() const { WEIR_CHECK(EVP_DigestInit_ex(context, nullptr, nullptr) == 1); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
  WEIR_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::array<uint8_t, 32> Sha256::finish_bytes() {
  std::array<uint8_t, 32> digest;
  unsigned int size = 0;
  WEIR_CHECK(EVP_DigestFinal_ex(state_->context, digest.data(), &size) == 1);
  state_->start_again();
  return digest;
}

std::string Sha256::finish() {
  const auto digest = finish_bytes();
  return {digest.begin(), digest.end()};
}

std::string Sha256::finish_hex() { return to_hex(finish()); }

std::string sha256_hex(std::string_view bytes) {
  Sha256 digest;
  digest.update(bytes);
  return digest.finish_hex();
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace weir
