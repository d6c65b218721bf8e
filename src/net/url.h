#pragma once

/// URLs in parts, and the percent signs of RFC 3986: what a request, its signature and the names of
/// objects share. It opens nothing.

#include <optional>
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

/// The absolute URL that a reference in an answer means (RFC 3986 section 5.2; no dot segments):
/// `https://…`, `/path?query`, `?query` or a path beside the last one. kInvalidData for others.
Result<std::string> resolve_url(const Url& base, std::string_view reference);

/// The same scheme, host (in any case) and port.
bool has_same_origin(const Url& left, const Url& right);

/// Whether the host is one of this machine by its name alone: localhost, 127.x.y.z, [::1].
bool names_loopback(const Url& url);

/// The value of a parameter of a query, decoded; nothing where it is not there.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

/// The query with that parameter said once, at the end, or left out.
std::string query_with(std::string_view query, std::string_view name,
                       const std::optional<std::string>& value);

enum class Slash { kKeep, kEncode };

/// Each byte but A–Z a–z 0–9 - . _ ~ (and '/' with kKeep) as %XX in upper case: the UriEncode of
/// AWS Signature Version 4.
std::string percent_encode(std::string_view text, Slash slash);

/// The bytes behind the percent signs. kInvalidData where two hex digits are missing.
Result<std::string> percent_decode(std::string_view text);

/// `a=1&b=x%20y`, in the order given; no '?'.
std::string encode_query(const std::vector<std::pair<std::string, std::string>>& parameters);

}  // namespace weir::net
