#include "orchestrate/settings.h"

#include <algorithm>

#include "base/byte_size.h"
#include "base/instant.h"

namespace weir::orchestrate {
namespace {

Result<int64_t> duration_ms(const Json& value) {
  if (value.is_number_integer()) return value.get<int64_t>();
  if (!value.is_string())
    return fail(ErrorCode::kInvalidConfig, "{} is no duration", dump_json(value));
  return parse_duration_ms(value.get<std::string>());
}

Result<int64_t> size_bytes(const Json& value) {
  return parse_bytes(value.is_string() ? value.get<std::string>() : dump_json(value));
}

/// What is beside DuckDB's memory counts as well, and it is some: a task must not be killed for
/// what its limit was always exceeded by.
int64_t process_limit(int64_t memory_bytes) {
  constexpr int64_t kLeastRoomBytes = int64_t{512} << 20;
  return memory_bytes == 0 ? 0 : memory_bytes + std::max(memory_bytes, kLeastRoomBytes);
}

Status apply_resources(const Json& resources, TaskSettings& settings) {
  if (resources.is_null()) return {};
  for (const auto& [key, value] : resources.items()) {
    if (key == "threads" && value.is_number_integer()) {
      settings.limits.threads = value.get<int64_t>();
    } else if (key == "memory_limit") {
      WEIR_ASSIGN(settings.limits.memory_bytes, size_bytes(value));
    } else if (key == "process_memory_limit") {
      WEIR_ASSIGN(settings.process_memory_bytes, size_bytes(value));
    } else if (key == "timeout") {
      WEIR_ASSIGN(settings.timeout_ms, duration_ms(value));
    } else if (key == "threads") {
      return fail(ErrorCode::kInvalidConfig, "resource 'threads' is {}, no number",
                  dump_json(value));
    }
  }
  return {};
}

Status apply_defaults(const Json& defaults, TaskSettings& settings) {
  if (!defaults.is_object()) return {};
  for (const auto& [key, value] : defaults.items()) {
    if (key == "engine" && value.is_string()) {
      settings.engine = value.get<std::string>();
    } else if (key == "resources") {
      WEIR_TRY(apply_resources(value, settings));
    } else if (key == "retries" && value.is_number_integer()) {
      settings.retries = value.get<int64_t>();
    } else if (key == "retry_delay") {
      WEIR_ASSIGN(settings.retry_delay_ms, duration_ms(value));
    } else if (key == "timeout") {
      WEIR_ASSIGN(settings.timeout_ms, duration_ms(value));
    }
  }
  return {};
}

}  // namespace

Result<TaskSettings> task_settings(const model::Configuration& configuration,
                                   const model::Flow& flow, const model::Task& task) {
  TaskSettings settings;
  WEIR_TRY(while_doing(apply_defaults(configuration.defaults, settings),
                       "reading the project's defaults"));
  WEIR_TRY(while_doing(apply_defaults(flow.defaults, settings),
                       fmt::format("reading the defaults of flow '{}'", flow.flow_id)));
  if (!task.engine.empty()) settings.engine = task.engine;
  WEIR_TRY(while_doing(apply_resources(task.resources, settings),
                       fmt::format("reading the resources of task '{}'", task.task_id)));
  if (settings.process_memory_bytes == 0)
    settings.process_memory_bytes = process_limit(settings.limits.memory_bytes);
  if (task.retries) settings.retries = *task.retries;
  if (task.retry_delay_ms) settings.retry_delay_ms = *task.retry_delay_ms;
  if (task.timeout_ms) settings.timeout_ms = *task.timeout_ms;
  return settings;
}

}  // namespace weir::orchestrate
