#include "table/hudi/bucket_hash.h"

#include <algorithm>

namespace weir::table {
namespace {

constexpr std::string_view kNull = "__null__";
constexpr std::string_view kEmpty = "__empty__";
constexpr uint32_t kNoCharacter = 0xFFFD;

/// Java's overflow is defined; that of C++ only without a sign.
void add(uint32_t& hash, uint32_t unit) { hash = 31 * hash + unit; }

/// How many bytes a character has by its first; 0 where none begins so.
size_t length_of(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return 2;
  if (first >= 0xE0 && first < 0xF0) return 3;
  if (first >= 0xF0 && first < 0xF5) return 4;
  return 0;
}

/// Takes the next character off.
uint32_t take_character(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t length = length_of(byte(0));
  uint32_t character = length == 1 ? byte(0) : byte(0) & (0xFFU >> (length + 1));
  bool is_whole = length > 0 && length <= text.size();
  for (size_t i = 1; is_whole && i < length; ++i) {
    is_whole = (byte(i) & 0xC0) == 0x80;
    character = (character << 6) | (byte(i) & 0x3FU);
  }
  const bool is_character =
      is_whole &&
      (length != 3 || (character >= 0x800 && (character < 0xD800 || character > 0xDFFF))) &&
      (length != 4 || (character >= 0x10000 && character <= 0x10FFFF));
  text.remove_prefix(is_character ? length : 1);
  return is_character ? character : kNoCharacter;
}

std::optional<std::string_view> value_of(std::string_view text) {
  if (text == kNull) return std::nullopt;
  return text == kEmpty ? std::string_view() : text;
}

bool names(const std::vector<std::string>& fields, std::string_view field) {
  return fields.empty() || std::ranges::find(fields, field) != fields.end();
}

}  // namespace

int32_t java_hash(std::string_view utf8) {
  uint32_t hash = 0;
  while (!utf8.empty()) {
    const uint32_t character = take_character(utf8);
    if (character < 0x10000) {
      add(hash, character);
    } else {
      add(hash, 0xD800 + ((character - 0x10000) >> 10));
      add(hash, 0xDC00 + ((character - 0x10000) & 0x3FF));
    }
  }
  return static_cast<int32_t>(hash);
}

int32_t java_hash(const KeyFields& values) {
  uint32_t hash = 1;
  for (const auto& value : values) add(hash, value ? static_cast<uint32_t>(java_hash(*value)) : 0);
  return static_cast<int32_t>(hash);
}

// A value may hold both separators (a time of day has ':'), so a pair ends at the last ',' before
// the ':' of the next: the first ':' that has a ',' between it and the ':' before.
KeyFields hashed_fields(std::string_view record_key, const std::vector<std::string>& fields) {
  constexpr auto npos = std::string_view::npos;
  KeyFields values;
  if (record_key.find(',') == npos || record_key.find(':') == npos) return {record_key};
  std::string_view rest = record_key;
  while (!rest.empty()) {
    const size_t colon = rest.find(':');
    if (colon == npos) break;
    const bool is_wanted = names(fields, rest.substr(0, colon));
    size_t end = npos;
    for (size_t next = rest.find(':', colon + 1); next != npos; next = rest.find(':', next + 1)) {
      const size_t comma = rest.rfind(',', next);
      if (comma == npos || comma < colon) continue;
      end = comma;
      break;
    }
    if (is_wanted)
      values.push_back(value_of(rest.substr(colon + 1, end == npos ? npos : end - colon - 1)));
    if (end == npos) break;
    rest.remove_prefix(end + 1);
  }
  if (values.empty()) return {record_key};
  return values;
}

KeyFields hashed_fields_of_0_15(std::string_view record_key,
                                const std::vector<std::string>& fields) {
  constexpr auto npos = std::string_view::npos;
  if (record_key.find(':') == npos) return {record_key};
  // Java's split leaves out what is empty at the end.
  while (record_key.ends_with(',')) record_key.remove_suffix(1);
  KeyFields values;
  while (true) {
    const size_t comma = record_key.find(',');
    const std::string_view pair = record_key.substr(0, comma);
    const size_t colon = pair.find(':');
    if (colon == npos) {
      values.emplace_back(pair);
    } else if (names(fields, pair.substr(0, colon))) {
      values.push_back(value_of(pair.substr(colon + 1)));
    }
    if (comma == npos) return values;
    record_key.remove_prefix(comma + 1);
  }
}

}  // namespace weir::table
