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
  static Json line_of(const Message& message) {
    if (!message.event.is_null()) return message.event;
    Json line = message.fields;
    line["key"] = message.key;
    line["at"] = format_instant(message.at_us);
    line["subject"] = message.subject;
    line["body"] = message.body;
    return line;
  }

  Status append(const Message& message) const {
    const int file = open(settings_.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    const int error = file < 0 ? errno : write_line(file, dump_json(line_of(message)) + "\n");
    if (file >= 0) close(file);
    if (error == 0) return {};
    return fail(ErrorCode::kUnavailable, "cannot write to '{}': {}", settings_.path,
                std::strerror(error));
  }

  /// One write at the end: lines of two processes do not mix. 0, or the errno.
  static int write_line(int file, const std::string& line) {
    const off_t end = lseek(file, 0, SEEK_END);
    const ssize_t written = write(file, line.data(), line.size());
    if (written < 0) return errno;
    if (written < static_cast<ssize_t>(line.size())) {
      // Half a line would spoil the next one. One process at a time sends to a channel.
      if (end >= 0) static_cast<void>(ftruncate(file, end));
      return ENOSPC;
    }
    // What is no file of a disk has nothing to keep.
    return fdatasync(file) == 0 || errno == EINVAL ? 0 : errno;
  }

  const LogSettings settings_;
  const std::shared_ptr<Log> log_;
};

}  // namespace

std::unique_ptr<Channel> make_log_channel(LogSettings settings, std::shared_ptr<Log> log) {
  return std::make_unique<LogChannel>(std::move(settings), std::move(log));
}

}  // namespace weir::notify
