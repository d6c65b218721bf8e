#include "net/api.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "base/base64.h"
#include "base/check.h"
#include "base/json.h"
#include "base/printable.h"
#include "base/redact.h"

namespace weir::net {
namespace {

constexpr int kMostRedirects = 5;
constexpr size_t kReadBytes = size_t{64} << 10;
constexpr size_t kShownBytes = 300;

bool is_good(const Response& response) { return response.status >= 200 && response.status < 300; }

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool is_passing(int status) {
  constexpr std::array kPassing = {408, 425, 429, 500, 502, 503, 504};
  return std::ranges::find(kPassing, status) != kPassing.end();
}

/// `GET https://host/path`, for messages.
std::string said(const ApiCall& call) {
  return fmt::format("{} {}", call.method, call.url.substr(0, call.url.find('?')));
}

Error refusal_of(const ApiCall& call, const Response& response) {
  Error error;
  error.message = fmt::format("{}: the service answers {}", said(call), response.status);
  // Cleaned before it is cut: half a key would not be known any more.
  const std::string words = printable(
      process_redactor().clean(response.body.substr(0, kReadBytes)).substr(0, kShownBytes));
  if (!words.empty()) error.message += ": " + words;
  switch (response.status) {
    case 401:
    case 403:
      error.code = ErrorCode::kDenied;
      error.hint = "see to the connection's `auth`, and to what its user may do there";
      break;
    case 404:
    case 410: error.code = ErrorCode::kNotFound; break;
    default:
      error.code =
          is_passing(response.status) ? ErrorCode::kUnavailable : ErrorCode::kInvalidConfig;
  }
  return error;
}

class HttpApi final : public Api {
 public:
  HttpApi(ApiSettings settings, ApiGround ground)
      : settings_(std::move(settings)), ground_(std::move(ground)) {}

  const ApiSettings& settings() const override { return settings_; }

  Result<ApiAnswer> send(const ApiCall& asked, const Cancel& cancel) override {
    ApiCall call = asked;
    WEIR_ASSIGN(const Url url, parse_url(call.url));
    WEIR_TRY(check_origin(url, call.url));
    call.url = without_key(call.url);
    bool has_renewed = false;
    ApiAnswer answer;
    const auto once = [&]() -> Result<Response> {
      WEIR_ASSIGN(auto response, follow(call, answer.url, cancel));
      if (response.status != 401 || has_renewed || settings_.auth.kind == ApiAuth::Kind::kNone)
        return response;
      has_renewed = true;
      forget_credentials();
      return follow(call, answer.url, cancel);
    };
    WEIR_ASSIGN(answer.response, persist(call, once, answer.tries, cancel));
    return answer;
  }

 private:
  struct Token {
    std::string text;
    int64_t until_us = 0;  ///< By the monotonic clock.
  };

  Status check_origin(const Url& url, std::string_view text) const {
    if (has_same_origin(url, settings_.base)) return {};
    return fail_with_hint(
        ErrorCode::kDenied,
        fmt::format("{} is not of {}://{}", printable(text.substr(0, text.find('?'))),
                    settings_.base.scheme, settings_.base.authority()),
        "credentials go to the host of the connection's `url` only");
  }

  std::string without_key(const std::string& url) const {
    if (settings_.auth.kind != ApiAuth::Kind::kQueryKey) return url;
    const auto question = url.find('?');
    if (question == std::string::npos) return url;
    const std::string query = query_with(url.substr(question + 1), settings_.auth.name, {});
    return url.substr(0, question) + (query.empty() ? "" : "?" + query);
  }

  /// One try after another, as long as what fails may pass.
  Result<Response> persist(const ApiCall& call, const std::function<Result<Response>()>& once,
                           int64_t& tries, const Cancel& cancel) {
    for (tries = 1;; ++tries) {
      WEIR_TRY(cancel.check());
      auto response = once();
      if (response && is_good(*response)) return response;
      const bool may_pass = response ? is_passing(response->status)
                                     : response.error().code == ErrorCode::kUnavailable ||
                                           response.error().code == ErrorCode::kOutcomeUnknown;
      const int64_t asked_ms = response ? retry_after_ms(*response, ground_.clock->now_us()) : 0;
      Error error = response ? refusal_of(call, *response) : std::move(response).error();
      if (!may_pass) return std::unexpected(std::move(error));
      // What may be repeated is as good as never sent.
      error.code = ErrorCode::kUnavailable;
      if (tries >= settings_.max_tries)
        return std::unexpected(
            std::move(error).while_doing(fmt::format("trying it {} times", tries)));
      if (asked_ms > settings_.max_wait_ms)
        return std::unexpected(std::move(error).with_hint(fmt::format(
            "it asks to wait {} s, the connection's max_wait is {} s; a later run may succeed",
            asked_ms / 1000, settings_.max_wait_ms / 1000)));
      const int64_t wait_ms =
          std::max(asked_ms, backoff_.wait_ms(static_cast<int>(tries), *ground_.random));
      WEIR_TRY(while_doing(ground_.wait(wait_ms, cancel), "waiting to try again"));
    }
  }

  /// One request, and those that its redirects ask for.
  Result<Response> follow(const ApiCall& call, std::string& answered, const Cancel& cancel) {
    ApiCall hop = call;
    for (int redirects = 0;; ++redirects) {
      answered = hop.url;
      WEIR_ASSIGN(auto response, exchange(hop, cancel));
      if (!is_redirect(response.status)) return response;
      const std::string* location = find_header(response.headers, "location");
      const std::string where =
          location == nullptr ? "nowhere" : printable(location->substr(0, location->find('?')));
      if (!settings_.follows_redirects || location == nullptr)
        return fail_with_hint(ErrorCode::kInvalidConfig,
                              fmt::format("{}: the service answers {}, a redirect to {}", said(hop),
                                          response.status, where),
                              "write that address, or allow follow_redirects within the same host");
      if (redirects == kMostRedirects)
        return fail(ErrorCode::kInvalidConfig, "{}: more than {} redirects", said(call),
                    kMostRedirects);
      if (hop.method != "GET" && response.status != 307 && response.status != 308)
        return fail(ErrorCode::kInvalidConfig, "{}: a redirect {} to {} would drop its body",
                    said(hop), response.status, where);
      WEIR_ASSIGN(const Url from, parse_url(hop.url));
      WEIR_ASSIGN(hop.url, resolve_url(from, *location));
      WEIR_ASSIGN(const Url to, parse_url(hop.url));
      WEIR_TRY(while_doing(check_origin(to, hop.url), fmt::format("following {}", said(call))));
      hop.url = without_key(hop.url);
    }
  }

  /// One request with its credentials.
  Result<Response> exchange(const ApiCall& call, const Cancel& cancel) {
    Request request;
    request.method = call.method;
    request.url = call.url;
    request.headers = call.headers;
    request.body = call.body;
    for (const Header& header : settings_.headers) {
      if (find_header(request.headers, header.name) != nullptr) continue;
      WEIR_ASSIGN(std::string value, value_of(header.value, cancel));
      request.headers.push_back({header.name, std::move(value)});
    }
    WEIR_TRY(while_doing(authorize(request, cancel), "asking for credentials"));
    return transfer(request, cancel);
  }

  Result<Response> transfer(Request& request, const Cancel& cancel) {
    request.timeout_ms = settings_.timeout_ms;
    request.connect_timeout_ms =
        std::min<int64_t>(request.connect_timeout_ms, settings_.timeout_ms);
    request.answer_limit_bytes = settings_.max_response_bytes;
    request.takes_compressed = true;
    WEIR_TRY(keep_pace(cancel));
    auto response = ground_.http->send(request, cancel);
    if (!response && response.error().code == ErrorCode::kResourceExhausted)
      response.error().hint =
          "the connection's max_response_bytes is the limit; ask for less a page";
    return response;
  }

  Status keep_pace(const Cancel& cancel) {
    if (settings_.interval_us == 0) return {};
    int64_t wait_us = 0;
    {
      const std::lock_guard lock(mutex_);
      const int64_t now = ground_.clock->monotonic_us();
      const int64_t mine = std::max(now, next_at_us_);
      next_at_us_ = mine + settings_.interval_us;
      wait_us = mine - now;
    }
    if (wait_us <= 0) return {};
    return while_doing(ground_.wait((wait_us + 999) / 1000, cancel), "keeping to the rate_limit");
  }

  Result<std::string> value_of(const std::string& text, const Cancel& cancel) const {
    if (!refers_to_secret(text)) return text;
    return ground_.secret(text, cancel);
  }

  Status authorize(Request& request, const Cancel& cancel) {
    const ApiAuth& auth = settings_.auth;
    switch (auth.kind) {
      case ApiAuth::Kind::kNone: return {};
      case ApiAuth::Kind::kBasic: {
        WEIR_ASSIGN(const std::string user, value_of(auth.user, cancel));
        WEIR_ASSIGN(const std::string password, value_of(auth.secret, cancel));
        request.headers.push_back({"Authorization", "Basic " + base64(user + ":" + password)});
        return {};
      }
      case ApiAuth::Kind::kBearer: {
        WEIR_ASSIGN(const std::string token, value_of(auth.secret, cancel));
        request.headers.push_back({"Authorization", "Bearer " + token});
        return {};
      }
      case ApiAuth::Kind::kHeaderKey: {
        WEIR_ASSIGN(const std::string key, value_of(auth.secret, cancel));
        request.headers.push_back({auth.name, key});
        return {};
      }
      case ApiAuth::Kind::kQueryKey: {
        WEIR_ASSIGN(const std::string key, value_of(auth.secret, cancel));
        request.url += request.url.find('?') == std::string::npos ? '?' : '&';
        request.url += encode_query({{auth.name, key}});
        return {};
      }
      case ApiAuth::Kind::kOauth2: {
        WEIR_ASSIGN(const std::string token, token_of(cancel));
        request.headers.push_back({"Authorization", "Bearer " + token});
        return {};
      }
    }
    return {};
  }

  void forget_credentials() {
    const ApiAuth& auth = settings_.auth;
    for (const auto& reference : {auth.user, auth.secret, auth.refresh_token})
      if (ground_.forget && refers_to_secret(reference)) ground_.forget(reference);
    const std::lock_guard lock(token_mutex_);
    token_ = {};
  }

  /// The access token, fetched once for all threads and kept until shortly before its end.
  Result<std::string> token_of(const Cancel& cancel) {
    const std::lock_guard lock(token_mutex_);
    if (!token_.text.empty() && ground_.clock->monotonic_us() < token_.until_us) return token_.text;
    WEIR_ASSIGN(token_, while_doing(fetch_token(cancel), "fetching an access token"));
    return token_.text;
  }

  Result<Token> fetch_token(const Cancel& cancel) {
    const ApiAuth& auth = settings_.auth;
    std::vector<std::pair<std::string, std::string>> form;
    if (auth.refresh_token.empty()) {
      form.emplace_back("grant_type", "client_credentials");
    } else {
      form.emplace_back("grant_type", "refresh_token");
      // A service may have given a newer one with the last token.
      if (next_refresh_token_.empty()) {
        WEIR_ASSIGN(next_refresh_token_, value_of(auth.refresh_token, cancel));
      }
      form.emplace_back("refresh_token", next_refresh_token_);
    }
    if (!auth.scope.empty()) form.emplace_back("scope", auth.scope);
    if (!auth.audience.empty()) form.emplace_back("audience", auth.audience);
    WEIR_ASSIGN(const std::string id, value_of(auth.user, cancel));
    WEIR_ASSIGN(const std::string secret, value_of(auth.secret, cancel));
    Request request;
    request.method = "POST";
    request.url = auth.token_url;
    request.headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                       {"Accept", "application/json"}};
    if (auth.has_client_in_body || secret.empty()) {
      form.emplace_back("client_id", id);
      if (!secret.empty()) form.emplace_back("client_secret", secret);
    } else {
      request.headers.push_back(
          {"Authorization", "Basic " + base64(percent_encode(id, Slash::kEncode) + ":" +
                                              percent_encode(secret, Slash::kEncode))});
    }
    const std::string body = encode_query(form);
    request.body = body;
    const ApiCall told{"POST", auth.token_url, {}, {}};
    int64_t tries = 0;
    auto response = persist(told, [&] { return transfer(request, cancel); }, tries, cancel);
    if (!response && response.error().code == ErrorCode::kInvalidConfig) {
      // RFC 6749 section 5.2: invalid_client, invalid_grant and their like come as 400.
      response.error().code = ErrorCode::kDenied;
      response.error().hint = "see to client_id, client_secret, refresh_token and scope";
    }
    if (!response) return std::unexpected(std::move(response).error());
    return read_token(*response);
  }

  Result<Token> read_token(const Response& response) {
    constexpr int64_t kUnsaidSeconds = 300;
    constexpr int64_t kMostSeconds = 86'400;
    const auto refuse = [](std::string_view why) {
      // What it holds may be a token: it is not shown.
      return fail(ErrorCode::kInvalidData, "the token endpoint's answer {}", why);
    };
    const auto json = parse_json(response.body);
    if (!json || !json->is_object()) return refuse("is no JSON object");
    Token token;
    token.text = json_field_or<std::string>(*json, "access_token", "").value_or("");
    if (token.text.empty()) return refuse("has no access_token");
    process_redactor().remember(token.text);
    const std::string type = json_field_or<std::string>(*json, "token_type", "bearer").value_or("");
    if (type.size() != 6 || (type[0] | 0x20) != 'b')
      return refuse("is of another type than bearer");
    auto next = json_field_or<std::string>(*json, "refresh_token", "").value_or("");
    if (!next.empty()) {
      process_redactor().remember(next);
      next_refresh_token_ = std::move(next);
    }
    int64_t seconds = kUnsaidSeconds;
    if (const auto found = json->find("expires_in"); found != json->end()) {
      // Some services write it as text.
      const std::string text = found->is_string() ? found->get<std::string>() : dump_json(*found);
      seconds = std::clamp<int64_t>(std::strtoll(text.c_str(), nullptr, 10), 0, kMostSeconds);
    }
    const int64_t margin = std::min<int64_t>(60, seconds / 4);
    token.until_us = ground_.clock->monotonic_us() + (seconds - margin) * 1'000'000;
    return token;
  }

  const ApiSettings settings_;
  const ApiGround ground_;
  const Backoff backoff_{.first_ms = 500, .most_ms = 30'000};
  std::mutex mutex_;
  int64_t next_at_us_ WEIR_GUARDED_BY(mutex_) = 0;
  std::mutex token_mutex_;  ///< Also held while a token is fetched, so that one thread does it.
  Token token_ WEIR_GUARDED_BY(token_mutex_);
  std::string next_refresh_token_ WEIR_GUARDED_BY(token_mutex_);
};

}  // namespace

std::unique_ptr<Api> make_api(ApiSettings settings, ApiGround ground) {
  return std::make_unique<HttpApi>(std::move(settings), std::move(ground));
}

}  // namespace weir::net
