#include <algorithm>
#include <array>

#include "catalog/catalog.h"

namespace weir::catalog {
namespace {

// In the order of the enums; the texts stand in tables, so they stay.
constexpr std::array<std::string_view, 7> kRunStates = {
    "queued", "running", "succeeded", "failed", "held", "cancelled", "skipped"};
constexpr std::array<std::string_view, 8> kTaskStates = {
    "waiting", "ready", "running", "succeeded", "failed", "held", "skipped", "cancelled"};

template <typename State, size_t kCount>
Result<State> from_text(const std::array<std::string_view, kCount>& texts, std::string_view text) {
  const auto found = std::ranges::find(texts, text);
  if (found != texts.end()) return static_cast<State>(found - texts.begin());
  return fail_with_hint(ErrorCode::kInvalidData, fmt::format("'{}' is no state", text),
                        fmt::format("the states are {}", fmt::join(texts, ", ")));
}

}  // namespace

std::string_view to_text(RunState state) { return kRunStates[static_cast<size_t>(state)]; }
std::string_view to_text(TaskState state) { return kTaskStates[static_cast<size_t>(state)]; }

Result<RunState> run_state_from_text(std::string_view text) {
  return from_text<RunState>(kRunStates, text);
}
Result<TaskState> task_state_from_text(std::string_view text) {
  return from_text<TaskState>(kTaskStates, text);
}

bool is_final(RunState state) { return state != RunState::kQueued && state != RunState::kRunning; }
bool is_final(TaskState state) {
  return state != TaskState::kWaiting && state != TaskState::kReady && state != TaskState::kRunning;
}

}  // namespace weir::catalog
