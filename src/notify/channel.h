#pragma once

/// Ways to tell somebody: a log, a mail, a webhook, an SNS topic. A channel sends one message and
/// says whether it was taken; who is told of what, and trying again, is orchestrate's business. It
/// knows secrets only as values that it was given.

#include <memory>
#include <string>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/result.h"
#include "net/credentials.h"
#include "net/http.h"
#include "net/smtp.h"
#include "notify/settings.h"

namespace weir::notify {

struct Message {
  std::string key;       ///< The same for every try of one message: receivers tell by it.
  std::string severity;  ///< `error`, `warning`, `info`
  std::string subject;
  std::string body;              ///< Text, lines by '\n'.
  Json fields = Json::object();  ///< What the message is made of, by name (message.h).
  int64_t at_us = 0;             ///< When it happened.
  Json event = Json();  ///< For machines: not null, it goes out as it is, in place of the rest.
};

/// Used by one thread at a time.
class Channel {
 public:
  virtual ~Channel() = default;

  /// Once it is good, the other side has the message. After an error it may have it, too: sending
  /// again with the same key is right after each. kDenied where it takes no such sender;
  /// kUnavailable or kOutcomeUnknown where it did not answer; kInvalidConfig for what it refuses.
  virtual Status send(const Message& message, const Cancel& cancel) = 0;

  /// How long the other side asked to be left alone as it did not take the last message
  /// (`Retry-After`), at most a day; 0 where it took it, or did not say.
  virtual int64_t asked_to_wait_ms() const { return 0; }
};

/// A line on `log`, or a JSON line at the end of the settings' file: whole, and on the disk.
std::unique_ptr<Channel> make_log_channel(LogSettings settings, std::shared_ptr<Log> log);
/// The clock outlives it.
std::unique_ptr<Channel> make_webhook_channel(WebhookSettings settings,
                                              std::unique_ptr<net::Http> http, Clock& clock);
/// What SMTP works with outlives it but for the mailer.
std::unique_ptr<Channel> make_smtp_channel(SmtpSettings settings,
                                           std::unique_ptr<net::Mailer> mailer);

/// What SNS works with. Everything outlives the channel.
struct SnsGround {
  net::Http* http = nullptr;
  net::CredentialSource* credentials = nullptr;
  Clock* clock = nullptr;
};
std::unique_ptr<Channel> make_sns_channel(SnsSettings settings, SnsGround ground);

}  // namespace weir::notify
