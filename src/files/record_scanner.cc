#include "files/record_scanner.h"

#include <algorithm>
#include <cstring>

namespace weir::files {
namespace {

size_t find(std::string_view text, char c, size_t from) {
  if (from >= text.size()) return std::string_view::npos;
  const void* at = std::memchr(text.data() + from, c, text.size() - from);
  return at == nullptr ? std::string_view::npos
                       : static_cast<size_t>(static_cast<const char*>(at) - text.data());
}

constexpr auto kNowhere = std::string_view::npos;

}  // namespace

RecordScanner::RecordScanner(const Dialect& dialect)
    : dialect_(dialect),
      newline_(dialect.ends_at_cr ? '\r' : '\n'),
      preamble_left_(dialect.skip_lines),
      header_is_next_(dialect.has_header) {}

// The end of the physical line that `from` stands on.
RecordScanner::End RecordScanner::line_end_at(std::string_view text, size_t from,
                                              bool is_last) const {
  const size_t at = find(text, newline_, from);
  if (at == kNowhere && !is_last) return {-1, 0};
  size_t length = at == kNowhere ? text.size() : at;
  size_t line_end = at == kNowhere ? 0 : 1;
  if (newline_ == '\n' && length > from && text[length - 1] == '\r') {
    --length;
    ++line_end;
  }
  return {static_cast<int64_t>(length), static_cast<int64_t>(line_end)};
}

// Where the quote that closes stands, for a field whose text begins at `from`.
size_t RecordScanner::closing_quote(std::string_view text, size_t from) const {
  const char quote = dialect_.quote;
  if (dialect_.escape == quote) {
    while (true) {
      const size_t at = find(text, quote, from);
      if (at == kNowhere || at + 1 >= text.size() || text[at + 1] != quote) return at;
      from = at + 2;
    }
  }
  for (size_t i = from; i < text.size(); ++i) {
    if (text[i] == dialect_.escape) {
      ++i;
    } else if (text[i] == quote) {
      return i;
    }
  }
  return kNowhere;
}

// The record at the start of `text`: line by line for plain ones, from quote to quote for others.
RecordScanner::End RecordScanner::record_end(std::string_view text, bool is_last) const {
  End plain = line_end_at(text, 0, is_last);
  const bool can_wait = !is_last && text.size() <= static_cast<size_t>(dialect_.max_record_bytes);
  if (plain.length < 0 && can_wait) return plain;
  size_t line_stop =
      plain.length < 0 ? text.size() : static_cast<size_t>(plain.length + plain.line_end);
  size_t from = 0;
  while (dialect_.quote != 0) {
    const size_t open = find(text.substr(0, line_stop), dialect_.quote, from);
    if (open == kNowhere) return plain;
    if (open > 0 && text[open - 1] != dialect_.delimiter) {
      from = open + 1;  // a quote inside unquoted text
      continue;
    }
    const auto reach =
        text.substr(0, std::min(text.size(), static_cast<size_t>(dialect_.max_record_bytes) + 1));
    const size_t close = closing_quote(reach, open + 1);
    // A quote that is the last byte known may be half of a pair; a CR may be half of a line end.
    const bool is_cut = close == kNowhere || close + 1 >= text.size() ||
                        (text[close + 1] == '\r' && close + 2 >= text.size());
    if (is_cut && can_wait) return {-1, 0};
    if (close == kNowhere) return plain;
    const size_t next = close + 1;
    const bool ends_line = next >= text.size() || text[next] == newline_ ||
                           (newline_ == '\n' && text[next] == '\r' &&
                            (next + 1 >= text.size() || text[next + 1] == '\n'));
    const bool spans_lines =
        next > line_stop || find(text.substr(0, next), newline_, open) != kNowhere;
    if (!ends_line && text[next] != dialect_.delimiter && spans_lines) return plain;
    if (spans_lines || next >= line_stop) {
      plain = line_end_at(text, next, is_last);
      if (plain.length < 0) return plain;
      line_stop = static_cast<size_t>(plain.length + plain.line_end);
    }
    if (ends_line) return plain;
    from = next;
    if (text[next] == dialect_.delimiter) continue;
    // Text after the quote: the field goes on, unquoted, to the next delimiter.
    from = next + 1;
  }
  return plain;
}

void RecordScanner::take(SpanKind kind, std::string_view text, End end, std::vector<Span>* spans) {
  const int64_t whole = end.length + end.line_end;
  if (spans != nullptr) spans->push_back({kind, line_, offset_, end.length, end.line_end});
  if (kind == SpanKind::kRecord) {
    ++records_;
  } else {
    skipped_bytes_ += whole;
  }
  if (spans != nullptr) {  // lines are only told to those who ask for spans
    line_ += std::ranges::count(text.substr(0, static_cast<size_t>(whole)), newline_);
  }
  offset_ += whole;
}

int64_t RecordScanner::scan(std::string_view window, bool is_last, std::vector<Span>* spans) {
  const size_t size = window.size();
  while (!window.empty()) {
    SpanKind kind = SpanKind::kRecord;
    if (preamble_left_ > 0) {
      kind = SpanKind::kPreamble;
    } else if (window[0] == newline_ ||
               (newline_ == '\n' && window[0] == '\r' && window.size() > 1 && window[1] == '\n') ||
               (newline_ == '\n' && window == "\r" && is_last)) {
      kind = SpanKind::kBlank;
    } else if (dialect_.comment != 0 && window[0] == dialect_.comment) {
      kind = SpanKind::kComment;
    } else if (header_is_next_) {
      kind = SpanKind::kHeader;
    }
    const bool is_line = kind != SpanKind::kRecord && kind != SpanKind::kHeader;
    const End end = is_line ? line_end_at(window, 0, is_last) : record_end(window, is_last);
    if (end.length < 0) break;
    take(kind, window, end, spans);
    if (kind == SpanKind::kPreamble) --preamble_left_;
    if (kind == SpanKind::kHeader) header_is_next_ = false;
    window.remove_prefix(static_cast<size_t>(end.length + end.line_end));
  }
  return static_cast<int64_t>(size - window.size());
}

}  // namespace weir::files
