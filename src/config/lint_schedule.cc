#include "config/lint_schedule.h"

#include <algorithm>

#include "schedule/schedule.h"

namespace weir::config {
namespace {

/// The place of the words at fault within a value, from the value's place and theirs in its text.
/// Stays with the value where its text is not found as it is (escapes, several lines), and in lines
/// whose characters are not bytes.
Place within(Place value, const Place& words) {
  const auto is_ascii = [](unsigned char c) { return c < 0x80; };
  if (value.column < 1 || !std::ranges::all_of(value.text, is_ascii)) return value;
  const size_t start = value.text.find(words.text, static_cast<size_t>(value.column) - 1);
  // A quote may stand in front, no more.
  if (words.text.empty() || start == std::string::npos || start > static_cast<size_t>(value.column))
    return value;
  value.column = static_cast<int64_t>(start) + words.column;
  value.length = words.length;
  return value;
}

}  // namespace

void lint_schedule(const model::Flow& flow, const Places& places, schedule::Zones& zones,
                   Faults& faults) {
  if (flow.schedule.is_null()) return;
  const Subject subject = Subject{"flow", {flow.flow_id}, {}}.in("schedule");
  for (const auto& [key, error] : schedule::check_schedule(flow.schedule, zones)) {
    // A text alone is the cron, and has no keys in its file.
    const Subject inner = subject.in(key);
    const bool is_said = flow.schedule.is_object() && flow.schedule.contains(key);
    const bool is_alone = key == "cron" && places.in_file(subject) && !places.in_file(inner);
    Error fault =
        fault_of(places, is_said && !is_alone ? inner : subject, error.message, error.hint);
    if (error.place && fault.place) fault.place = within(*std::move(fault.place), *error.place);
    faults.push_back(std::move(fault));
  }
}

}  // namespace weir::config
