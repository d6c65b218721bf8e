#pragma once

/// How a delimited text file is written: RFC 4180 with the parts that files differ in. The grammar
/// that both the record scanner and the record splitter keep to:
///
/// - A record ends at LF or CRLF. In a file whose first MiB holds CR and no LF, it ends at CR.
/// - A line with nothing in it, and a line that starts with the comment character, is no record.
/// - A quote opens a quoted field only where the field begins; elsewhere it is text.
/// - Inside, the escape before a quote makes it text (the escape is the quote itself, or another
///   character, which then makes any next character text). A closing quote must be followed by the
///   delimiter or the record's end. What follows instead makes the record faulty:
///   - the quoted text holds no line end: `invalid_quote`; the record ends at its line's end;
///   - it holds one, or never closes (within max_record_bytes): `unclosed_quote`. The record ends
///     with the line on which that quote stands, and the next line starts a new record. So one bad
///     quote costs one record, not the rest of the file.
/// - A record that ends by none of these within max_record_bytes fails the file.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "files/encoding.h"

namespace weir::files {

struct Dialect {
  char delimiter = ',';
  char quote = '"';  ///< NUL: no field is quoted.
  char escape = '"';
  char comment = 0;         ///< NUL: no line is a comment.
  bool ends_at_cr = false;  ///< Old Mac files; read_csv finds it out.
  bool has_header = true;
  int64_t skip_lines = 0;                 ///< Lines before the header that are no records.
  std::optional<Encoding> encoding;       ///< Absent: UTF-8 is expected and nothing else accepted.
  std::vector<std::string> nulls = {""};  ///< Texts that stand for NULL.
  bool quoted_is_text = false;            ///< A quoted field is never NULL.
  std::string timezone;                   ///< Of zone-less timestamps; empty: there must be none.
  char decimal_separator = '.';
  int64_t max_record_bytes = 16 << 20;
  /// Names of the header, without blanks around them, and what their columns are called instead.
  std::map<std::string, std::string> rename;
};

/// Reads `{header, delimiter, quote, escape, comment, skip_lines, encoding, null, quoted_null,
/// timezone, decimal_separator, max_record_bytes, rename}`. kInvalidConfig names the key and the
/// value; kUnsupported for what weir cannot read yet (a delimiter of several characters).
Result<Dialect> dialect_from_json(const Json& csv);
/// Only what differs from the default.
Json to_json(const Dialect& dialect);

}  // namespace weir::files
