#include "base/json_log.h"

#include <array>
#include <chrono>
#include <mutex>

#include <spdlog/sinks/stdout_sinks.h>

#include "base/check.h"
#include "base/instant.h"
#include "base/redact.h"

namespace weir {
namespace {

/// All texts within, each by itself: what stands before a secret may not be what JSON makes of it.
Json cleaned(Json value) {
  if (value.is_string()) return process_redactor().clean(value.get<std::string>());
  if (value.is_structured())
    for (auto& each : value) each = cleaned(each);
  return value;
}

class StderrJsonLog final : public JsonLog {
 public:
  explicit StderrJsonLog(LogLevel least) : least_(least) { sink_.set_pattern("%v"); }

  void write(LogLevel level, std::string_view message) override {
    write(level, message, Json::object());
  }

  void write(LogLevel level, std::string_view message, const Json& fields) override {
    if (level < least_) return;
    constexpr std::array<std::string_view, 4> kWords = {"debug", "info", "warning", "error"};
    const auto now = spdlog::log_clock::now();
    Json line = cleaned(fields);
    {
      const std::lock_guard lock(mutex_);
      line.update(stamp_);
    }
    line["time"] = format_instant(
        std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count());
    line["level"] = kWords[static_cast<size_t>(level)];
    line["message"] = process_redactor().clean(message);
    const std::string text = process_redactor().without_values(dump_json(line));
    sink_.log({now, {}, "weir", spdlog::level::info, text});
  }

  void stamp(const Json& fields) override {
    const std::lock_guard lock(mutex_);
    stamp_.update(cleaned(fields));
  }

 private:
  const LogLevel least_;
  std::mutex mutex_;
  Json stamp_ WEIR_GUARDED_BY(mutex_) = Json::object();
  spdlog::sinks::stderr_sink_mt sink_;
};

}  // namespace

std::unique_ptr<JsonLog> make_json_log(LogLevel least) {
  return std::make_unique<StderrJsonLog>(least);
}

}  // namespace weir
