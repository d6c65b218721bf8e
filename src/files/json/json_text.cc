#include "files/json/json_text.h"

namespace weir::files {
namespace {

constexpr int kMostLevels = 256;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_of(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// Checks a value by recursive descent; `at` is the place of the fault where something is wrong.
class Checker {
 public:
  Checker(std::string_view text, size_t from) : text_(text), at(from) {}

  bool value(int level) {
    at = skip_blanks(text_, at);
    switch (peek()) {
      case '{': return level < kMostLevels && object(level);
      case '[': return level < kMostLevels && array(level);
      case '"': return string();
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }

 private:
  char peek() const { return at < text_.size() ? text_[at] : '\0'; }
  bool take(char c) {
    at = skip_blanks(text_, at);
    if (peek() != c) return false;
    ++at;
    return true;
  }
  bool word(std::string_view expected) {
    if (!text_.substr(at).starts_with(expected)) return false;
    at += expected.size();
    return true;
  }
  bool object(int level) {
    ++at;
    if (take('}')) return true;
    while (true) {
      at = skip_blanks(text_, at);
      if (peek() != '"' || !string() || !take(':') || !value(level + 1)) return false;
      if (take('}')) return true;
      if (!take(',')) return false;
    }
  }
  bool array(int level) {
    ++at;
    if (take(']')) return true;
    while (true) {
      if (!value(level + 1)) return false;
      if (take(']')) return true;
      if (!take(',')) return false;
    }
  }
  bool string() {
    for (++at; at < text_.size(); ++at) {
      const char c = text_[at];
      if (c == '"') {
        ++at;
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') continue;
      ++at;
      if (peek() == 'u') {
        for (int i = 1; i <= 4; ++i)
          if (at + static_cast<size_t>(i) >= text_.size() ||
              hex_of(text_[at + static_cast<size_t>(i)]) < 0)
            return false;
        at += 4;
      } else if (at >= text_.size() ||
                 std::string_view("\"\\/bfnrt").find(peek()) == std::string_view::npos) {
        return false;
      }
    }
    return false;
  }
  bool digits() {
    if (!is_digit(peek())) return false;
    while (is_digit(peek())) ++at;
    return true;
  }
  bool number() {
    if (peek() == '-') ++at;
    if (peek() == '0')
      ++at;
    else if (!digits())
      return false;
    if (peek() == '.') {
      ++at;
      if (!digits()) return false;
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at;
      if (peek() == '+' || peek() == '-') ++at;
      if (!digits()) return false;
    }
    return true;
  }

  std::string_view text_;

 public:
  size_t at;
};

char kind_of(char first) { return is_digit(first) || first == '-' ? '0' : first; }

/// The span of the value at `at`, which was checked before.
JsonSpan known_value(std::string_view text, size_t at) {
  size_t ignored = 0;
  return read_value(text, at, ignored).value_or(JsonSpan{at, at, 'n'});
}

void append_utf8(std::string& out, uint32_t point) {
  const auto byte = [&out](uint32_t value) { out += static_cast<char>(value); };
  if (point < 0x80) {
    byte(point);
  } else if (point < 0x800) {
    byte(0xC0 | point >> 6);
    byte(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    byte(0xE0 | point >> 12);
    byte(0x80 | (point >> 6 & 0x3F));
    byte(0x80 | (point & 0x3F));
  } else {
    byte(0xF0 | point >> 18);
    byte(0x80 | (point >> 12 & 0x3F));
    byte(0x80 | (point >> 6 & 0x3F));
    byte(0x80 | (point & 0x3F));
  }
}

uint32_t four_digits(std::string_view text) {
  uint32_t value = 0;
  for (const char c : text.substr(0, 4)) value = value << 4 | static_cast<uint32_t>(hex_of(c));
  return value;
}

}  // namespace

size_t skip_blanks(std::string_view text, size_t at) {
  while (at < text.size() &&
         (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r'))
    ++at;
  return at;
}

std::optional<JsonSpan> read_value(std::string_view text, size_t at, size_t& fault_at) {
  const size_t begin = skip_blanks(text, at);
  Checker checker(text, begin);
  const bool is_good = begin < text.size() && checker.value(0);
  fault_at = checker.at;
  if (!is_good) return std::nullopt;
  return JsonSpan{begin, checker.at, kind_of(text[begin])};
}

void each_member(std::string_view text, const JsonSpan& object,
                 const std::function<bool(std::string name, const JsonSpan& value)>& take) {
  size_t at = skip_blanks(text, object.begin + 1);
  while (at < object.end && text[at] != '}') {
    const JsonSpan name = known_value(text, at);
    const JsonSpan value = known_value(text, skip_blanks(text, name.end) + 1);
    // A name that is no text is one that nobody asks for.
    if (!take(unescaped(name.in(text)).value_or(std::string(name.in(text))), value)) return;
    at = skip_blanks(text, value.end);
    if (at < object.end && text[at] == ',') at = skip_blanks(text, at + 1);
  }
}

void each_element(std::string_view text, const JsonSpan& array,
                  const std::function<bool(const JsonSpan& value)>& take) {
  size_t at = skip_blanks(text, array.begin + 1);
  while (at < array.end && text[at] != ']') {
    const JsonSpan value = known_value(text, at);
    if (!take(value)) return;
    at = skip_blanks(text, value.end);
    if (at < array.end && text[at] == ',') at = skip_blanks(text, at + 1);
  }
}

std::optional<std::string> unescaped(std::string_view quoted) {
  const std::string_view inner = quoted.substr(1, quoted.size() - 2);
  std::string out;
  out.reserve(inner.size());
  for (size_t i = 0; i < inner.size(); ++i) {
    if (inner[i] != '\\') {
      out += inner[i];
      continue;
    }
    const char c = inner[++i];
    if (c != 'u') {
      constexpr std::string_view kLetters = "bfnrt";
      constexpr std::string_view kMeant = "\b\f\n\r\t";
      const auto at = kLetters.find(c);
      out += at == std::string_view::npos ? c : kMeant[at];
      continue;
    }
    uint32_t point = four_digits(inner.substr(i + 1));
    i += 4;
    if (point >= 0xDC00 && point < 0xE000) return std::nullopt;
    if (point >= 0xD800 && point < 0xDC00) {
      const bool has_low = inner.substr(i + 1).starts_with("\\u") && i + 6 < inner.size();
      const uint32_t low = has_low ? four_digits(inner.substr(i + 3)) : 0;
      if (low < 0xDC00 || low >= 0xE000) return std::nullopt;
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
      i += 6;
    }
    append_utf8(out, point);
  }
  return out;
}

}  // namespace weir::files
