#include "notify/settings.h"

#include <algorithm>

#include "base/instant.h"
#include "base/option_reader.h"
#include "base/redact.h"
#include "base/this_machine.h"
#include "net/url.h"
#include "notify/message.h"

namespace weir::notify {
namespace {

constexpr int64_t kLongestTimeoutMs = 60'000;

/// A list of texts; one text is a list of one.
OptionReader texts(std::vector<std::string>& to) {
  return [&to](const Json& value) -> Status {
    const Json list = value.is_array() ? value : Json::array({value});
    for (const auto& each : list) {
      if (!each.is_string()) return fail(ErrorCode::kInvalidConfig, "it is no list of texts");
      to.push_back(each.get<std::string>());
    }
    return {};
  };
}

OptionReader timeout(int64_t& to_ms) {
  return [&to_ms](const Json& value) -> Status {
    const auto read = value.is_string() ? parse_duration_ms(value.get<std::string>()) : -1;
    if (!read || *read <= 0 || *read > kLongestTimeoutMs)
      return fail_with_hint(ErrorCode::kInvalidConfig, "it is no time from 1ms to 60s",
                            "write 10s");
    to_ms = *read;
    return {};
  };
}

/// What is behind a reference is not known before the channel is opened.
OptionReader url(std::string& to) {
  return [&to](const Json& value) -> Status {
    WEIR_TRY(into_text(to)(value));
    if (refers_to_secret(to)) return {};
    WEIR_TRY(net::parse_url(to));
    return {};
  };
}

OptionReader choice(std::string& to, std::vector<std::string> words) {
  return [&to, words = std::move(words)](const Json& value) -> Status {
    WEIR_TRY(into_text(to)(value));
    if (std::ranges::find(words, to) != words.end()) return {};
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("'{}' is not known", to),
                          fmt::format("write {}", fmt::join(words, " or ")));
  };
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
  if (refers_to_secret(address)) return {};
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
  if (names_this_machine(server.host) || refers_to_secret(server.host)) return {};
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
  WEIR_TRY(read_options("log", options, {{"path", into_text(settings.path)}}));
  return settings;
}

Result<WebhookSettings> read_webhook_settings(const Json& options) {
  WebhookSettings settings;
  const OptionReader headers = [&](const Json& value) -> Status {
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
                         {"content_type", into_text(settings.content_type)},
                         {"token", into_text(settings.token)},
                         {"headers", headers},
                         {"body", into_text(settings.body)},
                         {"ca_file", into_text(settings.ca_file)},
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
  int64_t port = 0;
  WEIR_TRY(read_options("smtp", options,
                        {{"host", into_text(settings.server.host)},
                         {"port", into_port(port)},
                         {"tls", choice(tls, {"starttls", "implicit", "none"})},
                         {"user", into_text(settings.server.user)},
                         {"password", into_text(settings.server.password)},
                         {"from", into_text(settings.from)},
                         {"to", texts(settings.to)},
                         {"ca_file", into_text(settings.ca_file)},
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
  if (port == 0) port = tls == "implicit" ? 465 : 587;
  settings.server.port = static_cast<int>(port);
  return settings;
}

Result<SnsSettings> read_sns_settings(const Json& options) {
  SnsSettings settings;
  WEIR_TRY(read_options("sns", options,
                        {{"topic_arn", into_text(settings.topic_arn)},
                         {"region", into_text(settings.region)},
                         {"endpoint", url(settings.endpoint)},
                         {"ca_file", into_text(settings.ca_file)},
                         {"profile", into_text(settings.profile)},
                         {"role_arn", into_text(settings.role_arn)},
                         {"external_id", into_text(settings.external_id)},
                         {"timeout", timeout(settings.timeout_ms)}}));
  if (settings.topic_arn.empty())
    return missing("sns", "topic_arn", "arn:aws:sns:eu-west-1:123456789012:ops");
  if (refers_to_secret(settings.topic_arn)) return settings;
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
