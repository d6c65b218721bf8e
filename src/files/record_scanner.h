#pragma once

/// Counts the records of a delimited file from its bytes alone: the independent side of the custody
/// equation. It shares no code with the splitter that the loader uses; both keep to the grammar in
/// files/dialect.h. It knows nothing of columns, types or headers' names.

#include <cstdint>
#include <string_view>
#include <vector>

#include "files/dialect.h"

namespace weir::files {

enum class SpanKind : uint8_t { kRecord, kHeader, kPreamble, kBlank, kComment };

/// A stretch of the text. Spans follow each other without a gap from the first byte to the last.
struct Span {
  SpanKind kind = SpanKind::kRecord;
  int64_t line = 0;      ///< Where it begins, from 1.
  int64_t offset = 0;    ///< From the text's start.
  int64_t length = 0;    ///< Without its line end.
  int64_t line_end = 0;  ///< Bytes of the line end: 0, 1 or 2.
  bool operator==(const Span&) const = default;
};

/// Fed with windows of the (decoded) text. Not for use from several threads at once.
class RecordScanner {
 public:
  explicit RecordScanner(const Dialect& dialect);

  /// Goes through the whole records at the start of `window`, which continues where the last call
  /// stopped, and returns how many bytes of it are done with: the rest must come again, with more
  /// behind it. With `is_last` nothing follows and all is done. 0 with a window longer than
  /// max_record_bytes: the file cannot be read. `spans`, where given, gets every span.
  int64_t scan(std::string_view window, bool is_last, std::vector<Span>* spans = nullptr);

  int64_t records() const { return records_; }              ///< Data records; the header is none.
  int64_t skipped_bytes() const { return skipped_bytes_; }  ///< Of spans that are no records.

 private:
  struct End {
    int64_t length;  // without line end; −1: more is needed
    int64_t line_end;
  };
  End line_end_at(std::string_view text, size_t from, bool is_last) const;
  End record_end(std::string_view text, bool is_last) const;
  size_t closing_quote(std::string_view text, size_t from) const;
  void take(SpanKind kind, std::string_view text, End end, std::vector<Span>* spans);

  Dialect dialect_;
  char newline_;
  int64_t preamble_left_;
  bool header_is_next_;
  int64_t offset_ = 0;
  int64_t line_ = 1;
  int64_t records_ = 0;
  int64_t skipped_bytes_ = 0;
};

}  // namespace weir::files
