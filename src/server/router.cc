#include "server/router.h"

#include <algorithm>
#include <charconv>

#include "base/printable.h"
#include "server/schemas.h"

namespace weir::server {
namespace {

constexpr size_t kMaxTargetBytes = 4096;
constexpr size_t kMaxSegmentBytes = 500;

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::unexpected<Error> unreadable(std::string_view what) {
  return fail_with_hint(ErrorCode::kInvalidData, fmt::format("the address of the request {}", what),
                        "percent-encode names as UTF-8");
}

/// One name in a path: no text that a file system or a proxy would read otherwise.
Result<std::string> decode_segment(std::string_view raw) {
  WEIR_ASSIGN(std::string text, decode(raw));
  if (text.empty() || text == "." || text == "..") return unreadable("has a name that is none");
  if (text.size() > kMaxSegmentBytes) return unreadable("has a name that is too long");
  if (text.find_first_of("/\\") != std::string::npos) return unreadable("has a slash in a name");
  return text;
}

/// Whether the segments are those of the pattern; where a name stands anything may.
bool fits(const std::vector<std::string_view>& pattern,
          const std::vector<std::string_view>& segments) {
  if (pattern.size() != segments.size()) return false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (!pattern[i].starts_with('{') && pattern[i] != segments[i]) return false;
  }
  return true;
}

/// In a query, not in a path, `+` is a blank (WHATWG URL, application/x-www-form-urlencoded).
std::string with_blanks(std::string_view text) {
  std::string result(text);
  std::ranges::replace(result, '+', ' ');
  return result;
}

/// A text as its schema wants it.
Result<Json> value_of(const Parameter& parameter, const std::string& text) {
  Json value = text;
  if (parameter.schema.value("type", "") == "integer") {
    int64_t number = 0;
    const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem == std::errc() && stop == text.data() + text.size()) value = number;
  }
  WEIR_TRY(check_shape(parameter.schema, value, fmt::format("'{}'", parameter.name)));
  return value;
}

Result<std::map<std::string, Json>> read_query(const Route& route, std::string_view text) {
  std::map<std::string, Json> values;
  if (text.empty()) return values;
  for (const std::string_view pair : split(text, '&')) {
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) return unreadable("has a parameter without a value");
    WEIR_ASSIGN(const std::string name, decode(with_blanks(pair.substr(0, equals))));
    WEIR_ASSIGN(const std::string value, decode(with_blanks(pair.substr(equals + 1))));
    const auto known = std::ranges::find(route.query, name, &Parameter::name);
    if (known == route.query.end()) {
      std::vector<std::string> names;
      for (const auto& each : route.query) names.push_back(each.name);
      return fail_with_hint(ErrorCode::kInvalidData,
                            fmt::format("there is no parameter '{}'", printable(name)),
                            names.empty() ? "this address takes none"
                                          : fmt::format("it takes: {}", fmt::join(names, ", ")));
    }
    WEIR_ASSIGN(Json read, value_of(*known, value));
    if (!values.emplace(name, std::move(read)).second)
      return fail(ErrorCode::kInvalidData, "the parameter '{}' stands twice", name);
  }
  return values;
}

}  // namespace

Result<std::string> decode(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return unreadable("has a % that encodes nothing");
    result += static_cast<char>(high * 16 + low);
    i += 2;
  }
  // One replacement for each byte that is no UTF-8 and each control character; tabs and line ends
  // pass there, not here.
  if (printable(result) != result || result.find_first_of("\t\r\n") != std::string::npos)
    return unreadable("is no UTF-8 without control characters");
  return result;
}

Result<Match> find_route(std::string_view method, std::string_view target, std::string& allowed) {
  if (target.size() > kMaxTargetBytes) return unreadable("is too long");
  if (!target.starts_with('/') || target.find('#') != std::string_view::npos)
    return unreadable("is no path");
  const auto question = target.find('?');
  const std::string_view path = target.substr(0, question);
  const auto segments = split(path.substr(1), '/');
  Match match;
  for (const Route& route : all_routes()) {
    if (!fits(split(std::string_view(route.path).substr(1), '/'), segments)) continue;
    allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", route.method);
    if (route.method == "GET") allowed += ", HEAD";
    if (route.method == method || (method == "HEAD" && route.method == "GET")) match.route = &route;
  }
  if (allowed.empty())
    return fail_with_hint(ErrorCode::kNotFound, "there is nothing at this address",
                          "the document /v1/openapi.json lists what there is");
  if (match.route == nullptr)
    return fail_with_hint(ErrorCode::kUnsupported, "this address does not take that method",
                          "it takes: " + allowed);
  const auto pattern = split(std::string_view(match.route->path).substr(1), '/');
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (!pattern[i].starts_with('{')) continue;
    WEIR_ASSIGN(std::string name, decode_segment(segments[i]));
    match.path.emplace(pattern[i].substr(1, pattern[i].size() - 2), std::move(name));
  }
  const std::string_view query =
      question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
  WEIR_ASSIGN(match.query, read_query(*match.route, query));
  return match;
}

}  // namespace weir::server
