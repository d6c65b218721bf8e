#pragma once

/// Splits the text of a delimited file into records and fields, by the grammar in files/dialect.h.
/// Fields are places in the text; nothing is copied until `field_text` is asked. It knows nothing
/// of columns and types.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "files/dialect.h"

namespace weir::files {

struct Field {
  uint32_t begin = 0;   ///< From the record's start; after the opening quote.
  uint32_t length = 0;  ///< Without the closing quote.
  bool is_quoted = false;
  bool has_escapes = false;
};

enum class RecordFault : uint8_t { kNone, kUnclosedQuote, kInvalidQuote };

struct Record {
  std::string_view text;    ///< Without its line end.
  int64_t line_end = 0;     ///< Bytes of it: 0, 1 or 2.
  int64_t inner_lines = 0;  ///< Line ends within quoted fields.
  RecordFault fault = RecordFault::kNone;
  std::vector<Field> fields;

  std::string_view raw(const Field& field) const {
    return {text.data() + field.begin, field.length};
  }
};

/// Walks over one window after another. Not for use from several threads at once.
class RecordSplitter {
 public:
  explicit RecordSplitter(const Dialect& dialect);

  enum class Found {
    kRecord,
    kSkipped,   ///< A blank line or a comment: `record.text` and `line_end` say which bytes.
    kNeedMore,  ///< The window ends within a record.
    kTooLong,   ///< The same, and the record is longer than max_record_bytes.
    kEnd,       ///< The window is used up.
  };

  /// A new window; its text must stay where it is until the next one.
  void set_window(std::string_view text, bool is_last);
  /// The record at the current place. `record` is reused: its vector keeps its memory.
  Found next(Record& record);
  /// Bytes of the window that are done with.
  size_t position() const { return position_; }
  /// Back to an earlier place of the same window.
  void go_back_to(size_t position) { position_ = position; }
  /// Skips one physical line, whatever is in it. As next(): kSkipped, kNeedMore, kEnd.
  Found skip_line(Record& record);

  /// The field's text with escapes taken out. `buffer` holds it where that changes something.
  std::string_view field_text(const Record& record, const Field& field, std::string& buffer) const {
    return field.has_escapes ? unescaped(record, field, buffer) : record.raw(field);
  }

 private:
  std::string_view unescaped(const Record& record, const Field& field, std::string& buffer) const;
  enum class Quoted { kClosed, kCut, kUnclosed, kText };

  size_t structural_from(size_t from);
  void load_block(size_t block);
  Found finish(Record& record, size_t begin, size_t stop, Found found);
  Found end_of_line(Record& record, size_t begin, size_t from, Found found);
  Found unclosed(Record& record, size_t begin, size_t open);
  Quoted read_quoted(Record& record, size_t begin, size_t& at);
  bool is_line_end(size_t at) const;

  char delimiter_;
  char quote_;
  char escape_;
  char comment_;
  char newline_;
  size_t max_record_bytes_;

  std::string_view window_;
  bool is_last_ = true;
  size_t position_ = 0;
  // The 64 bytes around the place last looked at: one bit for each structural character.
  size_t block_ = 0;
  uint64_t bits_ = 0;
};

}  // namespace weir::files
