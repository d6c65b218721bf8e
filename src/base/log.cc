#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/redact.h"

namespace weir {
namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: break;
  }
  return spdlog::level::err;
}

class StderrLog final : public Log {
 public:
  explicit StderrLog(LogLevel least)
      : logger_("weir", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_level(level_of(least));
    logger_.set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  }
  void write(LogLevel level, std::string_view message) override {
    logger_.log(level_of(level), process_redactor().clean(message));
  }

 private:
  spdlog::logger logger_;
};

class NoLog final : public Log {
 public:
  void write(LogLevel /*level*/, std::string_view /*message*/) override {}
};

}  // namespace

std::unique_ptr<Log> make_stderr_log(LogLevel least) { return std::make_unique<StderrLog>(least); }
std::unique_ptr<Log> make_no_log() { return std::make_unique<NoLog>(); }

}  // namespace weir
