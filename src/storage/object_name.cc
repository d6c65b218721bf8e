#include "storage/object_name.h"

#include <cstdint>

#include "storage/storage.h"

namespace weir::storage {
namespace {

constexpr size_t kLongestName = 1024;

std::unexpected<Error> refuse(std::string_view name, std::string_view why) {
  constexpr size_t kShown = 200;
  return fail(ErrorCode::kInvalidConfig, "'{}{}' is no object name: {}", name.substr(0, kShown),
              name.size() > kShown ? "…" : "", why);
}

bool is_continuation(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

/// The length of the UTF-8 sequence at the front (RFC 3629: nothing overlong, no surrogates), or 0.
size_t sequence_at(std::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  if (first < 0x80) return 1;
  const size_t size = first >= 0xC2 && first <= 0xDF   ? 2
                      : first >= 0xE0 && first <= 0xEF ? 3
                      : first >= 0xF0 && first <= 0xF4 ? 4
                                                       : 0;
  if (size == 0 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i)
    if (!is_continuation(text[i])) return 0;
  const auto second = static_cast<uint8_t>(text[1]);
  const bool is_overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool is_surrogate = first == 0xED && second > 0x9F;
  const bool is_beyond = first == 0xF4 && second > 0x8F;
  return is_overlong || is_surrogate || is_beyond ? 0 : size;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t size = sequence_at(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

Status check_segments(std::string_view name, std::string_view rest) {
  for (;;) {
    const auto slash = rest.find('/');
    const auto segment = rest.substr(0, slash);
    if (segment.empty()) return refuse(name, "it has an empty segment");
    if (segment == "." || segment == "..") return refuse(name, "it has the segment '.' or '..'");
    if (segment.starts_with(kTemporaryPrefix))
      return refuse(name, "segments that start with '.weir-tmp-' belong to the store");
    if (slash == std::string_view::npos) return {};
    rest.remove_prefix(slash + 1);
  }
}

Status check_bytes(std::string_view name) {
  if (name.size() > kLongestName) return refuse(name, "it is longer than 1024 bytes");
  if (name.find('\0') != std::string_view::npos) return refuse(name, "it has a NUL");
  return {};
}

}  // namespace

Status check_object_name(std::string_view name) {
  if (name.empty()) return refuse(name, "it is empty");
  WEIR_TRY(check_bytes(name));
  if (!is_utf8(name)) return refuse(name, "it is not UTF-8");
  return check_segments(name, name);
}

Status check_prefix(std::string_view prefix) {
  WEIR_TRY(check_bytes(prefix));
  // The last segment may go on, so only what stands before a '/' is judged.
  const auto slash = prefix.rfind('/');
  if (slash == std::string_view::npos) return {};
  return check_segments(prefix, prefix.substr(0, slash));
}

}  // namespace weir::storage
