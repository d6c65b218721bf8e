#include "config/lint_schedule.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "base/nearest.h"
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

/// `unknown calendar 'targt2'`, with those that there are.
std::string hint_for_calendar(const model::Configuration& configuration, const Json& said) {
  std::vector<std::string> names;
  for (const auto& calendar : configuration.calendars) names.push_back(calendar.calendar_id);
  if (names.empty()) return "there are no calendars: write one under calendars:";
  const std::string guess = did_you_mean(said.is_string() ? said.get<std::string>() : "", names);
  return guess.empty() ? fmt::format("calendars: {}", fmt::join(names, ", ")) : guess;
}

}  // namespace

void lint_calendars(const model::Configuration& configuration, const Places& places,
                    Faults& faults) {
  for (const auto& calendar : configuration.calendars) {
    const Subject subject{"calendar", {calendar.calendar_id}, {}};
    for (const auto& [key, error] : schedule::WorkingDays::check(model::to_json(calendar)))
      faults.push_back(fault_of(places, subject.in(key), error.message, error.hint));
  }
}

void lint_schedule(const model::Configuration& configuration, const model::Flow& flow,
                   const Places& places, schedule::Zones& zones, Faults& faults) {
  if (flow.schedule.is_null()) return;
  const Subject subject = Subject{"flow", {flow.flow_id}, {}}.in("schedule");
  const Json written = model::with_calendar(configuration, flow.schedule);
  for (const auto& [key, error] : schedule::check_schedule(written, zones)) {
    const bool is_of_calendar = key == "calendar" && flow.schedule.is_object();
    // What is wrong within a calendar is told once, at its own place.
    if (is_of_calendar && written["calendar"].is_object() && flow.schedule["calendar"].is_string())
      continue;
    // A text alone is the cron, and has no keys in its file.
    const Subject inner = subject.in(key);
    const bool is_said = flow.schedule.is_object() && flow.schedule.contains(key);
    const bool is_alone = key == "cron" && places.in_file(subject) && !places.in_file(inner);
    Error fault = fault_of(
        places, is_said && !is_alone ? inner : subject, error.message,
        is_of_calendar ? hint_for_calendar(configuration, flow.schedule["calendar"]) : error.hint);
    if (error.place && fault.place) fault.place = within(*std::move(fault.place), *error.place);
    faults.push_back(std::move(fault));
  }
}

}  // namespace weir::config
