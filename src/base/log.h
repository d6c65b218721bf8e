#pragma once

/// Lines about what happens, for people and for machines. Log an error once, where it is handled.

#include <memory>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace weir {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Safe to use from many threads at once.
class Log {
 public:
  virtual ~Log() = default;
  virtual void write(LogLevel level, std::string_view message) = 0;

  template <typename... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) {
    write(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void warning(fmt::format_string<Args...> format, Args&&... args) {
    write(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
  }
};

/// Plain lines with level and time on stderr, from `least` on, without secrets (base/redact.h).
std::unique_ptr<Log> make_stderr_log(LogLevel least);
/// Drops everything.
std::unique_ptr<Log> make_no_log();

}  // namespace weir
