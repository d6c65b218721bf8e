#include "notify/mail_text.h"

#include <algorithm>
#include <chrono>

#include "base/base64.h"

namespace weir::notify {
namespace {

bool is_plain(char c) { return c >= ' ' && c <= '~'; }

/// As much of the text as goes into `most` bytes without cutting a character of UTF-8.
size_t whole_characters(std::string_view text, size_t most) {
  if (text.size() <= most) return text.size();
  size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return end == 0 ? most : end;
}

/// A header's value: as it is where it is one line of ASCII, else in encoded words (RFC 2047),
/// which have no line end and no other byte that means something.
std::string header_value(std::string_view text) {
  constexpr size_t kMostPlain = 70;
  constexpr size_t kMostInWord = 42;  // 56 in Base64, 68 with what is around them
  const bool is_short_plain = text.size() <= kMostPlain && std::ranges::all_of(text, is_plain) &&
                              text.find("=?") == std::string_view::npos;
  if (is_short_plain) return std::string(text);
  std::string value;
  while (!text.empty()) {
    const size_t size = whole_characters(text, kMostInWord);
    value +=
        fmt::format("{}=?UTF-8?B?{}?=", value.empty() ? "" : "\r\n ", base64(text.substr(0, size)));
    text.remove_prefix(size);
  }
  return value;
}

/// `Fri, 27 Nov 2026 17:00:00 +0000`
std::string mail_date(int64_t at_us) {
  using namespace std::chrono;
  static constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const sys_time<seconds> at = floor<seconds>(sys_time<microseconds>(microseconds(at_us)));
  const auto day = floor<days>(at);
  const year_month_day date(day);
  const hh_mm_ss time(at - day);
  return fmt::format("{}, {} {} {} {:02}:{:02}:{:02} +0000", kDays[weekday(day).c_encoding()],
                     static_cast<unsigned>(date.day()),
                     kMonths[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
                     time.seconds().count());
}

/// Lines by CRLF where every one is short and ASCII; nothing where one is not.
bool is_seven_bit(std::string_view body) {
  constexpr size_t kLongestLine = 900;
  size_t length = 0;
  for (const char c : body) {
    length = c == '\n' ? 0 : length + 1;
    if (length > kLongestLine || (c != '\n' && !is_plain(c))) return false;
  }
  return true;
}

std::string with_crlf(std::string_view body) {
  std::string text;
  for (const char c : body) text += c == '\n' ? std::string("\r\n") : std::string(1, c);
  return text;
}

std::string in_base64_lines(std::string_view body) {
  constexpr size_t kLine = 76;
  const std::string coded = base64(with_crlf(body));
  std::string text;
  for (size_t at = 0; at < coded.size(); at += kLine) text += coded.substr(at, kLine) + "\r\n";
  return text;
}

}  // namespace

std::string mail_text(const Message& message, const SmtpSettings& settings) {
  const std::string domain = settings.from.substr(settings.from.find('@') + 1);
  const bool is_plain_text = is_seven_bit(message.body);
  std::string to;
  for (const auto& each : settings.to) to += (to.empty() ? "" : ",\r\n ") + each;
  std::string text;
  text += fmt::format("From: {}\r\n", settings.from);
  text += fmt::format("To: {}\r\n", to);
  text += fmt::format("Subject: {}\r\n", header_value(message.subject));
  text += fmt::format("Date: {}\r\n", mail_date(message.at_us));
  text += fmt::format("Message-ID: <{}@{}>\r\n", message.key, domain);
  // Out-of-office programs do not answer (RFC 3834).
  text += "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n";
  text += "Content-Type: text/plain; charset=utf-8\r\n";
  text += fmt::format("Content-Transfer-Encoding: {}\r\n\r\n", is_plain_text ? "7bit" : "base64");
  text += is_plain_text ? with_crlf(message.body) : in_base64_lines(message.body);
  if (!text.ends_with("\r\n")) text += "\r\n";
  return text;
}

}  // namespace weir::notify
