#pragma once

/// URLs in parts, and the percent signs of RFC 3986: what a request, its signature and the names of
/// objects share. It opens nothing.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace weir::net {

struct Url {
  std::string scheme;  ///< `http` or `https`.
  std::string host;    ///< As written, `[::1]` with its brackets.
  int port = 0;        ///< 0: the scheme's own.
  std::string path;    ///< As written, encoded; at least "/".
  std::string query;   ///< As written, encoded, without '?'.

  /// What the header `Host` carries: the port only where it is not the scheme's own.
  std::string authority() const;
};

/// kInvalidConfig for what is no http(s) URL, and for one with a user, a password or a fragment:
/// credentials do not travel in URLs. The message shows no more of such a URL than its host.
Result<Url> parse_url(std::string_view text);

enum class Slash { kKeep, kEncode };

/// Each byte but A–Z a–z 0–9 - . _ ~ (and '/' with kKeep) as %XX in upper case: the UriEncode of
/// AWS Signature Version 4.
std::string percent_encode(std::string_view text, Slash slash);

/// The bytes behind the percent signs. kInvalidData where two hex digits are missing.
Result<std::string> percent_decode(std::string_view text);

/// `a=1&b=x%20y`, in the order given; no '?'.
std::string encode_query(const std::vector<std::pair<std::string, std::string>>& parameters);

}  // namespace weir::net
