#include "arrivals/expectation.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "base/instant.h"
#include "base/nearest.h"
#include "base/time_format.h"

namespace weir::arrivals {
namespace {

constexpr int kMostFreeTimes = 1000;  ///< In a row; a schedule of free days alone ends there.
constexpr size_t kDateLetters = 10;
const std::vector<std::string> kNames = {"cron",   "timezone", "calendar", "on_holiday",
                                         "except", "key",      "of"};

std::unexpected<Error> refuse(std::string message, std::string hint) {
  return fail_with_hint(ErrorCode::kInvalidConfig, std::move(message), std::move(hint));
}

Result<std::set<std::string>> dates_of(const Json& list) {
  if (!list.is_array())
    return refuse(fmt::format("'except' is {}", dump_json(list)), "write dates: [2026-12-25]");
  std::set<std::string> dates;
  for (const auto& item : list) {
    const std::string date = item.is_string() ? item.get<std::string>() : "";
    if (date.size() != kDateLetters || !parse_instant(date))
      return refuse(fmt::format("'except' has {}, which is no date", dump_json(item)),
                    "write 2026-12-25");
    dates.insert(date);
  }
  return dates;
}

}  // namespace

Result<Expectation> Expectation::read(const Json& map, schedule::Zones& zones) {
  if (!map.is_object())
    return refuse(fmt::format("'expected' is {}", dump_json(map)),
                  R"(write expected: {cron: "0 6 * * mon-fri", timezone: Europe/Berlin})");
  for (const auto& [name, value] : map.items()) {
    if (std::ranges::find(kNames, name) != kNames.end()) continue;
    const std::string guess = did_you_mean(name, kNames);
    return refuse(fmt::format("'expected' has no '{}'", name),
                  guess.empty() ? fmt::format("it takes: {}", fmt::join(kNames, ", ")) : guess);
  }
  Json beat = {{"cron", map.value("cron", Json())}};
  for (const char* name : {"timezone", "calendar", "on_holiday"})
    if (map.contains(name)) beat[name] = map.at(name);
  WEIR_ASSIGN(auto schedule, schedule::read_schedule(beat, zones));
  Expectation made(std::move(schedule));
  WEIR_ASSIGN(made.except_, dates_of(map.value("except", Json::array())));
  const Json key = map.value("key", Json(""));
  if (!key.is_string())
    return refuse(fmt::format("'key' is {}", dump_json(key)), R"(write key: "%Y%m%d")");
  made.key_ = key.get<std::string>();
  if (made.has_key()) WEIR_TRY(check_time_format(made.key_));
  const Json of = map.value("of", Json("end"));
  if (of != "start" && of != "end")
    return refuse(fmt::format("'of' is {}", dump_json(of)), "write start or end");
  made.is_of_start_ = of == "start";
  return made;
}

bool Expectation::is_free(int64_t at_us) const {
  return except_.contains(local_text(at_us).substr(0, kDateLetters));
}

std::optional<int64_t> Expectation::due_until(int64_t at_us) const {
  auto time = schedule_.last_until(at_us);
  for (int i = 0; time && is_free(*time); ++i) {
    if (i == kMostFreeTimes) return std::nullopt;
    time = schedule_.last_until(*time - 1);
  }
  return time;
}

std::optional<schedule::Interval> Expectation::newest(int64_t now_us) const {
  const auto end_us = due_until(now_us);
  const auto start_us = end_us ? due_until(*end_us - 1) : std::nullopt;
  if (!start_us) return std::nullopt;
  return schedule::Interval{*start_us, *end_us};
}

std::optional<int64_t> Expectation::next_after(int64_t at_us) const {
  auto time = schedule_.next_after(at_us);
  for (int i = 0; time && is_free(*time); ++i) {
    if (i == kMostFreeTimes) return std::nullopt;
    time = schedule_.next_after(*time);
  }
  return time;
}

std::string Expectation::key_of(const schedule::Interval& interval) const {
  if (!has_key()) return {};
  constexpr int64_t kSecond = 1'000'000;
  const int64_t at_us = is_of_start_ ? interval.start_us : interval.end_us;
  const auto& zone = schedule_.zone();
  return format_time(key_, at_us, zone.spans()[zone.index_at(at_us / kSecond)].offset_s);
}

}  // namespace weir::arrivals
