#include "base/time_format.h"

#include <chrono>
#include <cstdlib>

namespace weir {

Status check_time_format(std::string_view format) {
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') continue;
    ++i;
    const bool is_known = i < format.size() && std::string_view("YmdHMSjz%").contains(format[i]);
    if (is_known) continue;
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("the format '{}' has '%{}', which is not known", format,
                                      i < format.size() ? format.substr(i, 1) : ""),
                          "%Y %m %d %H %M %S %j (day of the year) %z (offset) %%");
  }
  if (format.contains('%')) return {};
  return fail_with_hint(ErrorCode::kInvalidConfig,
                        fmt::format("the format '{}' has nothing of a time in it", format),
                        "write %Y-%m-%d, for example");
}

std::string format_time(std::string_view format, int64_t at_us, int64_t offset_s) {
  using std::chrono::days;
  using std::chrono::floor;
  const std::chrono::sys_seconds wall(
      floor<std::chrono::seconds>(std::chrono::microseconds(at_us)) +
      std::chrono::seconds(offset_s));
  const auto day = floor<days>(wall);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(wall - day);
  const auto first = std::chrono::sys_days(date.year() / std::chrono::January / 1);
  const int64_t offset_m = std::abs(offset_s) / 60;
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out += format[i];
      continue;
    }
    switch (format[++i]) {
      case 'Y': out += fmt::format("{:04}", static_cast<int>(date.year())); break;
      case 'm': out += fmt::format("{:02}", static_cast<unsigned>(date.month())); break;
      case 'd': out += fmt::format("{:02}", static_cast<unsigned>(date.day())); break;
      case 'H': out += fmt::format("{:02}", time.hours().count()); break;
      case 'M': out += fmt::format("{:02}", time.minutes().count()); break;
      case 'S': out += fmt::format("{:02}", time.seconds().count()); break;
      case 'j': out += fmt::format("{:03}", (day - first).count() + 1); break;
      case 'z':
        out += fmt::format("{}{:02}{:02}", offset_s < 0 ? '-' : '+', offset_m / 60, offset_m % 60);
        break;
      default: out += format[i];
    }
  }
  return out;
}

}  // namespace weir
