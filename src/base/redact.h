#pragma once

/// Keeps secrets out of texts that leave the process: log lines, errors, what the catalog stores.
/// It knows them by value, as they are fetched, and by the name that stands before a value.

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/result.h"

namespace weir {

/// What stands in place of a secret.
inline constexpr std::string_view kRedacted = "[secret]";

/// Safe to use from many threads at once.
class Redactor {
 public:
  /// From now on clean() takes this value out of every text: as it is, URL-encoded (RFC 3986,
  /// lower and upper hex), as JSON writes it, in Base64 (RFC 4648, either alphabet) wherever in a
  /// longer text it begins, and in hex. Values of fewer than four bytes are left: they stand in too
  /// many words.
  void remember(std::string_view value);

  /// The text without values that were remembered, and without what follows a name such as
  /// `password=`, `"secret_key": ` or `Authorization: `.
  std::string clean(std::string_view text) const;

  /// The text without values that were remembered, whatever stands before them.
  std::string without_values(std::string_view text) const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> forms_ WEIR_GUARDED_BY(mutex_);  ///< Longest first.
};

/// Whether what is called so is a secret: `password`, `client_secret`, `Api-Key`.
bool names_secret(std::string_view name);

/// How a reference to a secret begins, `secret://id` or `secret://id#field` (secrets/secrets.h):
/// it is no secret itself, and meant to be seen.
inline constexpr std::string_view kSecretScheme = "secret://";
inline bool refers_to_secret(std::string_view text) { return text.starts_with(kSecretScheme); }

/// That of this process: what is fetched anywhere is redacted everywhere.
Redactor& process_redactor();

/// The error with all its texts cleaned by process_redactor().
Error without_secrets(Error error);

}  // namespace weir
