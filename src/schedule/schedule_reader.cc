#include <algorithm>
#include <array>

#include <fmt/ranges.h>

#include "base/instant.h"
#include "base/nearest.h"
#include "schedule/schedule.h"

namespace weir::schedule {
namespace {

constexpr int64_t kLeastPeriodMs = 1000;
constexpr std::array<std::string_view, 9> kKeys = {
    "cron", "every", "timezone", "calendar", "on_holiday", "catchup", "start", "end", "params"};

bool is_open(std::string_view text) {
  return text.find("${") != std::string_view::npos || text.find("{{") != std::string_view::npos;
}

/// Whether an instant as text says how far it is from UTC.
bool has_offset(std::string_view text) {
  if (text.ends_with('Z') || text.ends_with('z')) return true;
  const size_t time = text.find_first_of("Tt ");
  return time != std::string_view::npos && text.find_first_of("+-", time) != std::string_view::npos;
}

}  // namespace

class ScheduleReader {
 public:
  explicit ScheduleReader(Zones& zones) : zones_(zones) {}

  std::vector<KeyFault> faults;
  bool is_open_somewhere = false;

  Schedule read(const Json& written) {
    Json json = written.is_string() ? Json{{"cron", written}} : written;
    if (!json.is_object()) {
      fault("", {ErrorCode::kInvalidConfig,
                 "a schedule is a text or a map",
                 {},
                 "write a cron, or a map with cron or every",
                 {}});
      return schedule_;
    }
    lint_keys(json);
    read_zone(json);
    read_beat(json);
    read_catchup(json);
    read_calendar(json);
    read_bounds(json);
    if (const auto params = json.find("params"); params != json.end() && !params->is_null()) {
      if (params->is_object())
        schedule_.params_ = *params;
      else
        fault("params", {ErrorCode::kInvalidConfig,
                         "'params' is no map",
                         {},
                         "write the flow's parameters: {name: value}",
                         {}});
    }
    return std::move(schedule_);
  }

 private:
  void fault(const std::string& key, Error error) { faults.push_back({key, std::move(error)}); }

  void lint_keys(const Json& json) {
    const std::vector<std::string> known(kKeys.begin(), kKeys.end());
    for (const auto& [key, value] : json.items()) {
      if (std::ranges::find(known, key) != known.end()) continue;
      const std::string guess = did_you_mean(key, known);
      fault(key, {ErrorCode::kInvalidConfig,
                  fmt::format("a schedule has no '{}'", key),
                  {},
                  guess.empty() ? fmt::format("it says: {}", fmt::join(known, ", ")) : guess,
                  {}});
    }
  }

  /// The text of a key; nothing where it is not said, not known yet, or no text (which is a fault).
  std::optional<std::string> text_of(const Json& json, const std::string& key) {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null()) return std::nullopt;
    if (!found->is_string()) {
      fault(key, {ErrorCode::kInvalidConfig,
                  fmt::format("'{}' takes a text, not {}", key, dump_json(*found)),
                  {},
                  "write it in quotes",
                  {}});
      return std::nullopt;
    }
    if (is_open(found->get_ref<const std::string&>())) {
      is_open_somewhere = true;
      return std::nullopt;
    }
    return found->get<std::string>();
  }

  void read_zone(const Json& json) {
    const std::string name = text_of(json, "timezone").value_or("UTC");
    auto zone = zones_.find(name);
    if (!zone) {
      fault("timezone", zone.error());
      zone = zones_.find("UTC");
    }
    schedule_.zone_ = *zone;
  }

  void read_beat(const Json& json) {
    const auto is_said = [&](const char* key) {
      return json.contains(key) && !json[key].is_null();
    };
    if (is_said("cron") == is_said("every"))
      fault("", {ErrorCode::kInvalidConfig,
                 is_said("cron") ? "a schedule says 'cron' and 'every'"
                                 : "a schedule says neither 'cron' nor 'every'",
                 {},
                 "write one of them",
                 {}});
    if (const auto text = text_of(json, "cron")) {
      auto cron = parse_cron(*text);
      if (cron)
        schedule_.beat_ = *std::move(cron);
      else
        fault("cron", cron.error());
    }
    if (const auto text = text_of(json, "every")) {
      const auto period_ms = parse_duration_ms(*text);
      if (!period_ms)
        fault("every", period_ms.error());
      else if (*period_ms < kLeastPeriodMs)
        fault("every", {ErrorCode::kInvalidConfig,
                        fmt::format("a period of {} is too short", *text),
                        {},
                        "the shortest is 1s",
                        {}});
      else
        schedule_.beat_ = Schedule::Every{*period_ms * 1000, 0};
    }
  }

  void read_catchup(const Json& json) {
    const auto word = text_of(json, "catchup");
    if (!word) return;
    constexpr std::array kWords = {std::pair{"none", Catchup::kNone},
                                   std::pair{"latest", Catchup::kLatest},
                                   std::pair{"all", Catchup::kAll}};
    const auto* known =
        std::ranges::find(kWords, *word, [](const auto& each) { return each.first; });
    if (known == kWords.end())
      return fault("catchup", {ErrorCode::kInvalidConfig,
                               fmt::format("'{}' is not known", *word),
                               {},
                               "write one of: none, latest, all",
                               {}});
    schedule_.catchup_ = known->second;
  }

  /// A calendar that is still a name is none of the configuration's.
  void read_calendar(const Json& json) {
    const auto said = json.find("calendar");
    const bool is_said = said != json.end() && !said->is_null();
    if (is_said && said->is_object()) {
      auto days = WorkingDays::read(*said);
      if (days)
        schedule_.days_ = std::make_shared<const WorkingDays>(*std::move(days));
      else
        fault("calendar", days.error());
    } else if (const auto name = text_of(json, "calendar")) {
      fault("calendar", {ErrorCode::kInvalidConfig,
                         fmt::format("unknown calendar '{}'", *name),
                         {},
                         "write it under calendars:",
                         {}});
    }
    read_on_holiday(json, is_said);
  }

  void read_on_holiday(const Json& json, bool has_calendar) {
    const auto word = text_of(json, "on_holiday");
    if (!word) return;
    constexpr std::array kWords = {std::pair{"skip", OnHoliday::kSkip},
                                   std::pair{"next", OnHoliday::kNext},
                                   std::pair{"previous", OnHoliday::kPrevious}};
    const auto* known =
        std::ranges::find(kWords, *word, [](const auto& each) { return each.first; });
    if (known == kWords.end())
      return fault("on_holiday", {ErrorCode::kInvalidConfig,
                                  fmt::format("'{}' is not known", *word),
                                  {},
                                  "write one of: skip, next, previous",
                                  {}});
    if (!has_calendar)
      return fault("on_holiday", {ErrorCode::kInvalidConfig,
                                  "'on_holiday' needs a calendar",
                                  {},
                                  "write calendar: <name>, too",
                                  {}});
    const auto* cron = std::get_if<Cron>(&schedule_.beat_);
    const bool is_beat = cron == nullptr || cron->is_interval();
    if (known->second != OnHoliday::kSkip && is_beat)
      return fault("on_holiday",
                   {ErrorCode::kInvalidConfig,
                    fmt::format("on_holiday: {} is for times of a day", *word),
                    {},
                    "what beats with time has them on the other day, too: write skip, "
                    "or a cron that names hours",
                    {}});
    schedule_.on_holiday_ = known->second;
  }

  void read_bounds(const Json& json) {
    schedule_.start_us_ = instant_of(json, "start");
    schedule_.end_us_ = instant_of(json, "end");
    if (auto* every = std::get_if<Schedule::Every>(&schedule_.beat_); every != nullptr)
      every->anchor_us = schedule_.start_us_.value_or(0);
    if (schedule_.start_us_ && schedule_.end_us_ && *schedule_.end_us_ < *schedule_.start_us_)
      return fault("end", {ErrorCode::kInvalidConfig,
                           fmt::format("the end {} is before the start {}",
                                       format_instant(*schedule_.end_us_),
                                       format_instant(*schedule_.start_us_)),
                           {},
                           "nothing would ever run",
                           {}});
    if (!faults.empty() || is_open_somewhere || !schedule_.end_us_) return;
    if (!schedule_.last_until(*schedule_.end_us_))
      fault("end", {ErrorCode::kInvalidConfig,
                    fmt::format("there is no time of {} between start and end", schedule_.text()),
                    {},
                    "nothing would ever run",
                    {}});
  }

  /// An instant without an offset is what clocks of the zone show.
  std::optional<int64_t> instant_of(const Json& json, const std::string& key) {
    constexpr int64_t kSecondUs = 1'000'000;
    const auto text = text_of(json, key);
    if (!text) return std::nullopt;
    const auto read = parse_instant(*text);
    if (!read) {
      fault(key, {ErrorCode::kInvalidConfig, read.error().message, {}, read.error().hint, {}});
      return std::nullopt;
    }
    if (has_offset(*text)) return *read;
    const int64_t second = *read / kSecondUs - (*read % kSecondUs < 0 ? 1 : 0);
    return schedule_.zone_->instant_of(second) * kSecondUs + (*read - second * kSecondUs);
  }

  Zones& zones_;
  Schedule schedule_;
};

std::vector<KeyFault> check_schedule(const Json& written, Zones& zones) {
  ScheduleReader reader(zones);
  reader.read(written);
  return std::move(reader.faults);
}

Result<Schedule> read_schedule(const Json& written, Zones& zones) {
  ScheduleReader reader(zones);
  auto schedule = reader.read(written);
  if (!reader.faults.empty()) {
    auto& first = reader.faults.front();
    if (first.key.empty()) return std::unexpected(std::move(first.error));
    return std::unexpected(
        std::move(first.error).while_doing(fmt::format("reading key '{}'", first.key)));
  }
  if (reader.is_open_somewhere)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          "a schedule has a variable that is not resolved",
                          "set it with --var or in the environment");
  return schedule;
}

}  // namespace weir::schedule
