/// Mailer over libcurl. A handle for each mail: they are few, and a kept session may have ended.

#include <algorithm>
#include <cstring>

#include <curl/curl.h>

#include "base/printable.h"
#include "base/this_machine.h"
#include "net/curl/library.h"
#include "net/smtp.h"

namespace weir::net {
namespace {

struct CloseHandle {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

/// One mail under way.
class Delivery {
 public:
  Delivery(const MailServer& server, const Mail& mail, const Cancel& cancel)
      : server_(server), mail_(mail), cancel_(cancel), unsent_(mail.data) {}

  Status run(const std::string& ca_file, int64_t timeout_ms) {
    handle_.reset(curl_easy_init());
    for (const auto& each : mail_.to) {
      curl_slist* longer = curl_slist_append(receivers_.get(), ("<" + each + ">").c_str());
      if (longer == nullptr) return fail(ErrorCode::kResourceExhausted, "no memory for a mail");
      static_cast<void>(receivers_.release());
      receivers_.reset(longer);
    }
    if (handle_ == nullptr) return fail(ErrorCode::kResourceExhausted, "libcurl has no memory");
    set_up(ca_file, timeout_ms);
    const CURLcode code = curl_easy_perform(handle_.get());
    if (code == CURLE_OK) return {};
    return std::unexpected(failure_of(code));
  }

 private:
  void set_up(const std::string& ca_file, int64_t timeout_ms) {
    CURL* const handle = handle_.get();
    const bool is_implicit = server_.tls == MailTls::kImplicit;
    const std::string url = fmt::format("{}://{}:{}/weir", is_implicit ? "smtps" : "smtp",
                                        bracketed(server_.host), server_.port);
    curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(
        handle, CURLOPT_USE_SSL,
        static_cast<long>(server_.tls == MailTls::kNone ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!ca_file.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, ca_file.c_str());
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms));
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(timeout_ms));
    if (!server_.user.empty()) {
      curl_easy_setopt(handle, CURLOPT_USERNAME, server_.user.c_str());
      curl_easy_setopt(handle, CURLOPT_PASSWORD, server_.password.c_str());
    }
    curl_easy_setopt(handle, CURLOPT_MAIL_FROM, ("<" + mail_.from + ">").c_str());
    curl_easy_setopt(handle, CURLOPT_MAIL_RCPT, receivers_.get());
    curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(handle, CURLOPT_READFUNCTION, on_upload);
    curl_easy_setopt(handle, CURLOPT_READDATA, this);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error_text_);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, this);
    // What the server says, for messages; curl tells it to nobody else.
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_answer);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, this);
  }

  static std::string bracketed(const std::string& host) {
    return host.contains(':') && !host.starts_with('[') ? "[" + host + "]" : host;
  }

  static size_t on_upload(char* to, size_t one, size_t most, void* self) {
    auto& delivery = *static_cast<Delivery*>(self);
    delivery.has_begun_ = true;
    const size_t size = std::min(one * most, delivery.unsent_.size());
    if (size > 0) std::memcpy(to, delivery.unsent_.data(), size);
    delivery.unsent_.remove_prefix(size);
    return size;
  }
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Delivery*>(self)->cancel_.is_cancelled() ? 1 : 0;
  }
  static size_t on_answer(char* bytes, size_t one, size_t size, void* self) {
    constexpr size_t kLongest = 300;
    // Only refusals: what follows one, such as the answer to QUIT, says nothing.
    const std::string_view line(bytes, one * size);
    if (!line.starts_with('4') && !line.starts_with('5')) return line.size();
    auto& refusal = static_cast<Delivery*>(self)->refusal_;
    refusal = line.substr(0, kLongest);
    while (refusal.ends_with('\n') || refusal.ends_with('\r')) refusal.pop_back();
    return one * size;
  }

  Error failure_of(CURLcode code) const {
    const std::string said = fmt::format("mail server {}:{}", server_.host, server_.port);
    const auto failure = [&](ErrorCode kind, std::string_view why, std::string hint) {
      std::string text = *error_text_ == '\0' ? curl_easy_strerror(code) : error_text_;
      // The answer to AUTH may hold what was sent.
      if (code != CURLE_LOGIN_DENIED && !refusal_.empty())
        text += fmt::format("; it said: {}", refusal_);
      return Error{kind,
                   fmt::format("{}: {}: {}", said, why, printable(text)),
                   {},
                   std::move(hint),
                   std::nullopt};
    };
    if (code == CURLE_ABORTED_BY_CALLBACK) {
      if (auto cancelled = cancel_.check(); !cancelled)
        return std::move(cancelled).error().while_doing("sending to " + said);
    }
    long answered = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &answered);
    switch (code) {
      case CURLE_LOGIN_DENIED:
        return failure(ErrorCode::kDenied, "user and password do not do", "");
      case CURLE_PEER_FAILED_VERIFICATION:
        return failure(ErrorCode::kDenied, "its certificate does not hold",
                       "give the authority that signed it as ca_file; the host must be the one in "
                       "the certificate");
      case CURLE_USE_SSL_FAILED:
        return failure(ErrorCode::kDenied, "it offers no TLS",
                       "port 465 usually wants tls: implicit, port 587 starttls");
      case CURLE_COULDNT_RESOLVE_HOST:
      case CURLE_COULDNT_CONNECT:
        return failure(ErrorCode::kUnavailable, "nobody answers there", "check host and port");
      case CURLE_SSL_CONNECT_ERROR:
        return failure(ErrorCode::kUnavailable, "no TLS with it",
                       "port 465 usually wants tls: implicit, port 587 starttls");
      default: break;
    }
    if (answered >= 500 && answered < 600)
      return failure(ErrorCode::kInvalidConfig, "it refuses the mail", "");
    if (answered >= 400) return failure(ErrorCode::kUnavailable, "it is not able now", "");
    return failure(
        has_begun_ ? ErrorCode::kOutcomeUnknown : ErrorCode::kUnavailable,
        code == CURLE_OPERATION_TIMEDOUT ? "no whole answer in time" : "the connection broke", "");
  }

  const MailServer& server_;
  const Mail& mail_;
  const Cancel& cancel_;
  std::string_view unsent_;
  std::unique_ptr<CURL, CloseHandle> handle_;
  std::unique_ptr<curl_slist, CloseHandle> receivers_;
  char error_text_[CURL_ERROR_SIZE] = {};
  std::string refusal_;
  bool has_begun_ = false;
};

class CurlMailer final : public Mailer {
 public:
  explicit CurlMailer(std::string ca_file) : ca_file_(std::move(ca_file)) {}

  Status send(const MailServer& server, const Mail& mail, int64_t timeout_ms,
              const Cancel& cancel) override {
    WEIR_TRY(cancel.check());
    if (server.tls == MailTls::kNone && !names_this_machine(server.host))
      return fail(ErrorCode::kInvalidConfig, "mail server {}: mail without TLS stays on loopback",
                  server.host);
    for (const auto* address : addresses(mail))
      if (address->find_first_of("<>\r\n") != std::string::npos)
        return fail(ErrorCode::kInvalidConfig, "'{}' is no address", printable(*address));
    return Delivery(server, mail, cancel).run(ca_file_, timeout_ms);
  }

 private:
  static std::vector<const std::string*> addresses(const Mail& mail) {
    std::vector<const std::string*> all = {&mail.from};
    for (const auto& each : mail.to) all.push_back(&each);
    return all;
  }

  const std::string ca_file_;
};

}  // namespace

Result<std::unique_ptr<Mailer>> make_mailer(std::string ca_file) {
  WEIR_TRY(start_library());
  WEIR_ASSIGN(ca_file, authorities(std::move(ca_file)));
  return std::make_unique<CurlMailer>(std::move(ca_file));
}

}  // namespace weir::net
