#include "schedule/working_days.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "base/instant.h"
#include "schedule/cron.h"

namespace weir::schedule {
namespace {

using std::chrono::day;
using std::chrono::days;
using std::chrono::month;
using std::chrono::sys_days;
using std::chrono::year;
using std::chrono::year_month_day;

constexpr int64_t kDay = 86'400;
constexpr int64_t kFarthest = 3660;       ///< Days.
constexpr int64_t kFarthestEaster = 100;  ///< Days from it.

year_month_day date_of(int64_t at) { return year_month_day(sys_days(days(static_cast<int>(at)))); }

std::optional<int> number_of(std::string_view text) {
  int value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool has_shape(std::string_view text, std::string_view shape) {
  return text.size() == shape.size() && std::ranges::equal(text, shape, [](char c, char s) {
           return s == '0' ? c >= '0' && c <= '9' : c == s;
         });
}

/// `2026-12-24`
std::optional<int64_t> day_of_date(std::string_view text) {
  if (!has_shape(text, "0000-00-00")) return std::nullopt;
  const year_month_day date(year(*number_of(text.substr(0, 4))),
                            month(static_cast<unsigned>(*number_of(text.substr(5, 2)))),
                            day(static_cast<unsigned>(*number_of(text.substr(8, 2)))));
  if (!date.ok()) return std::nullopt;
  return sys_days(date).time_since_epoch().count();
}

/// `12-25`; a leap day is one.
std::optional<std::pair<unsigned, unsigned>> yearly_of(std::string_view text) {
  if (!has_shape(text, "00-00")) return std::nullopt;
  const auto of_month = static_cast<unsigned>(*number_of(text.substr(0, 2)));
  const auto of_day = static_cast<unsigned>(*number_of(text.substr(3, 2)));
  if (!year_month_day(year(2024), month(of_month), day(of_day)).ok()) return std::nullopt;
  return std::pair{of_month, of_day};
}

/// `easter`, `easter-2`, `easter+39`
std::optional<int64_t> easter_of(std::string_view text) {
  constexpr std::string_view kEaster = "easter";
  if (!text.starts_with(kEaster)) return std::nullopt;
  text.remove_prefix(kEaster.size());
  if (text.empty()) return 0;
  if (text.size() < 2 || (text[0] != '+' && text[0] != '-') || text[1] < '0' || text[1] > '9')
    return std::nullopt;
  const auto distance = number_of(text.substr(1));
  if (!distance || *distance > kFarthestEaster) return std::nullopt;
  return text[0] == '-' ? -*distance : *distance;
}

Error refusal(std::string message, std::string hint) {
  return {ErrorCode::kInvalidConfig, std::move(message), {}, std::move(hint), {}};
}

}  // namespace

// Gauss, as Meeus has it ("Astronomical Algorithms", chapter 8).
int64_t easter_day(int of_year) {
  const int a = of_year % 19;
  const int b = of_year / 100;
  const int c = of_year % 100;
  const int g = (8 * b + 13) / 25;
  const int h = (19 * a + b - b / 4 - g + 15) % 30;
  const int l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
  const int m = (a + 11 * h + 19 * l) / 433;
  const int n = (h + l - 7 * m + 90) / 25;
  const int p = (h + l - 7 * m + 33 * n + 19) % 32;
  return sys_days(year_month_day(year(of_year), month(static_cast<unsigned>(n)),
                                 day(static_cast<unsigned>(p))))
      .time_since_epoch()
      .count();
}

class WorkingDaysReader {
 public:
  std::vector<WorkingDays::Fault> faults;
  WorkingDays made;

  void read(const Json& calendar) {
    if (!calendar.is_object())
      return fault("", refusal(fmt::format("{} is no calendar", dump_json(calendar)),
                               "name a calendar of `calendars:`"));
    const Json name = calendar.value("calendar_id", Json(""));
    if (name.is_string()) made.name_ = name.get<std::string>();
    read_weekdays(calendar.value("weekdays", Json("")));
    each(calendar, "holidays", [this](const std::string& text) { return holiday(text); });
    each(calendar, "workdays", [this](const std::string& text) { return workday(text); });
  }

 private:
  void fault(const std::string& key, Error error) { faults.push_back({key, std::move(error)}); }

  void read_weekdays(const Json& said) {
    if (said == "") return;
    const std::string text = said.is_string() ? said.get<std::string>() : dump_json(said);
    const bool is_plain = std::ranges::all_of(text, [](unsigned char c) {
      return std::isalnum(c) != 0 || c == ',' || c == '-' || c == '*';
    });
    const auto cron = parse_cron("0 0 * * " + text);
    if (!is_plain || !cron)
      return fault("weekdays", refusal(fmt::format("'{}' names no days of the week", text),
                                       "write them as in cron: mon-fri, or sun-thu, or mon,wed"));
    made.weekdays_ = 0;
    for (int64_t weekday = 0; weekday < 7; ++weekday) {
      constexpr int64_t kSunday = 3;  // 1970-01-04
      const int64_t from = (kSunday + weekday) * kDay;
      if (cron->first_match(from, from + kDay))
        made.weekdays_ |= static_cast<uint8_t>(1 << weekday);
    }
  }

  template <typename Take>
  void each(const Json& calendar, const std::string& key, const Take& take) {
    const Json list = calendar.value(key, Json::array());
    if (!list.is_array())
      return fault(key, refusal(fmt::format("'{}' is {}, not a list", key, dump_json(list)),
                                "write [2026-12-24, 12-25]"));
    for (const Json& item : list) {
      const std::string text = item.is_string() ? item.get<std::string>() : dump_json(item);
      if (auto error = take(text)) fault(key, *std::move(error));
    }
  }

  std::optional<Error> holiday(const std::string& text) {
    if (const auto date = day_of_date(text))
      made.holidays_.insert(*date);
    else if (const auto yearly = yearly_of(text))
      made.yearly_.insert(*yearly);
    else if (const auto easter = easter_of(text))
      made.easter_.insert(*easter);
    else
      return refusal(fmt::format("'{}' is no day", text),
                     "write a date (2026-12-24), a day of each year (12-25) or one that goes with "
                     "Easter (easter-2, easter+1)");
    return std::nullopt;
  }

  std::optional<Error> workday(const std::string& text) {
    const auto date = day_of_date(text);
    if (!date) return refusal(fmt::format("'{}' is no date", text), "write 2026-12-24");
    if (made.holidays_.contains(*date))
      return refusal(fmt::format("{} is a holiday and a workday", text), "leave one of them out");
    made.workdays_.insert(*date);
    return std::nullopt;
  }
};

Result<WorkingDays> WorkingDays::read(const Json& calendar) {
  WorkingDaysReader reader;
  reader.read(calendar);
  if (reader.faults.empty()) return std::move(reader.made);
  auto& first = reader.faults.front();
  const std::string step = reader.made.name_.empty()
                               ? "reading a calendar"
                               : fmt::format("reading calendar '{}'", reader.made.name_);
  return std::unexpected(std::move(first.error).while_doing(step));
}

std::vector<WorkingDays::Fault> WorkingDays::check(const Json& calendar) {
  WorkingDaysReader reader;
  reader.read(calendar);
  return std::move(reader.faults);
}

bool WorkingDays::is_holiday(int64_t at) const {
  if (holidays_.contains(at)) return true;
  if (yearly_.empty() && easter_.empty()) return false;
  const year_month_day date = date_of(at);
  if (yearly_.contains({static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day())}))
    return true;
  // Within 100 days of it, so of the same year or, at its begin, never of the one before.
  return !easter_.empty() && easter_.contains(at - easter_day(static_cast<int>(date.year())));
}

bool WorkingDays::has(int64_t at) const {
  if (workdays_.contains(at)) return true;
  const int64_t weekday = ((at + 4) % 7 + 7) % 7;  // 1970-01-01 was a Thursday
  return (weekdays_ >> weekday & 1) != 0 && !is_holiday(at);
}

std::optional<int64_t> WorkingDays::first_from(int64_t at) const {
  for (int64_t each = at; each < at + kFarthest; ++each)
    if (has(each)) return each;
  return std::nullopt;
}

std::optional<int64_t> WorkingDays::last_until(int64_t at) const {
  for (int64_t each = at; each > at - kFarthest; --each)
    if (has(each)) return each;
  return std::nullopt;
}

}  // namespace weir::schedule
