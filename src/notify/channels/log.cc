#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/instant.h"
#include "notify/channel.h"

namespace weir::notify {
namespace {

class LogChannel final : public Channel {
 public:
  LogChannel(LogSettings settings, std::shared_ptr<Log> log)
      : settings_(std::move(settings)), log_(std::move(log)) {}

  Status send(const Message& message, const Cancel& cancel) override {
    WEIR_TRY(cancel.check());
    if (!settings_.path.empty()) return append(message);
    log_->write(message.severity == "error" ? LogLevel::kError : LogLevel::kWarning,
                "notification: " + message.subject);
    return {};
  }

 private:
  Status append(const Message& message) const {
    Json line = message.fields;
    line["key"] = message.key;
    line["at"] = format_instant(message.at_us);
    line["subject"] = message.subject;
    line["body"] = message.body;
    // One write at the end: lines of two processes do not mix.
    const std::string text = dump_json(line) + "\n";
    const int file = open(settings_.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    const bool is_whole =
        file >= 0 && write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const int error = errno;
    if (file >= 0) close(file);
    if (is_whole) return {};
    return fail(ErrorCode::kUnavailable, "cannot write to '{}': {}", settings_.path,
                std::strerror(error));
  }

  const LogSettings settings_;
  const std::shared_ptr<Log> log_;
};

}  // namespace

std::unique_ptr<Channel> make_log_channel(LogSettings settings, std::shared_ptr<Log> log) {
  return std::make_unique<LogChannel>(std::move(settings), std::move(log));
}

}  // namespace weir::notify
