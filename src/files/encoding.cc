#include "files/encoding.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>

namespace weir::files {
namespace {

// Code points of the bytes 0x80–0x9F in Windows-1252.
constexpr std::array<uint16_t, 32> kWindows1252High = {
    0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

bool is_continuation(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

void append_utf8(uint32_t point, std::string& out) {
  const auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0 | (point >> 6));
    put(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    put(0xE0 | (point >> 12));
    put(0x80 | ((point >> 6) & 0x3F));
    put(0x80 | (point & 0x3F));
  } else {
    put(0xF0 | (point >> 18));
    put(0x80 | ((point >> 12) & 0x3F));
    put(0x80 | ((point >> 6) & 0x3F));
    put(0x80 | (point & 0x3F));
  }
}

// Length of the well-formed character at the start of `text`, or 0.
size_t character_length(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  size_t length = 0;
  uint8_t least = 0x80;
  uint8_t most = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) least = 0xA0;  // overlong below
    if (lead == 0xED) most = 0x9F;   // surrogates above
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) least = 0x90;
    if (lead == 0xF4) most = 0x8F;
  }
  if (length == 0 || text.size() < length) return 0;
  if (byte(1) < least || byte(1) > most) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (!is_continuation(text[i])) return 0;
  }
  return length;
}

}  // namespace

bool is_utf16(Encoding encoding) {
  return encoding == Encoding::kUtf16Le || encoding == Encoding::kUtf16Be;
}

std::string_view to_text(Encoding encoding) {
  switch (encoding) {
    case Encoding::kUtf8: return "utf-8";
    case Encoding::kUtf16Le: return "utf-16le";
    case Encoding::kUtf16Be: return "utf-16be";
    case Encoding::kLatin1: return "latin-1";
    case Encoding::kWindows1252: return "windows-1252";
  }
  return "utf-8";
}

Result<Encoding> encoding_from_text(std::string_view text) {
  std::string name;
  for (const char c : text) {
    if (c != '-' && c != '_' && c != ' ') {
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  if (name == "utf8" || name == "ascii" || name == "usascii") return Encoding::kUtf8;
  if (name == "utf16" || name == "utf16le") return Encoding::kUtf16Le;
  if (name == "utf16be") return Encoding::kUtf16Be;
  if (name == "latin1" || name == "iso88591") return Encoding::kLatin1;
  if (name == "windows1252" || name == "cp1252") return Encoding::kWindows1252;
  return fail_with_hint(ErrorCode::kUnsupported, fmt::format("encoding '{}' is not known", text),
                        "one of utf-8, utf-16, utf-16le, utf-16be, latin-1, windows-1252");
}

ByteOrderMark byte_order_mark(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) return {3, Encoding::kUtf8};
  if (bytes.starts_with("\xFF\xFE")) return {2, Encoding::kUtf16Le};
  if (bytes.starts_with("\xFE\xFF")) return {2, Encoding::kUtf16Be};
  return {};
}

Encoding guess_encoding(std::string_view sample) {
  if (const auto mark = byte_order_mark(sample); mark.length > 0) return mark.encoding;
  size_t even_nuls = 0;
  size_t odd_nuls = 0;
  for (size_t i = 0; i < sample.size(); ++i) {
    if (sample[i] == '\0') ++(i % 2 == 0 ? even_nuls : odd_nuls);
  }
  // A few characters beyond Latin have a NUL on the other side.
  if (odd_nuls > sample.size() / 4 && even_nuls * 10 < odd_nuls) return Encoding::kUtf16Le;
  if (even_nuls > sample.size() / 4 && odd_nuls * 10 < even_nuls) return Encoding::kUtf16Be;
  if (is_utf8(sample)) return Encoding::kUtf8;
  const bool is_western = std::ranges::all_of(sample, [](char c) {
    const auto byte = static_cast<uint8_t>(c);
    return byte < 0x80 || (byte >= 0xA0 && byte != 0xFF) || byte == 0x80 ||
           (byte >= 0x91 && byte <= 0x97);
  });
  return is_western ? Encoding::kWindows1252 : Encoding::kUtf8;
}

std::string_view without_cut_character(std::string_view text) {
  for (size_t cut = 1; cut <= 3 && cut <= text.size(); ++cut) {
    const char lead = text[text.size() - cut];
    if (is_continuation(lead)) continue;
    const size_t length = static_cast<uint8_t>(lead) >= 0xF0   ? 4
                          : static_cast<uint8_t>(lead) >= 0xE0 ? 3
                          : static_cast<uint8_t>(lead) >= 0xC2 ? 2
                                                               : 1;
    return length > cut ? text.substr(0, text.size() - cut) : text;
  }
  return text;
}

bool is_ascii(std::string_view text) {
  const char* at = text.data();
  size_t left = text.size();
  uint64_t high = 0;
  for (; left >= 32; at += 32, left -= 32) {
    std::array<uint64_t, 4> words;
    std::memcpy(words.data(), at, 32);
    high |= words[0] | words[1] | words[2] | words[3];
  }
  for (; left > 0; ++at, --left) high |= static_cast<uint64_t>(static_cast<uint8_t>(*at)) << 56;
  return (high & 0x8080808080808080ULL) == 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    if (text.size() >= 8) {
      uint64_t word = 0;
      std::memcpy(&word, text.data(), 8);
      if ((word & 0x8080808080808080ULL) == 0) {
        text.remove_prefix(8);
        continue;
      }
    }
    const size_t length = character_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

void Decoder::unit(uint32_t value, std::string& out) {
  const bool is_high = value >= 0xD800 && value < 0xDC00;
  const bool is_low = value >= 0xDC00 && value < 0xE000;
  if (high_surrogate_ != 0) {
    const uint32_t high = high_surrogate_;
    high_surrogate_ = 0;
    if (is_low) {
      append_utf8(0x10000 + ((high - 0xD800) << 10) + (value - 0xDC00), out);
      return;
    }
    append_utf8(high, out);
  }
  if (is_high) {
    high_surrogate_ = value;
  } else {
    append_utf8(value, out);
  }
}

void Decoder::decode(std::string_view bytes, std::string& out) {
  switch (encoding_) {
    case Encoding::kUtf8: out.append(bytes); return;
    case Encoding::kLatin1:
      for (const char c : bytes) append_utf8(static_cast<uint8_t>(c), out);
      return;
    case Encoding::kWindows1252:
      for (const char c : bytes) {
        const auto byte = static_cast<uint8_t>(c);
        append_utf8(byte >= 0x80 && byte < 0xA0 ? kWindows1252High[byte - 0x80] : byte, out);
      }
      return;
    case Encoding::kUtf16Le:
    case Encoding::kUtf16Be: break;
  }
  const size_t low = encoding_ == Encoding::kUtf16Le ? 0 : 1;
  const auto pair = [this, low, &out](char first, char second) {
    const std::array<uint8_t, 2> both = {static_cast<uint8_t>(first), static_cast<uint8_t>(second)};
    unit(both[low] | (static_cast<uint32_t>(both[1 - low]) << 8), out);
  };
  if (!cut_.empty() && !bytes.empty()) {
    pair(cut_[0], bytes[0]);
    cut_.clear();
    bytes.remove_prefix(1);
  }
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) pair(bytes[i], bytes[i + 1]);
  if (bytes.size() % 2 == 1) cut_ = bytes.back();
}

void Decoder::finish(std::string& out) {
  if (high_surrogate_ != 0) append_utf8(high_surrogate_, out);
  high_surrogate_ = 0;
  // Half a unit: one byte that is no UTF-8 stands for one original byte.
  if (!cut_.empty()) out.push_back('\xFF');
  cut_.clear();
}

int64_t encoded_size(Encoding encoding, std::string_view decoded) {
  if (encoding == Encoding::kUtf8) return static_cast<int64_t>(decoded.size());
  const int64_t width = is_utf16(encoding) ? 2 : 1;
  int64_t size = 0;
  for (const char c : decoded) {
    const auto byte = static_cast<uint8_t>(c);
    if (is_utf16(encoding) && byte == 0xFF) {
      size += 1;
    } else if (!is_continuation(c)) {
      size += byte >= 0xF0 ? 2 * width : width;
    }
  }
  return size;
}

std::string encode(Encoding encoding, std::string_view decoded) {
  if (encoding == Encoding::kUtf8) return std::string(decoded);
  std::string bytes;
  const auto put_unit = [&bytes, encoding](uint32_t unit) {
    const char low = static_cast<char>(unit & 0xFF);
    const char high = static_cast<char>(unit >> 8);
    bytes += encoding == Encoding::kUtf16Le ? low : high;
    bytes += encoding == Encoding::kUtf16Le ? high : low;
  };
  for (size_t i = 0; i < decoded.size();) {
    const auto lead = static_cast<uint8_t>(decoded[i]);
    const size_t length = lead < 0x80 || lead == 0xFF ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t point = length == 1 ? lead : lead & (0x7FU >> length);
    for (size_t k = 1; k < length && i + k < decoded.size(); ++k) {
      point = (point << 6) | (static_cast<uint8_t>(decoded[i + k]) & 0x3FU);
    }
    i += length;
    if (is_utf16(encoding)) {
      if (lead == 0xFF) continue;  // half a unit at the file's end: its byte is not known here
      if (point >= 0x10000) {
        put_unit(0xD800 + ((point - 0x10000) >> 10));
        put_unit(0xDC00 + ((point - 0x10000) & 0x3FF));
      } else {
        put_unit(point);
      }
      continue;
    }
    const auto* const high = std::ranges::find(kWindows1252High, point);
    const bool is_mapped = encoding == Encoding::kWindows1252 && high != kWindows1252High.end();
    bytes += static_cast<char>(is_mapped ? 0x80 + (high - kWindows1252High.begin()) : point);
  }
  return bytes;
}

}  // namespace weir::files
