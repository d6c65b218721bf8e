#include "secrets/sealed_file.h"

#include <algorithm>

#include <sodium.h>

#include "base/base64.h"
#include "base/digest.h"

namespace weir::secrets {
namespace {

constexpr size_t kKeyBytes = crypto_aead_xchacha20poly1305_ietf_KEYBYTES;
static_assert(kKeyBytes == 32);
constexpr size_t kNonceBytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr size_t kTagBytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;

const unsigned char* raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* raw(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

Status start() {
  if (sodium_init() >= 0) return {};
  return fail(ErrorCode::kInternal, "libsodium does not start");
}

/// A sealed text moved under another id does not open.
std::string bound_to(const std::string& id) { return "weir sealed secret 1\n" + id; }

}  // namespace

Result<SealKey> SealKey::generate() {
  WEIR_TRY(start());
  SealKey key;
  randombytes_buf(key.bytes_.data(), key.bytes_.size());
  return key;
}

Result<SealKey> SealKey::parse(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t first = std::min(text.find_first_not_of(kBlanks), text.size());
  const size_t last = text.find_last_not_of(kBlanks);
  auto bytes = from_base64(text.substr(first, last == text.npos ? 0 : last + 1 - first));
  if (!bytes || bytes->size() != kKeyBytes)
    return fail_with_hint(ErrorCode::kInvalidData, "the key is not the Base64 of 32 bytes",
                          "`weir secret seal` makes one; so does the first `weir secret set`");
  SealKey key;
  std::ranges::copy(*bytes, key.bytes_.begin());
  return key;
}

std::string SealKey::text() const { return base64(view()); }
std::string SealKey::fingerprint() const { return sha256_hex(view()).substr(0, 16); }

Result<SealedFile> SealedFile::parse(std::string_view text) {
  const auto corrupt = [](std::string_view why) {
    return fail(ErrorCode::kCorrupt, "it is no file of sealed secrets: {}", why);
  };
  const auto json = parse_json(text);
  if (!json || !json->is_object()) return corrupt("no JSON object");
  if (json->value("format", Json()) != 1)
    return fail(ErrorCode::kUnsupported, "sealed secrets of format {}, known is 1",
                dump_json(json->value("format", Json())));
  SealedFile file;
  const Json key = json->value("key", Json());
  const Json secrets = json->value("secrets", Json());
  if (!key.is_string() || !secrets.is_object()) return corrupt("'key' or 'secrets' is missing");
  file.fingerprint_ = key.get<std::string>();
  for (const auto& [id, sealed] : secrets.items()) {
    if (!sealed.is_string()) return corrupt(fmt::format("'{}' is no text", id));
    file.sealed_[id] = sealed.get<std::string>();
  }
  return file;
}

std::vector<std::string> SealedFile::ids() const {
  std::vector<std::string> ids;
  for (const auto& [id, sealed] : sealed_) ids.push_back(id);
  return ids;
}

Status SealedFile::check_key(const SealKey& key) const {
  if (fingerprint_.empty() || fingerprint_ == key.fingerprint()) return {};
  return fail_with_hint(ErrorCode::kDenied,
                        fmt::format("the secrets are sealed with key {}, this is key {}",
                                    fingerprint_, key.fingerprint()),
                        "name the file of that key: WEIR_SECRETS_KEY_FILE");
}

Result<std::string> SealedFile::open(const std::string& id, const SealKey& key) const {
  const auto found = sealed_.find(id);
  if (found == sealed_.end()) return fail(ErrorCode::kNotFound, "'{}' is not sealed here", id);
  WEIR_TRY(start());
  WEIR_TRY(check_key(key));
  const auto bytes = from_base64(found->second);
  std::string text;
  bool is_whole = bytes && bytes->size() >= kNonceBytes + kTagBytes;
  if (is_whole) {
    const std::string_view sealed = std::string_view(*bytes).substr(kNonceBytes);
    const std::string bound = bound_to(id);
    text.resize(sealed.size() - kTagBytes);
    is_whole = crypto_aead_xchacha20poly1305_ietf_decrypt(raw(text), nullptr, nullptr, raw(sealed),
                                                          sealed.size(), raw(bound), bound.size(),
                                                          raw(*bytes), key.bytes()) == 0;
  }
  if (!is_whole)
    return fail_with_hint(ErrorCode::kCorrupt,
                          fmt::format("what is sealed as '{}' was changed or cut off", id),
                          fmt::format("`weir secret set {}` seals it anew", id));
  return text;
}

Status SealedFile::seal(const std::string& id, std::string_view text, const SealKey& key) {
  WEIR_TRY(start());
  WEIR_TRY(check_key(key));
  std::string bytes(kNonceBytes + text.size() + kTagBytes, '\0');
  randombytes_buf(bytes.data(), kNonceBytes);
  const std::string bound = bound_to(id);
  crypto_aead_xchacha20poly1305_ietf_encrypt(raw(bytes) + kNonceBytes, nullptr, raw(text),
                                             text.size(), raw(bound), bound.size(), nullptr,
                                             raw(bytes), key.bytes());
  sealed_[id] = base64(bytes);
  fingerprint_ = key.fingerprint();
  return {};
}

std::string SealedFile::text() const {
  return Json{{"format", 1}, {"key", fingerprint_}, {"secrets", sealed_}}.dump(2) + "\n";
}

}  // namespace weir::secrets
