#pragma once

/// The grammar of files/dialect.h once more, for tests: one character at a time, the whole text at
/// hand, no care for speed. Scanner and splitter are compared with it.

#include <string>
#include <string_view>
#include <vector>

#include "files/record_scanner.h"
#include "files/record_splitter.h"

namespace weir::files {

struct OracleRecord {
  Span span;
  RecordFault fault = RecordFault::kNone;
  std::vector<std::string> fields;  ///< With escapes taken out; empty for what is no record.
};

class GrammarOracle {
 public:
  GrammarOracle(const Dialect& dialect, std::string_view text) : dialect_(dialect), text_(text) {}

  std::vector<OracleRecord> records() {
    std::vector<OracleRecord> list;
    int64_t line = 1;
    for (int64_t left = dialect_.skip_lines; left > 0 && at_ < text_.size(); --left) {
      list.push_back(whole_line(SpanKind::kPreamble));
    }
    bool header_is_next = dialect_.has_header;
    while (at_ < text_.size()) {
      if (ends_line(at_)) {
        list.push_back(whole_line(SpanKind::kBlank));
      } else if (dialect_.comment != 0 && text_[at_] == dialect_.comment) {
        list.push_back(whole_line(SpanKind::kComment));
      } else {
        list.push_back(one_record(header_is_next ? SpanKind::kHeader : SpanKind::kRecord));
        header_is_next = false;
      }
    }
    for (OracleRecord& record : list) {
      record.span.line = line;
      const auto whole =
          text_.substr(static_cast<size_t>(record.span.offset),
                       static_cast<size_t>(record.span.length + record.span.line_end));
      for (const char c : whole) line += c == newline() ? 1 : 0;
    }
    return list;
  }

 private:
  char newline() const { return dialect_.ends_at_cr ? '\r' : '\n'; }
  bool ends_line(size_t i) const {
    if (text_[i] == newline()) return true;
    return newline() == '\n' && text_[i] == '\r' && (i + 1 == text_.size() || text_[i + 1] == '\n');
  }
  // Past the line end at `i`.
  size_t behind(size_t i) const {
    if (i >= text_.size()) return i;
    return text_[i] == '\r' && newline() == '\n' && i + 1 < text_.size() ? i + 2 : i + 1;
  }
  OracleRecord cut(SpanKind kind, size_t end) {
    OracleRecord record;
    record.span.kind = kind;
    record.span.offset = static_cast<int64_t>(at_);
    record.span.length = static_cast<int64_t>(end - at_);
    record.span.line_end = static_cast<int64_t>(behind(end) - end);
    at_ = behind(end);
    return record;
  }
  size_t end_of_line(size_t i) const {
    while (i < text_.size() && !ends_line(i)) ++i;
    return i;
  }
  OracleRecord whole_line(SpanKind kind) { return cut(kind, end_of_line(at_)); }

  OracleRecord one_record(SpanKind kind) {
    std::vector<std::string> fields;
    RecordFault fault = RecordFault::kNone;
    size_t i = at_;
    while (true) {
      std::string field;
      if (dialect_.quote != 0 && i < text_.size() && text_[i] == dialect_.quote) {
        const size_t open = i;
        bool has_line_end = false;
        bool is_closed = false;
        for (++i; i < text_.size(); ++i) {
          const char c = text_[i];
          const bool is_pair =
              dialect_.escape == dialect_.quote
                  ? c == dialect_.quote && i + 1 < text_.size() && text_[i + 1] == dialect_.quote
                  : c == dialect_.escape && i + 1 < text_.size();
          if (is_pair) {
            field += text_[++i];
            has_line_end = has_line_end || text_[i] == newline();
          } else if (c == dialect_.quote) {
            is_closed = true;
            ++i;
            break;
          } else {
            has_line_end = has_line_end || c == newline();
            field += c;
          }
        }
        const bool ends_well = i >= text_.size() || text_[i] == dialect_.delimiter || ends_line(i);
        if (!is_closed || (!ends_well && has_line_end)) {
          OracleRecord record = cut(kind, end_of_line(open));
          record.fault = RecordFault::kUnclosedQuote;
          return record;
        }
        if (!ends_well) {
          if (fault == RecordFault::kNone) fault = RecordFault::kInvalidQuote;
          while (i < text_.size() && text_[i] != dialect_.delimiter && !ends_line(i)) ++i;
        }
      } else {
        while (i < text_.size() && text_[i] != dialect_.delimiter && !ends_line(i)) {
          field += text_[i++];
        }
      }
      fields.push_back(field);
      if (i >= text_.size() || text_[i] != dialect_.delimiter) break;
      ++i;
    }
    OracleRecord record = cut(kind, i);
    record.fault = fault;
    record.fields = std::move(fields);
    return record;
  }

  Dialect dialect_;
  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace weir::files
