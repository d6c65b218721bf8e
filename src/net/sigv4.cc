#include "net/sigv4.h"

#include <algorithm>
#include <array>
#include <map>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/instant.h"
#include "net/url.h"

namespace weir::net {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::array<unsigned char, 32> digest{};
  unsigned int size = 0;
  WEIR_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                  reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
                  &size) != nullptr);
  return {digest.begin(), digest.end()};
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

/// Without blanks around it, and one blank for each run of them.
std::string squeezed(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const bool is_blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (!is_blank)
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

/// Headers that the transport, or somebody on the way, may write anew.
bool may_change(std::string_view name) {
  return name == "authorization" || name == "user-agent" || name == "connection" ||
         name == "expect" || name == "transfer-encoding" || name == "content-length";
}

/// RFC 3986 section 5.2.4, and one '/' for several.
std::string without_dots(std::string_view path) {
  std::vector<std::string_view> segments;
  bool is_folder = true;  // ends in '/'
  for (size_t at = 0; at < path.size();) {
    const auto slash = std::min(path.find('/', at), path.size());
    const auto segment = path.substr(at, slash - at);
    is_folder = slash < path.size() || segment.empty() || segment == "." || segment == "..";
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else if (!segment.empty() && segment != ".") {
      segments.push_back(segment);
    }
    at = slash + 1;
  }
  std::string normal;
  for (const auto segment : segments) normal.append("/").append(segment);
  return is_folder || normal.empty() ? normal + '/' : normal;
}

/// Sorted by name, then value, both encoded anew: whoever wrote the query may have encoded less.
Result<std::string> canonical_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  for (size_t at = 0; at < query.size();) {
    const auto end = std::min(query.find('&', at), query.size());
    const auto one = query.substr(at, end - at);
    at = end + 1;
    if (one.empty()) continue;
    const auto equals = std::min(one.find('='), one.size());
    const auto value_at = std::min(equals + 1, one.size());
    WEIR_ASSIGN(const std::string name, percent_decode(one.substr(0, equals)));
    WEIR_ASSIGN(const std::string value, percent_decode(one.substr(value_at)));
    parameters.emplace_back(percent_encode(name, Slash::kEncode),
                            percent_encode(value, Slash::kEncode));
  }
  std::ranges::sort(parameters);
  std::string text;
  for (const auto& [name, value] : parameters) {
    if (!text.empty()) text += '&';
    text.append(name).append("=").append(value);
  }
  return text;
}

/// `20130524T000000Z`
std::string compact(int64_t at_us) {
  const std::string text = format_hudi_instant(at_us);  // yyyyMMddHHmmssSSS
  return fmt::format("{}T{}Z", std::string_view(text).substr(0, 8),
                     std::string_view(text).substr(8, 6));
}

std::string signature_of(std::string_view text, const Credentials& credentials,
                         const Signing& signing, std::string_view date) {
  std::string key = hmac_sha256("AWS4" + credentials.secret_access_key, date);
  key = hmac_sha256(key, signing.region);
  key = hmac_sha256(key, signing.service);
  key = hmac_sha256(key, "aws4_request");
  return to_hex(hmac_sha256(key, text));
}

}  // namespace

namespace internal {

Result<Canonical> canonical_request(const Request& request, PathForm path,
                                    std::string_view payload_sha256) {
  WEIR_ASSIGN(const Url url, parse_url(request.url));
  WEIR_ASSIGN(const std::string query, canonical_query(url.query));
  std::map<std::string, std::string> headers = {{"host", url.authority()}};
  for (const Header& header : request.headers) {
    const std::string name = lower(header.name);
    if (may_change(name) || name == "host") continue;
    const auto [place, is_new] = headers.emplace(name, squeezed(header.value));
    if (!is_new) place->second.append(",").append(squeezed(header.value));
  }
  Canonical canonical;
  canonical.text =
      request.method + '\n' +
      (path == PathForm::kAsSent ? url.path
                                 : percent_encode(without_dots(url.path), Slash::kKeep)) +
      '\n' + query + '\n';
  for (const auto& [name, value] : headers) {
    canonical.text.append(name).append(":").append(value).append("\n");
    if (!canonical.signed_headers.empty()) canonical.signed_headers += ';';
    canonical.signed_headers += name;
  }
  canonical.text.append("\n").append(canonical.signed_headers).append("\n").append(payload_sha256);
  return canonical;
}

}  // namespace internal

Status sign(Request& request, const Credentials& credentials, const Signing& signing,
            std::string_view payload_sha256) {
  const std::string now = compact(signing.at_us);
  const std::string date = now.substr(0, 8);
  request.headers.push_back({"X-Amz-Date", now});
  if (!credentials.session_token.empty())
    request.headers.push_back({"X-Amz-Security-Token", credentials.session_token});
  WEIR_ASSIGN(const auto canonical,
              internal::canonical_request(request, signing.path, payload_sha256));
  const std::string scope =
      fmt::format("{}/{}/{}/aws4_request", date, signing.region, signing.service);
  const std::string text =
      fmt::format("{}\n{}\n{}\n{}", kAlgorithm, now, scope, sha256_hex(canonical.text));
  request.headers.push_back(
      {"Authorization",
       fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                   credentials.access_key_id, scope, canonical.signed_headers,
                   signature_of(text, credentials, signing, date))});
  return {};
}

}  // namespace weir::net
