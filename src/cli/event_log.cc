#include "cli/event_log.h"

#include <algorithm>
#include <array>

namespace weir::cli {
namespace {

constexpr std::array<std::string_view, 4> kLevels = {"debug", "info", "warning", "error"};

}  // namespace

void log_event(JsonLog& log, const orchestrate::Event& event) {
  if (event.name == "progress") return;
  Json fields = event.details;
  fields["event"] = event.name;
  fields["run_id"] = event.run_id;
  if (!event.task_id.empty()) fields["task_id"] = event.task_id;
  const Json error = fields.value("error", Json());
  if (error.is_object()) fields["code"] = error.value("code", "");
  if (const auto flow = fields.find("flow"); flow != fields.end()) {
    fields["flow_id"] = *flow;
    fields.erase("flow");
  }
  const bool is_warning = event.name == "warning" || fields.value("state", "") == "failed";
  std::string message = event.name;
  std::ranges::replace(message, '_', ' ');
  if (const Json said = fields.value("message", Json()); said.is_string() && said != "")
    message += ": " + said.get<std::string>();
  log.write(is_warning ? LogLevel::kWarning : LogLevel::kInfo, message, fields);
}

void relay_line(JsonLog& log, std::string_view line, const Json& about) {
  const auto told = parse_json(line);
  const auto text = [&](const char* field) {
    const Json value = told && told->is_object() ? told->value(field, Json()) : Json();
    return value.is_string() ? value.get<std::string>() : std::string();
  };
  const auto level = std::ranges::find(kLevels, text("level"));
  if (level == kLevels.end()) return log.write(LogLevel::kInfo, line, about);
  Json fields = *told;
  fields.update(about);
  log.write(static_cast<LogLevel>(level - kLevels.begin()), text("message"), fields);
}

}  // namespace weir::cli
