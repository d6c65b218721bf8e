#include "engine/engine.h"

namespace weir::engine {
namespace {

constexpr const char* kWayOut = "set `engine: embedded` on the task";

bool is_given(const Json& params, const std::string& name) {
  const auto found = params.find(name);
  if (found == params.end() || found->is_null()) return false;
  return found->is_string() ? !found->get<std::string>().empty() : !found->empty();
}

}  // namespace

Status check_served(const Engine& engine, model::OperationKind kind, const Json& params) {
  if (!engine.capabilities().kinds.contains(kind))
    return fail_with_hint(
        ErrorCode::kUnsupported,
        fmt::format("engine '{}' does not execute {}", engine.name(), model::to_text(kind)),
        kWayOut);
  for (const Unserved& each : engine.capabilities().unserved) {
    if (each.kind == kind && is_given(params, each.param))
      return fail_with_hint(ErrorCode::kUnsupported,
                            fmt::format("engine '{}' does not execute {} with {}: {}",
                                        engine.name(), model::to_text(kind), each.param, each.why),
                            kWayOut);
  }
  return {};
}

}  // namespace weir::engine
