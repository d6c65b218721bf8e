#include "net/http.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

namespace weir::net {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_same_name(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, [](char a, char b) { return lower(a) == lower(b); });
}

/// The whole text as a number from 0, or -1.
int64_t number_of(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_whole = error == std::errc() && end == text.data() + text.size();
  return is_whole && value >= 0 ? value : -1;
}

}  // namespace

const std::string* find_header(const Headers& headers, std::string_view name) {
  const auto found = std::ranges::find_if(
      headers, [&](const Header& header) { return is_same_name(header.name, name); });
  return found == headers.end() ? nullptr : &found->value;
}

int64_t retry_after_ms(const Response& response, int64_t now_us) {
  constexpr int64_t kMostSeconds = 86'400;
  const auto* value = find_header(response.headers, "retry-after");
  if (value == nullptr) return 0;
  const int64_t seconds = number_of(*value);
  if (seconds >= 0) return std::min(seconds, kMostSeconds) * 1000;
  const auto at_us = parse_http_date(*value);
  if (!at_us) return 0;
  return std::clamp<int64_t>((*at_us - now_us + 999) / 1000, 0, kMostSeconds * 1000);
}

Result<int64_t> parse_http_date(std::string_view text) {
  // Sun, 06 Nov 1994 08:49:37 GMT
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto refused = [&] { return fail(ErrorCode::kInvalidData, "'{}' is no HTTP date", text); };
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT" ||
      text[19] != ':' || text[22] != ':')
    return refused();
  const auto* month = std::ranges::find(kMonths, text.substr(8, 3));
  const auto part = [&](size_t from, size_t size) { return number_of(text.substr(from, size)); };
  const int64_t day = part(5, 2);
  const int64_t year = part(12, 4);
  const int64_t hour = part(17, 2);
  const int64_t minute = part(20, 2);
  const int64_t second = part(23, 2);
  if (month == kMonths.end() || year < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60)
    return refused();
  const std::chrono::year_month_day date{
      std::chrono::year(static_cast<int>(year)),
      std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
      std::chrono::day(static_cast<unsigned>(std::max<int64_t>(day, 0)))};
  if (!date.ok()) return refused();
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1'000'000;
}

}  // namespace weir::net
