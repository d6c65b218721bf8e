#pragma once

/// Secrets in a file that may lie beside the project, under version control too: each is sealed by
/// itself with XChaCha20-Poly1305 (libsodium's `crypto_aead_xchacha20poly1305_ietf`), its id is
/// authenticated with it, and the key lies elsewhere.
///
///     {"format": 1, "key": "1f0c…", "secrets": {"shop-db": "<Base64 of nonce, ciphertext, tag>"}}
///
/// `key` is the first 16 hex digits of the key's SHA-256: which key it was, for messages.

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "secrets/secrets.h"

namespace weir::secrets {

/// 32 bytes that nobody can guess.
class SealKey {
 public:
  static Result<SealKey> generate();
  /// Base64 of 32 bytes, as text() gives it; blanks around it do not count. kInvalidData for
  /// another text, which is not shown.
  static Result<SealKey> parse(std::string_view text);

  std::string text() const;
  std::string fingerprint() const;  ///< 16 hex digits.
  const unsigned char* bytes() const { return bytes_.data(); }

 private:
  std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  std::array<unsigned char, 32> bytes_{};
};

/// Not for several threads at once.
class SealedFile {
 public:
  /// kCorrupt where the text is no sealed file, kUnsupported for another format.
  static Result<SealedFile> parse(std::string_view text);

  std::vector<std::string> ids() const;
  /// kNotFound; kDenied for another key than it was sealed with; kCorrupt where the bytes were
  /// changed.
  Result<std::string> open(const std::string& id, const SealKey& key) const;
  /// kDenied where the file was sealed with another key.
  Status seal(const std::string& id, std::string_view text, const SealKey& key);
  /// Whether it was there.
  bool remove(const std::string& id) { return sealed_.erase(id) == 1; }

  std::string text() const;

 private:
  Status check_key(const SealKey& key) const;

  std::string fingerprint_;  ///< Empty: nothing was sealed yet.
  std::map<std::string, std::string> sealed_;
};

/// Where the file and its key are.
struct SealedPlaces {
  std::string file;
  std::string key_file;
};

/// Reads both at every fetch: a secret that was set meanwhile is there. A file that does not exist
/// holds none. kDenied where the key file is missing, or others than its owner may read it.
std::unique_ptr<Keeper> make_sealed_keeper(SealedPlaces places);

/// kDenied as above.
Result<SealKey> read_key(const std::string& key_file);
/// A new key, readable by its owner only. kAlreadyExists where there is a file.
Result<SealKey> write_new_key(const std::string& key_file);
/// The file, or an empty one.
Result<SealedFile> read_sealed(const std::string& file);
/// Replaces the file as a whole.
Status write_sealed(const std::string& file, const SealedFile& sealed);

}  // namespace weir::secrets
