#include "net/url.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/printable.h"
#include "base/this_machine.h"

namespace weir::net {
namespace {

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::unexpected<Error> refuse(std::string_view shown, std::string_view why) {
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("'{}' is no URL: {}", shown, why),
                        "write https://host, or http://host:port for a server of your own");
}

/// Splits "host:port" where the port is not part of an address in brackets.
Status read_authority(std::string_view authority, Url& url) {
  const auto bracket = authority.rfind(']');
  const auto colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  url.host = authority.substr(0, colon);
  if (url.host.empty()) return refuse(authority, "it names no host");
  const bool is_plain = std::ranges::all_of(
      url.host, [](char c) { return is_unreserved(c) || c == '[' || c == ']' || c == ':'; });
  if (!is_plain) return refuse(authority, "the host has characters that no host has");
  if (colon == std::string_view::npos) return {};
  const auto digits = authority.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
  if (error != std::errc() || end != digits.data() + digits.size() || url.port < 1 ||
      url.port > 65535)
    return refuse(authority, "the port is no number from 1 to 65535");
  return {};
}

}  // namespace

std::string Url::authority() const {
  const int own = scheme == "https" ? 443 : 80;
  return port == 0 || port == own ? host : fmt::format("{}:{}", host, port);
}

Result<Url> parse_url(std::string_view text) {
  Url url;
  const auto colon = text.find("://");
  url.scheme = text.substr(0, colon == std::string_view::npos ? 0 : colon);
  std::ranges::transform(url.scheme, url.scheme.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (url.scheme != "http" && url.scheme != "https")
    return refuse(text.substr(0, text.find_first_of("@?#")),
                  "it starts with neither http:// nor https://");
  std::string_view rest = text.substr(colon + 3);
  const auto authority_end = std::min(rest.find_first_of("/?#"), rest.size());
  const auto authority = rest.substr(0, authority_end);
  if (const auto at = authority.rfind('@'); at != std::string_view::npos)
    return refuse(authority.substr(at + 1), "a user or password stands before the host");
  WEIR_TRY(read_authority(authority, url));
  rest.remove_prefix(authority_end);
  if (rest.find('#') != std::string_view::npos) return refuse(url.host, "it has a fragment ('#')");
  const auto is_sendable = [](char c) { return c > ' ' && c < '\x7f'; };
  if (!std::ranges::all_of(rest, is_sendable))
    return refuse(url.host, "its path has characters that must be written as %XX");
  const auto question = std::min(rest.find('?'), rest.size());
  url.path = rest.substr(0, question);
  if (url.path.empty()) url.path = "/";
  if (question < rest.size()) url.query = rest.substr(question + 1);
  return url;
}

std::string percent_encode(std::string_view text, Slash slash) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c) || (c == '/' && slash == Slash::kKeep)) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    encoded += '%';
    encoded += kDigits[byte >> 4];
    encoded += kDigits[byte & 15];
  }
  return encoded;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0)
      return fail(ErrorCode::kInvalidData, "'{}' has a '%' without two hex digits", text);
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

Result<std::string> resolve_url(const Url& base, std::string_view reference) {
  reference = reference.substr(0, reference.find('#'));
  const auto scheme_end = reference.find("://");
  std::string whole;
  const std::string origin = base.scheme + "://" + base.authority();
  if (scheme_end != std::string_view::npos && scheme_end < reference.find_first_of("/?")) {
    whole = reference;
  } else if (reference.starts_with("//")) {
    whole = base.scheme + ":" + std::string(reference);
  } else if (reference.starts_with('/')) {
    whole = origin + std::string(reference);
  } else if (reference.starts_with('?')) {
    whole = origin + base.path + std::string(reference);
  } else if (!reference.empty()) {
    whole = origin + base.path.substr(0, base.path.rfind('/') + 1) + std::string(reference);
  }
  const auto url = parse_url(whole);
  const bool is_plain = url && url->path.find("/./") == std::string::npos &&
                        url->path.find("/../") == std::string::npos && !url->path.ends_with("/..");
  if (is_plain) return whole;
  return fail(
      ErrorCode::kInvalidData, "'{}' is no address that can be followed",
      printable(std::string(reference.substr(0, std::min(reference.find('?'), size_t{200})))));
}

bool has_same_origin(const Url& left, const Url& right) {
  const auto is_same_host = [](std::string_view one, std::string_view other) {
    return std::ranges::equal(one, other, [](char a, char b) {
      return std::tolower(static_cast<unsigned char>(a)) ==
             std::tolower(static_cast<unsigned char>(b));
    });
  };
  const auto port_of = [](const Url& url) {
    return url.port != 0 ? url.port : url.scheme == "https" ? 443 : 80;
  };
  return left.scheme == right.scheme && is_same_host(left.host, right.host) &&
         port_of(left) == port_of(right);
}

bool names_loopback(const Url& url) { return names_this_machine(url.host); }

namespace {

/// The pieces of a query between '&'.
std::vector<std::string_view> pieces_of(std::string_view query) {
  std::vector<std::string_view> pieces;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    if (end > 0) pieces.push_back(query.substr(0, end));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return pieces;
}

/// The name before '=', and the value behind it, both decoded as forms are: '+' is a blank.
std::pair<std::string, std::string> read_piece(std::string_view piece) {
  const auto decoded = [](std::string_view text) {
    std::string blanks(text);
    std::ranges::replace(blanks, '+', ' ');
    return percent_decode(blanks).value_or(blanks);
  };
  const auto equals = std::min(piece.find('='), piece.size());
  return {decoded(piece.substr(0, equals)),
          decoded(piece.substr(std::min(equals + 1, piece.size())))};
}

}  // namespace

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  for (const auto piece : pieces_of(query))
    if (auto [each, value] = read_piece(piece); each == name) return std::move(value);
  return std::nullopt;
}

std::string query_with(std::string_view query, std::string_view name,
                       const std::optional<std::string>& value) {
  std::string made;
  for (const auto piece : pieces_of(query)) {
    if (read_piece(piece).first == name) continue;
    if (!made.empty()) made += '&';
    made += piece;
  }
  if (value) {
    if (!made.empty()) made += '&';
    made += encode_query({{std::string(name), *value}});
  }
  return made;
}

std::string encode_query(const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string query;
  for (const auto& [name, value] : parameters) {
    if (!query.empty()) query += '&';
    query += percent_encode(name, Slash::kEncode);
    query += '=';
    query += percent_encode(value, Slash::kEncode);
  }
  return query;
}

}  // namespace weir::net
