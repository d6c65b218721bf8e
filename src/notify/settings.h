#pragma once

/// The options of connections that are channels, read and checked. Nothing is opened.

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "net/http.h"
#include "net/smtp.h"

namespace weir::notify {

struct LogSettings {
  std::string path;  ///< Empty: standard error.
};

struct WebhookSettings {
  std::string url;
  std::string method = "POST";
  std::string content_type = "application/json";
  std::string token;  ///< As `Authorization: Bearer`.
  net::Headers headers;
  std::string body;  ///< With `{{ fields }}`; empty: all of them as an object.
  std::string ca_file;
  int64_t timeout_ms = 10'000;
};

struct SmtpSettings {
  net::MailServer server;
  std::string from;
  std::vector<std::string> to;
  std::string ca_file;
  int64_t timeout_ms = 15'000;
};

struct SnsSettings {
  std::string topic_arn;
  std::string region;    ///< Empty: that of the topic.
  std::string endpoint;  ///< Empty: the region's own.
  std::string ca_file;
  std::string profile;
  std::string role_arn;
  std::string external_id;
  int64_t timeout_ms = 10'000;
};

/// `log`, `webhook`, `smtp`, `sns`
bool is_channel(std::string_view kind);

/// kInvalidConfig names the option, with did-you-mean. A value may be a reference to a secret.
Result<LogSettings> read_log_settings(const Json& options);
Result<WebhookSettings> read_webhook_settings(const Json& options);
Result<SmtpSettings> read_smtp_settings(const Json& options);
Result<SnsSettings> read_sns_settings(const Json& options);

/// The same for a kind, for lint.
Status check_options(std::string_view kind, const Json& options);

}  // namespace weir::notify
