#include "net/url.h"

#include <algorithm>
#include <charconv>

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
