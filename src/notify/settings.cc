#include "notify/settings.h"

#include <algorithm>
#include <functional>
#include <map>

#include "base/instant.h"
#include "base/nearest.h"
#include "net/url.h"
#include "notify/message.h"

namespace weir::notify {
namespace {

constexpr int64_t kLongestTimeoutMs = 60'000;

/// What is behind a reference is not known before the channel is opened.
bool is_reference(std::string_view text) { return text.starts_with("secret://"); }

using Take = std::function<Status(const Json& value)>;
using Options = std::map<std::string, Take>;

Take text(std::string& to) {
  return [&to](const Json& value) -> Status {
    if (!value.is_string()) return fail(ErrorCode::kInvalidConfig, "it is no text");
    to = value.get<std::string>();
    return {};
  };
}

/// A list of texts; one text is a list of one.
Take texts(std::vector<std::string>& to) {
  return [&to](const Json& value) -> Status {
    const Json list = value.is_array() ? value : Json::array({value});
    for (const auto& each : list) {
      if (!each.is_string()) return fail(ErrorCode::kInvalidConfig, "it is no list of texts");
      to.push_back(each.get<std::string>());
    }
    return {};
  };
}

Take timeout(int64_t& to_ms) {
  return [&to_ms](const Json& value) -> Status {
    const auto read = value.is_string() ? parse_duration_ms(value.get<std::string>()) : -1;
    if (!read || *read <= 0 || *read > kLongestTimeoutMs)
      return fail_with_hint(ErrorCode::kInvalidConfig, "it is no time from 1ms to 60s",
                            "write 10s");
    to_ms = *read;
    return {};
  };
}

Take url(std::string& to) {
  return [&to](const Json& value) -> Status {
    WEIR_TRY(text(to)(value));
    if (is_reference(to)) return {};
    WEIR_TRY(net::parse_url(to));
    return {};
  };
}

Take choice(std::string& to, std::vector<std::string> words) {
  return [&to, words = std::move(words)](const Json& value) -> Status {
    WEIR_TRY(text(to)(value));
    if (std::ranges::find(words, to) != words.end()) return {};
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("'{}' is not known", to),
                          fmt::format("write {}", fmt::join(words, " or ")));
  };
}

Status read_options(std::string_view kind, const Json& options, const Options& known) {
  for (const auto& [name, value] : options.items()) {
    const auto found = known.find(name);
    if (found == known.end()) {
      std::vector<std::string> names;
      for (const auto& [each, unused] : known) names.push_back(each);
      const std::string guess = did_you_mean(name, names);
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("a connection of kind '{}' has no option '{}'", kind, name),
          guess.empty() ? fmt::format("options: {}", fmt::join(names, ", ")) : guess);
    }
    auto taken = found->second(value);
    if (taken) continue;
    Error error = std::move(taken).error();
    error.message = fmt::format("option '{}': {}", name, error.message);
    return std::unexpected(std::move(error));
  }
  return {};
}

std::unexpected<Error> missing(std::string_view kind, std::string_view option,
                               std::string_view example) {
  return fail_with_hint(
      ErrorCode::kInvalidConfig,
      fmt::format("a connection of kind '{}' needs the option '{}'", kind, option),
      fmt::format("write {}: {}", option, example));
}

/// One address as it stands in an envelope: what RFC 5321 calls a mailbox, without quoted words.
Status check_address(std::string_view option, std::string_view address) {
  if (is_reference(address)) return {};
  const auto at = address.find('@');
  const bool is_good = at != std::string_view::npos && at > 0 && at + 1 < address.size() &&
                       address.find('@', at + 1) == std::string_view::npos &&
                       std::ranges::none_of(address, [](char c) {
                         return static_cast<unsigned char>(c) <= ' ' || c == '<' || c == '>' ||
                                c == ',' || c == ';' || c == 0x7f;
                       });
  if (is_good) return {};
  return fail_with_hint(ErrorCode::kInvalidConfig,
                        fmt::format("option '{}': '{}' is no address", option, address),
                        "write name@example.org");
}

Status read_tls(const std::string& word, net::MailServer& server) {
  if (word == "implicit") server.tls = net::MailTls::kImplicit;
  if (word != "none") return {};
  server.tls = net::MailTls::kNone;
  if (net::is_loopback(server.host) || is_reference(server.host)) return {};
  return fail_with_hint(
      ErrorCode::kInvalidConfig,
      fmt::format("option 'tls': none is for this machine alone, not for '{}'", server.host),
      "write starttls or implicit");
}

}  // namespace

bool is_channel(std::string_view kind) {
  return kind == "log" || kind == "webhook" || kind == "smtp" || kind == "sns";
}

Result<LogSettings> read_log_settings(const Json& options) {
  LogSettings settings;
  WEIR_TRY(read_options("log", options, {{"path", text(settings.path)}}));
  return settings;
}

Result<WebhookSettings> read_webhook_settings(const Json& options) {
  WebhookSettings settings;
  const Take headers = [&](const Json& value) -> Status {
    if (!value.is_object()) return fail(ErrorCode::kInvalidConfig, "it is no map of headers");
    for (const auto& [name, each] : value.items()) {
      if (!each.is_string()) return fail(ErrorCode::kInvalidConfig, "'{}' is no text", name);
      settings.headers.push_back({name, each.get<std::string>()});
    }
    return {};
  };
  WEIR_TRY(read_options("webhook", options,
                        {{"url", url(settings.url)},
                         {"method", choice(settings.method, {"POST", "PUT"})},
                         {"content_type", text(settings.content_type)},
                         {"token", text(settings.token)},
                         {"headers", headers},
                         {"body", text(settings.body)},
                         {"ca_file", text(settings.ca_file)},
                         {"timeout", timeout(settings.timeout_ms)}}));
  if (settings.url.empty()) return missing("webhook", "url", "https://example.org/hook");
  WEIR_TRY(while_doing(check_template(settings.body), "reading option 'body'"));
  const bool is_json = settings.content_type.find("json") != std::string::npos;
  if (!settings.body.empty() && is_json &&
      !parse_json(render(settings.body, Json::object(), Escape::kJson)))
    return fail_with_hint(ErrorCode::kInvalidConfig, "option 'body': it makes no JSON",
                          "write fields within quotes, as {\"text\": \"{{ subject }}\"}");
  return settings;
}

Result<SmtpSettings> read_smtp_settings(const Json& options) {
  SmtpSettings settings;
  std::string tls = "starttls";
  const Take port = [&](const Json& value) -> Status {
    if (!value.is_number_integer() || value < 1 || value > 65535)
      return fail(ErrorCode::kInvalidConfig, "it is no port from 1 to 65535");
    settings.server.port = value.get<int>();
    return {};
  };
  WEIR_TRY(read_options("smtp", options,
                        {{"host", text(settings.server.host)},
                         {"port", port},
                         {"tls", choice(tls, {"starttls", "implicit", "none"})},
                         {"user", text(settings.server.user)},
                         {"password", text(settings.server.password)},
                         {"from", text(settings.from)},
                         {"to", texts(settings.to)},
                         {"ca_file", text(settings.ca_file)},
                         {"timeout", timeout(settings.timeout_ms)}}));
  if (settings.server.host.empty()) return missing("smtp", "host", "mail.example.org");
  const bool is_host = std::ranges::none_of(settings.server.host, [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || std::string_view("/@?#\\").contains(c);
  });
  if (!is_host)
    return fail(ErrorCode::kInvalidConfig, "option 'host': '{}' is no name of a host",
                settings.server.host);
  if (settings.from.empty()) return missing("smtp", "from", "weir@example.org");
  if (settings.to.empty()) return missing("smtp", "to", "[ops@example.org]");
  WEIR_TRY(check_address("from", settings.from));
  for (const auto& each : settings.to) WEIR_TRY(check_address("to", each));
  if (settings.server.user.empty() != settings.server.password.empty())
    return fail(ErrorCode::kInvalidConfig, "options 'user' and 'password' go together");
  WEIR_TRY(read_tls(tls, settings.server));
  if (settings.server.port == 0) settings.server.port = tls == "implicit" ? 465 : 587;
  return settings;
}

Result<SnsSettings> read_sns_settings(const Json& options) {
  SnsSettings settings;
  WEIR_TRY(read_options("sns", options,
                        {{"topic_arn", text(settings.topic_arn)},
                         {"region", text(settings.region)},
                         {"endpoint", url(settings.endpoint)},
                         {"ca_file", text(settings.ca_file)},
                         {"profile", text(settings.profile)},
                         {"role_arn", text(settings.role_arn)},
                         {"external_id", text(settings.external_id)},
                         {"timeout", timeout(settings.timeout_ms)}}));
  if (settings.topic_arn.empty())
    return missing("sns", "topic_arn", "arn:aws:sns:eu-west-1:123456789012:ops");
  if (is_reference(settings.topic_arn)) return settings;
  // arn:partition:sns:region:account:name
  std::vector<std::string> parts;
  for (size_t at = 0; at <= settings.topic_arn.size();) {
    const size_t end = std::min(settings.topic_arn.find(':', at), settings.topic_arn.size());
    parts.push_back(settings.topic_arn.substr(at, end - at));
    at = end + 1;
  }
  if (parts.size() != 6 || parts[0] != "arn" || parts[2] != "sns" || parts[3].empty() ||
      parts[5].empty())
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("option 'topic_arn': '{}' names no topic", settings.topic_arn),
        "write arn:aws:sns:eu-west-1:123456789012:ops");
  if (settings.region.empty()) settings.region = parts[3];
  return settings;
}

Status check_options(std::string_view kind, const Json& options) {
  if (kind == "log") WEIR_TRY(read_log_settings(options));
  if (kind == "webhook") WEIR_TRY(read_webhook_settings(options));
  if (kind == "smtp") WEIR_TRY(read_smtp_settings(options));
  if (kind == "sns") WEIR_TRY(read_sns_settings(options));
  return {};
}

}  // namespace weir::notify
