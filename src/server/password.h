#pragma once

/// Passwords and what else signs somebody in, as hashes. A password is hashed slowly (Argon2id by
/// libsodium, 19 MiB, two passes: OWASP's least); a token has 256 random bits, so SHA-256 will do.

#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::server {

/// kInvalidData where it is too short, too long or the user's name.
Status check_password(std::string_view user_name, std::string_view password);

/// A hash with its salt and cost in it, as libsodium writes it.
Result<std::string> hash_password(std::string_view password);
bool is_password(const std::string& hash, std::string_view password);

/// 256 random bits as 43 letters, digits, `-` and `_`.
Result<std::string> random_word();

/// How every API token begins, so that scanners for secrets know one.
inline constexpr std::string_view kTokenMark = "weir_pat_";
/// How much of a token is kept to know it again.
inline constexpr size_t kShownOfToken = kTokenMark.size() + 6;

}  // namespace weir::server
