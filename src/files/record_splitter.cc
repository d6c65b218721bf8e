// One pass over structural characters (delimiter, quote, escape, line end): 64 bytes at a time are
// turned into a bit mask, and the walk goes from bit to bit. What stands between two of them is
// never looked at here.

#include "files/record_splitter.h"

#include <array>
#include <bit>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace weir::files {
namespace {

constexpr size_t kBlock = 64;

#if defined(__SSE2__)
uint64_t mask_of(const char* at, char a, char b, char c, char d) {
  uint64_t bits = 0;
  for (ptrdiff_t i = 0; i < 4; ++i) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + i * 16));
    const __m128i first = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(a)),
                                       _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b)));
    const __m128i second = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)),
                                        _mm_cmpeq_epi8(bytes, _mm_set1_epi8(d)));
    const auto part = static_cast<uint32_t>(_mm_movemask_epi8(_mm_or_si128(first, second)));
    bits |= static_cast<uint64_t>(part) << (i * 16);
  }
  return bits;
}
#else
uint64_t mask_of(const char* at, char a, char b, char c, char d) {
  uint64_t bits = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    const bool is_hit = at[i] == a || at[i] == b || at[i] == c || at[i] == d;
    bits |= static_cast<uint64_t>(is_hit) << i;
  }
  return bits;
}
#endif

}  // namespace

RecordSplitter::RecordSplitter(const Dialect& dialect)
    : delimiter_(dialect.delimiter),
      quote_(dialect.quote),
      escape_(dialect.escape),
      comment_(dialect.comment),
      newline_(dialect.ends_at_cr ? '\r' : '\n'),
      max_record_bytes_(static_cast<size_t>(dialect.max_record_bytes)) {
  // Without quotes there is nothing to escape; the mask then looks for known characters twice.
  if (quote_ == 0) escape_ = 0;
}

void RecordSplitter::set_window(std::string_view text, bool is_last) {
  window_ = text;
  is_last_ = is_last;
  position_ = 0;
  load_block(0);
}

void RecordSplitter::load_block(size_t block) {
  block_ = block;
  const char quote = quote_ == 0 ? delimiter_ : quote_;
  const char escape = quote_ == 0 ? delimiter_ : escape_;
  if (block + kBlock <= window_.size()) {
    bits_ = mask_of(window_.data() + block, delimiter_, newline_, quote, escape);
    return;
  }
  if (block >= window_.size()) {
    bits_ = 0;
    return;
  }
  std::array<char, kBlock> tail{};
  const size_t size = window_.size() - block;
  std::memcpy(tail.data(), window_.data() + block, size);
  bits_ = mask_of(tail.data(), delimiter_, newline_, quote, escape);
  bits_ &= (uint64_t{1} << size) - 1;
}

// The first structural character at or after `from`; the window's size where there is none.
size_t RecordSplitter::structural_from(size_t from) {
  size_t block = from & ~(kBlock - 1);
  if (block != block_) load_block(block);
  uint64_t bits = bits_ & (~uint64_t{0} << (from & (kBlock - 1)));
  while (bits == 0) {
    block += kBlock;
    if (block >= window_.size()) return window_.size();
    load_block(block);
    bits = bits_;
  }
  return block_ + static_cast<size_t>(std::countr_zero(bits));
}

bool RecordSplitter::is_line_end(size_t at) const {
  if (window_[at] == newline_) return true;
  if (newline_ == '\r' || window_[at] != '\r') return false;
  return at + 1 < window_.size() ? window_[at + 1] == '\n' : is_last_;
}

// The record that begins at `begin` and whose line ends at `stop` (its LF or CR, or the window's
// end): cuts the line end off and goes past it.
RecordSplitter::Found RecordSplitter::finish(Record& record, size_t begin, size_t stop,
                                             Found found) {
  size_t size = stop - begin;
  record.line_end = stop < window_.size() ? 1 : 0;
  if (newline_ == '\n' && size > 0 && window_[stop - 1] == '\r') {
    --size;
    ++record.line_end;
  }
  record.text = window_.substr(begin, size);
  position_ = stop < window_.size() ? stop + 1 : stop;
  return found;
}

// Ends the record with the physical line on which `from` stands.
RecordSplitter::Found RecordSplitter::end_of_line(Record& record, size_t begin, size_t from,
                                                  Found found) {
  const void* at = from < window_.size()
                       ? std::memchr(window_.data() + from, newline_, window_.size() - from)
                       : nullptr;
  if (at == nullptr && !is_last_) {
    return window_.size() - begin > max_record_bytes_ ? Found::kTooLong : Found::kNeedMore;
  }
  const size_t stop = at == nullptr
                          ? window_.size()
                          : static_cast<size_t>(static_cast<const char*>(at) - window_.data());
  return finish(record, begin, stop, found);
}

RecordSplitter::Found RecordSplitter::skip_line(Record& record) {
  record.fields.clear();
  record.fault = RecordFault::kNone;
  record.inner_lines = 0;
  if (position_ >= window_.size()) return is_last_ ? Found::kEnd : Found::kNeedMore;
  return end_of_line(record, position_, position_, Found::kSkipped);
}

// The quoted field whose opening quote stands at `at`. Moves `at` behind the closing quote.
RecordSplitter::Quoted RecordSplitter::read_quoted(Record& record, size_t begin, size_t& at) {
  const size_t open = at;
  const size_t reach = begin + max_record_bytes_ + 1;
  int64_t lines = 0;
  bool has_escapes = false;
  size_t here = structural_from(open + 1);
  while (true) {
    if (here >= window_.size()) {
      const bool can_wait = !is_last_ && window_.size() < reach;
      return can_wait ? Quoted::kCut : Quoted::kUnclosed;
    }
    if (here >= reach) return Quoted::kUnclosed;
    const char c = window_[here];
    if (c == escape_ && escape_ != quote_) {
      has_escapes = true;
      if (here + 1 < window_.size() && window_[here + 1] == newline_) ++lines;
      here = structural_from(here + 2);
      continue;
    }
    if (c == newline_) ++lines;
    if (c != quote_) {
      here = structural_from(here + 1);
      continue;
    }
    if (escape_ == quote_ && here + 1 < window_.size() && here + 1 < reach &&
        window_[here + 1] == quote_) {
      has_escapes = true;
      here = structural_from(here + 2);
      continue;
    }
    break;
  }
  // A quote at the window's end may be half of a pair, a CR behind it half of a line end.
  const bool is_cut =
      here + 1 >= window_.size() || (window_[here + 1] == '\r' && here + 2 >= window_.size());
  if (is_cut && !is_last_ && window_.size() < reach) return Quoted::kCut;
  at = here + 1;
  record.fields.push_back({static_cast<uint32_t>(open + 1 - begin),
                           static_cast<uint32_t>(here - open - 1), true, has_escapes});
  if (at >= window_.size() || window_[at] == delimiter_ || is_line_end(at)) {
    record.inner_lines += lines;
    return Quoted::kClosed;
  }
  return lines > 0 ? Quoted::kUnclosed : Quoted::kText;
}

// The record ends with the line of the quote that stands open at `open`; what follows that quote on
// its line is the last field.
RecordSplitter::Found RecordSplitter::unclosed(Record& record, size_t begin, size_t open) {
  const auto field_begin = static_cast<uint32_t>(open + 1 - begin);
  if (!record.fields.empty() && record.fields.back().begin == field_begin) record.fields.pop_back();
  record.fault = RecordFault::kUnclosedQuote;
  const Found found = end_of_line(record, begin, open, Found::kRecord);
  if (found == Found::kRecord) {
    const auto size = static_cast<uint32_t>(record.text.size());
    record.fields.push_back({field_begin, size - field_begin, true, false});
  }
  return found;
}

RecordSplitter::Found RecordSplitter::next(Record& record) {
  record.fields.clear();
  record.fault = RecordFault::kNone;
  record.inner_lines = 0;
  const size_t begin = position_;
  const size_t size = window_.size();
  if (begin >= size) return is_last_ ? Found::kEnd : Found::kNeedMore;
  if (is_line_end(begin) || (comment_ != 0 && window_[begin] == comment_)) {
    return end_of_line(record, begin, begin, Found::kSkipped);
  }
  const auto wait = [&] {
    return size - begin > max_record_bytes_ ? Found::kTooLong : Found::kNeedMore;
  };
  size_t at = begin;  // where the field begins
  while (true) {
    size_t from = at;
    bool is_rest = false;  // of a field whose closing quote came too early
    if (at < size && window_[at] == quote_ && quote_ != 0) {
      const size_t open = at;
      switch (read_quoted(record, begin, at)) {
        case Quoted::kCut: return wait();
        case Quoted::kUnclosed: return unclosed(record, begin, open);
        case Quoted::kText:
          if (record.fault == RecordFault::kNone) record.fault = RecordFault::kInvalidQuote;
          from = at;
          is_rest = true;
          break;
        case Quoted::kClosed:
          if (at < size && window_[at] == delimiter_) {
            ++at;
            continue;
          }
          return end_of_line(record, begin, at, Found::kRecord);
      }
    }
    size_t stop = structural_from(from);
    while (stop < size && window_[stop] != delimiter_ && window_[stop] != newline_) {
      stop = structural_from(stop + 1);  // a quote or an escape inside unquoted text
    }
    if (stop >= size && !is_last_) return wait();
    size_t end = stop;
    const bool ends_record = stop >= size || window_[stop] == newline_;
    if (ends_record && newline_ == '\n' && end > from && window_[end - 1] == '\r') --end;
    if (!is_rest) {
      record.fields.push_back(
          {static_cast<uint32_t>(at - begin), static_cast<uint32_t>(end - at), false, false});
    }
    if (ends_record) return finish(record, begin, stop, Found::kRecord);
    at = stop + 1;
  }
}

std::string_view RecordSplitter::unescaped(const Record& record, const Field& field,
                                           std::string& buffer) const {
  const std::string_view raw = record.raw(field);
  buffer.clear();
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == escape_ && i + 1 < raw.size()) ++i;
    buffer.push_back(raw[i]);
  }
  return buffer;
}

}  // namespace weir::files
