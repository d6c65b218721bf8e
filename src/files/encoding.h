#pragma once

/// Text encodings of landing files. Inside weir text is UTF-8; a file in another declared encoding
/// is decoded as it streams by, and every place in the decoded text leads back to its original
/// bytes. Nothing here guesses silently: a guess is only ever part of a hint.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::files {

enum class Encoding {
  kUtf8,
  kUtf16Le,
  kUtf16Be,
  kLatin1,       ///< ISO 8859-1: each byte is the code point of that number.
  kWindows1252,  ///< As WHATWG decodes it: the five unused bytes are control characters.
};

std::string_view to_text(Encoding encoding);
bool is_utf16(Encoding encoding);

/// `utf-8`, `utf-16` (by its byte order mark, else little endian), `utf-16le`, `utf-16be`,
/// `latin-1` | `iso-8859-1`, `windows-1252` | `cp1252`, any case. kUnsupported for others.
Result<Encoding> encoding_from_text(std::string_view text);

/// The byte order mark at the start of `bytes`: its length, and the encoding it stands for.
struct ByteOrderMark {
  int64_t length = 0;
  Encoding encoding = Encoding::kUtf8;
};
ByteOrderMark byte_order_mark(std::string_view bytes);

/// What the first bytes of a file look like, for hints: UTF-16 where every other byte is NUL,
/// Windows-1252 where they are no UTF-8 and every high byte would be a letter or a mark.
Encoding guess_encoding(std::string_view sample);

/// Without the bytes at its end that may be the start of a character of UTF-8: for samples.
std::string_view without_cut_character(std::string_view text);

bool is_ascii(std::string_view text);
/// Well-formed UTF-8 as RFC 3629 says: no surrogates, no overlong forms, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

/// Decodes a stream. Lone surrogates of UTF-16 become three bytes that is_utf8 refuses, so that a
/// damaged record is seen and its original bytes can still be told. Not for several threads.
class Decoder {
 public:
  explicit Decoder(Encoding encoding) : encoding_(encoding) {}
  /// Appends the UTF-8 of `bytes` to `out`; a character cut by the end waits for the next call.
  void decode(std::string_view bytes, std::string& out);
  /// What was left of a cut character; it becomes U+FFFD bytes that is_utf8 refuses.
  void finish(std::string& out);

 private:
  void unit(uint32_t value, std::string& out);

  Encoding encoding_;
  std::string cut_;  // one byte of a UTF-16 unit
  uint32_t high_surrogate_ = 0;
};

/// How many original bytes this decoded text came from.
int64_t encoded_size(Encoding encoding, std::string_view decoded);

/// The original bytes of decoded text.
std::string encode(Encoding encoding, std::string_view decoded);

}  // namespace weir::files
