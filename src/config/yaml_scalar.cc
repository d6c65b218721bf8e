#include "config/yaml_scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace weir::config {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

/// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_decimal_number(std::string_view text) {
  size_t at = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  size_t digits = 0;
  while (at < text.size() && is_digit(text[at])) ++at, ++digits;
  if (at < text.size() && text[at] == '.') {
    ++at;
    while (at < text.size() && is_digit(text[at])) ++at, ++digits;
  }
  if (digits == 0) return false;
  if (at == text.size()) return true;
  if (text[at] != 'e' && text[at] != 'E') return false;
  ++at;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  if (at == text.size()) return false;
  return std::ranges::all_of(text.substr(at), is_digit);
}

std::unexpected<Error> out_of_range(std::string_view text) {
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("number {} does not fit", text),
                        "quote it if it is a text");
}

Result<Json> integer(std::string_view text, int base) {
  const bool is_minus = text.starts_with('-');
  if (text.starts_with('+')) text.remove_prefix(1);
  std::string_view digits = text.substr(is_minus ? 1 : 0);
  if (base != 10) digits.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, problem] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (problem != std::errc{} || end != digits.data() + digits.size()) return out_of_range(text);
  if (!is_minus) {
    if (value <= uint64_t{INT64_MAX}) return Json(static_cast<int64_t>(value));
    return Json(value);
  }
  if (value > uint64_t{INT64_MAX} + 1) return out_of_range(text);
  return Json(static_cast<int64_t>(~value + 1));
}

Result<Json> floating(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  double value = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (problem != std::errc{} || end != digits.data() + digits.size() || !std::isfinite(value))
    return out_of_range(text);
  return Json(value);
}

bool has_leading_zero(std::string_view text) {
  const std::string_view digits =
      text.starts_with('-') || text.starts_with('+') ? text.substr(1) : text;
  return digits.size() > 1 && digits[0] == '0' && is_digit(digits[1]);
}

bool is_radix_integer(std::string_view text, std::string_view prefix, std::string_view digits) {
  return text.size() > 2 && text.starts_with(prefix) &&
         text.substr(2).find_first_not_of(digits) == std::string_view::npos;
}

/// Words that some YAML reader, 1.1 ones included, takes for something else than a text.
bool is_special_word(std::string_view text) {
  static constexpr std::array kWords = {"null", "true", "false", "yes",  "no",  "on",
                                        "off",  "y",    "n",     ".inf", ".nan"};
  return std::ranges::find(kWords, lower(text)) != kWords.end();
}

/// Letters, digits and what never has a meaning in YAML inside a word. Also spaces inside.
bool is_safe_inside(char c) {
  return is_letter(c) || is_digit(c) || std::string_view("_./-+@=;()$^~ ").contains(c) ||
         (static_cast<uint8_t>(c) & 0x80) != 0;
}

/// Code points that YAML or its readers treat as breaks or drop: only ever escaped.
size_t odd_sequence_at(std::string_view text, size_t at) {
  const std::string_view rest = text.substr(at);
  if (rest.starts_with("\xc2") && rest.size() > 1 && static_cast<uint8_t>(rest[1]) < 0xa1) return 2;
  if (rest.starts_with("\xe2\x80\xa8") || rest.starts_with("\xe2\x80\xa9")) return 3;
  if (rest.starts_with("\xef\xbb\xbf") || rest.starts_with("\xef\xbf\xbe") ||
      rest.starts_with("\xef\xbf\xbf"))
    return 3;
  return 0;
}

bool has_odd_characters(std::string_view text) {
  for (size_t at = 0; at < text.size(); ++at) {
    if (static_cast<uint8_t>(text[at]) < 0x20 || text[at] == '\x7f') return true;
    if (odd_sequence_at(text, at) > 0) return true;
  }
  return false;
}

bool is_plain_safe(std::string_view text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ') return false;
  if (!std::ranges::all_of(text, is_safe_inside)) return false;
  const char first = text.front();
  if (!is_letter(first) && !is_digit(first) && first != '_' && first != '/' &&
      (static_cast<uint8_t>(first) & 0x80) == 0)
    return false;
  if (is_special_word(text) || is_decimal_number(text)) return false;
  // What starts as a number or a date in some reader is quoted, unless a unit makes it a word.
  if (is_digit(first)) {
    if (text.starts_with("0x") || text.starts_with("0o")) return false;
    if (std::ranges::none_of(text, is_letter)) return false;
  }
  return true;
}

uint32_t code_point_of(std::string_view sequence) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(sequence[i]); };
  if (sequence.size() == 2) return ((byte(0) & 0x1fu) << 6) | (byte(1) & 0x3fu);
  return ((byte(0) & 0x0fu) << 12) | ((byte(1) & 0x3fu) << 6) | (byte(2) & 0x3fu);
}

std::string double_quoted(std::string_view text) {
  std::string out = "\"";
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const size_t odd = odd_sequence_at(text, at);
    if (odd > 0) {
      out += fmt::format("\\u{:04x}", code_point_of(text.substr(at, odd)));
      at += odd - 1;
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (static_cast<uint8_t>(c) < 0x20 || c == '\x7f') {
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string single_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

}  // namespace

Result<Json> plain_scalar(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return Json(nullptr);
  if (text == "true" || text == "True" || text == "TRUE") return Json(true);
  if (text == "false" || text == "False" || text == "FALSE") return Json(false);
  if (is_radix_integer(text, "0x", "0123456789abcdefABCDEF")) return integer(text, 16);
  if (is_radix_integer(text, "0o", "01234567")) return integer(text, 8);
  const std::string word = lower(text);
  if (word == ".inf" || word == "-.inf" || word == "+.inf" || word == ".nan")
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("'{}' is no number here", text),
                          "quote it if it is a text");
  if (!is_decimal_number(text) || has_leading_zero(text)) return Json(text);
  if (text.find_first_of(".eE") == std::string_view::npos) return integer(text, 10);
  return floating(text);
}

std::optional<size_t> first_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const auto lead = static_cast<uint8_t>(text[at]);
    const size_t size = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead >= 0x80 && (lead < 0xc2 || lead > 0xf4)) return at;
    if (at + size > text.size()) return at;
    for (size_t i = 1; i < size; ++i)
      if ((static_cast<uint8_t>(text[at + i]) & 0xc0) != 0x80) return at;
    const auto second = size > 1 ? static_cast<uint8_t>(text[at + 1]) : uint8_t{0};
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
        (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f))
      return at;
    at += size;
  }
  return std::nullopt;
}

std::string quote_scalar(std::string_view text) {
  if (has_odd_characters(text)) return double_quoted(text);
  if (is_plain_safe(text)) return std::string(text);
  return text.contains('\'') ? double_quoted(text) : single_quoted(text);
}

bool fits_literal_block(std::string_view text) {
  const auto end = text.find('\n');
  if (end == std::string_view::npos || text.size() < 2) return false;
  if (text.front() == ' ' || text.front() == '\n' || text.front() == '\t') return false;
  if (text.ends_with("\n\n") || text.ends_with(" \n") || text.ends_with(' ')) return false;
  std::string without_breaks;
  for (const char c : text)
    if (c != '\n') without_breaks += c;
  return !has_odd_characters(without_breaks) && !without_breaks.contains('\t');
}

}  // namespace weir::config
