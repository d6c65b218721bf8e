#pragma once

/// One mail to one server over SMTP (RFC 5321), with STARTTLS (RFC 3207) or TLS from the start
/// (RFC 8314), 1.2 or newer, the peer verified always. It knows envelopes and bytes; what a mail
/// says is the caller's.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"

namespace weir::net {

enum class MailTls {
  kStartTls,
  kImplicit,
  kNone,  ///< Loopback only.
};

struct MailServer {
  std::string host;
  int port = 0;
  MailTls tls = MailTls::kStartTls;
  std::string user;  ///< Empty: no AUTH.
  std::string password;
};

struct Mail {
  std::string from;             ///< Addresses of the envelope, without `<>`.
  std::vector<std::string> to;  ///< Each must be taken, or none is sent.
  std::string_view data;        ///< Headers, an empty line and the body, lines by CRLF.
};

/// Used by one thread at a time.
class Mailer {
 public:
  virtual ~Mailer() = default;
  /// Once it is good, the server has taken the mail for all.
  /// kUnavailable: the server cannot be reached or says that it is not able now (4xx);
  /// kOutcomeUnknown: the answer to the mail itself was lost; kDenied: user, password or
  /// certificate do not do, or it offers no TLS; kInvalidConfig: it refuses sender, a receiver or
  /// the mail (5xx). No message holds the password.
  virtual Status send(const MailServer& server, const Mail& mail, int64_t timeout_ms,
                      const Cancel& cancel) = 0;
};

/// `ca_file` is PEM; empty: the system's authorities. kInvalidConfig where it cannot be read.
Result<std::unique_ptr<Mailer>> make_mailer(std::string ca_file);

}  // namespace weir::net
