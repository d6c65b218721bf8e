#include "net/api_settings.h"

#include <algorithm>
#include <charconv>

#include "base/instant.h"
#include "base/nearest.h"
#include "base/option_reader.h"
#include "base/redact.h"

namespace weir::net {
namespace {

std::unexpected<Error> refuse(std::string_view option, std::string_view why, std::string hint) {
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("option '{}' {}", option, why),
                        std::move(hint));
}

/// Options of one object, each taken once; what is left over is unknown.
class Options {
 public:
  Options(const Json& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {}

  Status text(const char* name, std::string& to) {
    const Json* value = take(name);
    if (value == nullptr) return {};
    if (!value->is_string()) return refuse(prefix_ + name, "is no text", "");
    to = value->get<std::string>();
    return {};
  }
  /// A text that must be a reference to a secret.
  Status secret(const char* name, std::string& to) {
    WEIR_TRY(text(name, to));
    if (to.empty() || refers_to_secret(to)) return {};
    process_redactor().remember(to);  // The line it stands in may be shown.
    to.clear();
    return refuse(prefix_ + name, "holds a secret in clear",
                  "keep it with `weir secret set ID`, and write secret://ID here");
  }
  Status truth(const char* name, bool& to) {
    const Json* value = take(name);
    if (value == nullptr) return {};
    if (!into_flag(to)(*value)) return refuse(prefix_ + name, "is neither true nor false", "");
    return {};
  }
  Status number(const char* name, int64_t least, int64_t& to) {
    const Json* value = take(name);
    if (value == nullptr) return {};
    if (!into_number(to, least)(*value))
      return refuse(prefix_ + name, fmt::format("is no whole number from {}", least), "");
    return {};
  }
  Status duration(const char* name, int64_t& to_ms) {
    std::string text_of_it;
    WEIR_TRY(text(name, text_of_it));
    if (text_of_it.empty()) return {};
    auto parsed = parse_duration_ms(text_of_it);
    if (!parsed || *parsed < 1)
      return refuse(prefix_ + name, fmt::format("is '{}', which is no duration", text_of_it),
                    "write 500ms, 30s, 5m");
    to_ms = *parsed;
    return {};
  }
  const Json* take(const char* name) {
    known_.emplace_back(name);
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  Status nothing_else() const {
    for (const auto& [name, value] : object_.items())
      if (std::ranges::find(known_, name) == known_.end())
        return refuse(
            prefix_ + name, "is not known",
            did_you_mean(name, known_) + fmt::format("options are: {}", fmt::join(known_, ", ")));
    return {};
  }

 private:
  const Json& object_;
  const std::string prefix_;
  std::vector<std::string> known_;
};

Status needed(const std::string& value, std::string_view option, std::string_view kind) {
  if (!value.empty()) return {};
  return refuse(option, fmt::format("is missing; '{}' needs it", kind), "");
}

Status check_url(const Url& url, std::string_view option, bool allows_plain_http) {
  if (url.scheme == "https" || allows_plain_http || names_loopback(url)) return {};
  return refuse(option,
                fmt::format("is plain http to '{}': everybody on the way reads it", url.host),
                "write https://; allow_plain_http: true where there is none");
}

Status read_oauth2(Options& options, ApiAuth& auth) {
  WEIR_TRY(options.text("token_url", auth.token_url));
  WEIR_TRY(options.text("client_id", auth.user));
  WEIR_TRY(options.secret("client_secret", auth.secret));
  WEIR_TRY(options.secret("refresh_token", auth.refresh_token));
  WEIR_TRY(options.text("scope", auth.scope));
  WEIR_TRY(options.text("audience", auth.audience));
  std::string client_in = "header";
  WEIR_TRY(options.text("client_in", client_in));
  if (client_in != "header" && client_in != "body")
    return refuse("auth.client_in", "is neither header nor body", "");
  auth.has_client_in_body = client_in == "body";
  WEIR_TRY(needed(auth.token_url, "auth.token_url", "oauth2"));
  WEIR_TRY(needed(auth.user, "auth.client_id", "oauth2"));
  // A public client has a refresh token and no secret.
  if (auth.refresh_token.empty()) WEIR_TRY(needed(auth.secret, "auth.client_secret", "oauth2"));
  WEIR_TRY(while_doing(parse_url(auth.token_url), "reading option 'auth.token_url'"));
  return {};
}

Result<ApiAuth> read_auth(const Json& said) {
  ApiAuth auth;
  if (said == "none") return auth;
  if (!said.is_object()) return refuse("auth", "is neither none nor an object", "write {kind: …}");
  Options options(said, "auth.");
  std::string kind;
  WEIR_TRY(options.text("kind", kind));
  if (kind == "basic") {
    auth.kind = ApiAuth::Kind::kBasic;
    WEIR_TRY(options.text("user", auth.user));
    WEIR_TRY(options.secret("password", auth.secret));
    WEIR_TRY(needed(auth.user, "auth.user", kind));
    WEIR_TRY(needed(auth.secret, "auth.password", kind));
  } else if (kind == "bearer") {
    auth.kind = ApiAuth::Kind::kBearer;
    WEIR_TRY(options.secret("token", auth.secret));
    WEIR_TRY(needed(auth.secret, "auth.token", kind));
  } else if (kind == "api_key") {
    std::string header;
    std::string query;
    WEIR_TRY(options.text("header", header));
    WEIR_TRY(options.text("query", query));
    WEIR_TRY(options.secret("key", auth.secret));
    if (header.empty() == query.empty())
      return refuse("auth", "says not just one of header and query",
                    "write {kind: api_key, header: X-Api-Key, key: secret://…}");
    auth.kind = header.empty() ? ApiAuth::Kind::kQueryKey : ApiAuth::Kind::kHeaderKey;
    auth.name = header.empty() ? query : header;
    WEIR_TRY(needed(auth.secret, "auth.key", kind));
  } else if (kind == "oauth2") {
    auth.kind = ApiAuth::Kind::kOauth2;
    WEIR_TRY(read_oauth2(options, auth));
  } else if (kind != "none") {
    const std::vector<std::string> kinds = {"none", "basic", "bearer", "api_key", "oauth2"};
    return refuse("auth.kind", fmt::format("is '{}'", kind),
                  did_you_mean(kind, kinds) + fmt::format("kinds are: {}", fmt::join(kinds, ", ")));
  }
  WEIR_TRY(options.nothing_else());
  return auth;
}

/// `10/s`, `600/m`, `5000/h`: the least time between two requests.
Result<int64_t> read_rate(const std::string& text) {
  const auto slash = std::min(text.find('/'), text.size());
  int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + slash, count);
  const std::string unit = text.substr(std::min(slash + 1, text.size()));
  const int64_t window_us = unit == "s"   ? 1'000'000
                            : unit == "m" ? 60'000'000
                            : unit == "h" ? 3'600'000'000
                                          : 0;
  if (error != std::errc() || end != text.data() + slash || count < 1 || window_us == 0)
    return refuse("rate_limit", fmt::format("is '{}'", text), "write 10/s, 600/m or 5000/h");
  return (window_us + count - 1) / count;
}

Status read_headers(const Json& said, Headers& headers) {
  if (!said.is_object()) return refuse("headers", "is no object", "write {Accept: text/csv}");
  for (const auto& [name, value] : said.items()) {
    if (!value.is_string()) return refuse("headers." + name, "is no text", "");
    headers.push_back({name, value.get<std::string>()});
  }
  return {};
}

}  // namespace

Result<ApiSettings> read_api_settings(const Json& said) {
  ApiSettings settings;
  Options options(said, "");
  WEIR_TRY(options.text("url", settings.base_url));
  WEIR_TRY(needed(settings.base_url, "url", "http"));
  while (settings.base_url.ends_with('/')) settings.base_url.pop_back();
  WEIR_ASSIGN(settings.base, while_doing(parse_url(settings.base_url), "reading option 'url'"));
  if (!settings.base.query.empty())
    return refuse("url", "has a query", "parameters belong to the task's `query`");
  WEIR_TRY(options.text("ca_file", settings.ca_file));
  WEIR_TRY(options.duration("timeout", settings.timeout_ms));
  WEIR_TRY(options.duration("max_wait", settings.max_wait_ms));
  WEIR_TRY(options.number("max_response_bytes", 1, settings.max_response_bytes));
  WEIR_TRY(options.number("max_tries", 1, settings.max_tries));
  WEIR_TRY(options.truth("allow_loopback", settings.reach.loopback));
  WEIR_TRY(options.truth("allow_private", settings.reach.private_networks));
  WEIR_TRY(options.truth("allow_plain_http", settings.allows_plain_http));
  WEIR_TRY(options.truth("follow_redirects", settings.follows_redirects));
  std::string rate;
  WEIR_TRY(options.text("rate_limit", rate));
  if (!rate.empty()) {
    WEIR_ASSIGN(settings.interval_us, read_rate(rate));
  }
  if (const Json* headers = options.take("headers"))
    WEIR_TRY(read_headers(*headers, settings.headers));
  if (const Json* auth = options.take("auth")) {
    WEIR_ASSIGN(settings.auth, read_auth(*auth));
  }
  WEIR_TRY(options.nothing_else());
  WEIR_TRY(check_url(settings.base, "url", settings.allows_plain_http));
  if (!settings.auth.token_url.empty()) {
    WEIR_ASSIGN(const Url token_url, parse_url(settings.auth.token_url));
    WEIR_TRY(check_url(token_url, "auth.token_url", settings.allows_plain_http));
  }
  return settings;
}

}  // namespace weir::net
