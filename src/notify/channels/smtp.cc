#include "notify/channel.h"
#include "notify/mail_text.h"

namespace weir::notify {
namespace {

class SmtpChannel final : public Channel {
 public:
  SmtpChannel(SmtpSettings settings, std::unique_ptr<net::Mailer> mailer)
      : settings_(std::move(settings)), mailer_(std::move(mailer)) {}

  Status send(const Message& message, const Cancel& cancel) override {
    const std::string data = mail_text(message, settings_);
    return mailer_->send(settings_.server,
                         {.from = settings_.from, .to = settings_.to, .data = data},
                         settings_.timeout_ms, cancel);
  }

 private:
  const SmtpSettings settings_;
  const std::unique_ptr<net::Mailer> mailer_;
};

}  // namespace

std::unique_ptr<Channel> make_smtp_channel(SmtpSettings settings,
                                           std::unique_ptr<net::Mailer> mailer) {
  return std::make_unique<SmtpChannel>(std::move(settings), std::move(mailer));
}

}  // namespace weir::notify
