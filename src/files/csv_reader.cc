// The file passes once: blocks are hashed as they come, decoded, and appended to a window of text.
// The splitter takes records off the window's front, the scanner counts over the same window by
// itself; what neither needs any more is dropped before the next block.

#include "files/csv_reader.h"

#include <algorithm>

#include "files/csv/text_batch.h"

namespace weir::files {
namespace {

constexpr int64_t kFirstLook = 1 << 20;

// Whether the file's first bytes speak against the encoding. Text of UTF-16 may have few NULs, but
// where there is none at all, not even a line ends.
bool can_be(Encoding encoding, const ByteOrderMark& mark, Encoding guess, std::string_view sample) {
  if (mark.length > 0) return mark.encoding == encoding;
  if (is_utf16(guess)) return guess == encoding;
  const bool has_nul = sample.find('\0') != std::string_view::npos;
  return !is_utf16(encoding) || sample.empty() || has_nul ||
         !is_utf8(without_cut_character(sample));
}

Json field_object(const ColumnPlan& plan, const RecordSplitter& splitter, const Record& record) {
  Json values = Json::object();
  std::string buffer;
  for (size_t i = 0; i < record.fields.size() && i < 4096; ++i) {
    const std::string name =
        i < plan.fields.size() ? plan.fields[i] : fmt::format("+{}", i - plan.fields.size() + 1);
    values[name] = splitter.field_text(record, record.fields[i], buffer);
  }
  return values;
}

Reject fault(std::string reason, std::string message) {
  return {std::move(reason), "", std::move(message), {}, "", ""};
}

}  // namespace

std::string values_of(const ColumnPlan& plan, const RecordSplitter& splitter,
                      const Record& record) {
  return dump_json(field_object(plan, splitter, record));
}

std::string CsvReader::values_of(std::string_view raw) const {
  std::string text;
  Decoder decoder(options_.dialect.encoding.value_or(Encoding::kUtf8));
  decoder.decode(raw, text);
  decoder.finish(text);
  RecordSplitter splitter(options_.dialect);
  splitter.set_window(text, true);
  Record record;
  if (splitter.next(record) != RecordSplitter::Found::kRecord) return "{}";
  return files::values_of(plan_, splitter, record);
}

CsvReader::CsvReader(storage::Storage& store, std::string name, ReadOptions options)
    : store_(store), name_(std::move(name)), options_(std::move(options)) {
  for (const std::string& text : options_.dialect.nulls) {
    if (text.empty()) {
      empty_is_null_ = true;
    } else {
      other_nulls_.push_back(text);
    }
  }
}

Result<std::unique_ptr<CsvReader>> CsvReader::open(storage::Storage& store, std::string name,
                                                   ReadOptions options) {
  const std::string step = fmt::format("reading '{}'", name);
  std::unique_ptr<CsvReader> reader(new CsvReader(store, std::move(name), std::move(options)));
  WEIR_TRY(while_doing(reader->start(), step));
  return reader;
}

// Settles encoding and line ends by the first look, then reads preamble and header.
Status CsvReader::start() {
  WEIR_ASSIGN(std::string first,
              store_.read(name_, {0, std::max(kFirstLook, options_.block_bytes)}));
  const ByteOrderMark mark = byte_order_mark(first);
  const std::string_view sample =
      std::string_view(first).substr(0, std::min<size_t>(first.size(), kFirstLook));
  const auto declared = options_.dialect.encoding;
  encoding_ = declared.value_or(Encoding::kUtf8);
  const Encoding guess = guess_encoding(without_cut_character(sample));
  // `utf-16` leaves the order of bytes to the mark.
  if (encoding_ == Encoding::kUtf16Le && is_utf16(mark.encoding)) encoding_ = mark.encoding;
  if (!can_be(encoding_, mark, guess, sample)) {
    return fail_with_hint(
        ErrorCode::kInvalidData, fmt::format("'{}' is no {}", name_, to_text(encoding_)),
        fmt::format("it looks like {0}: declare `encoding: {0}`", to_text(guess)));
  }
  const bool has_mark = mark.length > 0 && mark.encoding == encoding_;
  options_.dialect.encoding = encoding_;
  decoder_ = Decoder(encoding_);
  std::string text;
  Decoder(encoding_).decode(sample.substr(has_mark ? static_cast<size_t>(mark.length) : 0), text);
  options_.dialect.ends_at_cr =
      text.find('\n') == std::string::npos && text.find('\r') != std::string::npos;
  splitter_ = RecordSplitter(options_.dialect);
  scanner_ = RecordScanner(options_.dialect);
  digest_.update(first);
  read_at_ = static_cast<int64_t>(first.size());
  is_last_ = read_at_ < std::max(kFirstLook, options_.block_bytes);
  place_ = has_mark ? mark.length : 0;
  summary_.skipped_bytes = place_;
  window_.clear();
  decoder_.decode(std::string_view(first).substr(static_cast<size_t>(place_)), window_);
  take_window();
  WEIR_TRY(skip_preamble());
  return read_header();
}

// Hands the text to the splitter and lets the scanner count over it.
void CsvReader::take_window() {
  if (is_last_) decoder_.finish(window_);
  window_size_ = window_.size();
  window_.append(kWindowSlack, '\0');
  const std::string_view text(window_.data(), window_size_);
  is_ascii_ = is_ascii(text);
  splitter_.set_window(text, is_last_);
  scanned_ += static_cast<size_t>(scanner_.scan(text.substr(scanned_), is_last_));
}

Status CsvReader::refill() {
  const size_t done = std::min(splitter_.position(), scanned_);
  // Both stop at a record's start; they differ only where their grammars would.
  if (splitter_.position() != scanned_) {
    return fail(ErrorCode::kInternal, "record scanner and splitter disagree in '{}' after line {}",
                name_, line_);
  }
  WEIR_ASSIGN(const std::string block, store_.read(name_, {read_at_, options_.block_bytes}));
  digest_.update(block);
  read_at_ += static_cast<int64_t>(block.size());
  is_last_ = static_cast<int64_t>(block.size()) < options_.block_bytes;
  window_.resize(window_size_);
  window_.erase(0, done);
  scanned_ = 0;
  decoder_.decode(block, window_);
  take_window();
  return {};
}

Status CsvReader::too_long() const {
  return fail_with_hint(
      ErrorCode::kInvalidData,
      fmt::format("the record at line {} of '{}' is longer than {} bytes", line_, name_,
                  options_.dialect.max_record_bytes),
      "are delimiter and quote right? The limit is the csv option max_record_bytes");
}

void CsvReader::pass_over(const Record& record) {
  const int64_t text = encoded_size(encoding_, record.text);
  const int64_t line_end = record.line_end * (encoded_size(encoding_, "\n"));
  place_ += text + line_end;
  summary_.skipped_bytes += text + line_end;
  line_ += 1 + record.inner_lines;
}

RecordPlace CsvReader::place_of(const Record& record) {
  RecordPlace place;
  place.record = ++record_;
  place.line = line_;
  place.byte_offset = place_;
  place.byte_length = encoded_size(encoding_, record.text);
  place_ += place.byte_length + record.line_end * encoded_size(encoding_, "\n");
  line_ += 1 + record.inner_lines;
  return place;
}

Status CsvReader::skip_preamble() {
  using Found = RecordSplitter::Found;
  for (int64_t left = options_.dialect.skip_lines; left > 0;) {
    switch (splitter_.skip_line(record_buffer_)) {
      case Found::kNeedMore: WEIR_TRY(refill()); break;
      case Found::kTooLong: return too_long();
      case Found::kEnd: return {};
      default:
        pass_over(record_buffer_);
        ++summary_.skipped_lines;
        --left;
    }
  }
  return {};
}

Status CsvReader::read_header() {
  using Found = RecordSplitter::Found;
  Found found = splitter_.next(record_buffer_);
  while (found != Found::kRecord) {
    if (found == Found::kTooLong) return too_long();
    if (found == Found::kEnd) {
      return fail_with_hint(ErrorCode::kInvalidData, fmt::format("'{}' is an empty file", name_),
                            "a file without rows still has a header");
    }
    if (found == Found::kNeedMore) {
      WEIR_TRY(refill());
    } else {
      pass_over(record_buffer_);
      ++summary_.skipped_lines;
    }
    found = splitter_.next(record_buffer_);
  }
  std::vector<std::string> names;
  if (options_.dialect.has_header) {
    if (!is_utf8(record_buffer_.text)) {
      const auto guess = guess_encoding(record_buffer_.text);
      return fail_with_hint(
          ErrorCode::kInvalidData,
          fmt::format("the header of '{}' is no {}", name_, to_text(encoding_)),
          guess == Encoding::kUtf8
              ? "declare the file's `encoding`"
              : fmt::format("it looks like {0}: declare `encoding: {0}`", to_text(guess)));
    }
    if (record_buffer_.fault != RecordFault::kNone) {
      return fail(ErrorCode::kInvalidData, "the header of '{}' has a quote that does not close",
                  name_);
    }
    for (const Field& field : record_buffer_.fields) {
      names.emplace_back(splitter_.field_text(record_buffer_, field, text_buffer_));
    }
    WEIR_ASSIGN(names, check_header(std::move(names), options_.dialect.rename));
    pass_over(record_buffer_);
  } else {
    for (const auto& column : options_.declared) names.push_back(column.name);
    for (size_t i = names.size(); options_.declared.empty() && i < record_buffer_.fields.size();
         ++i) {
      names.push_back("column" + std::to_string(i));
    }
    // The record comes again as the first of the data.
    const size_t here = splitter_.position() - record_buffer_.text.size() -
                        static_cast<size_t>(record_buffer_.line_end);
    splitter_.go_back_to(here);
  }
  WEIR_ASSIGN(plan_, plan_columns(std::move(names), options_.declared, options_.columns));
  for (const auto& column : plan_.schema) {
    forms_.emplace_back(column.type, !options_.dialect.timezone.empty(),
                        options_.dialect.decimal_separator);
  }
  return {};
}

std::optional<Reject> CsvReader::check_structure(const Record& record) const {
  if (record.fault == RecordFault::kUnclosedQuote) {
    return fault("unclosed_quote", "a quoted field opens here and does not close");
  }
  if (record.fault == RecordFault::kInvalidQuote) {
    return fault("invalid_quote", "text stands between a closing quote and the next delimiter");
  }
  if (record.fields.size() != plan_.fields.size()) {
    const bool is_short = record.fields.size() < plan_.fields.size();
    return fault(is_short ? "too_few_fields" : "too_many_fields",
                 fmt::format("{} field{}, expected {}", record.fields.size(),
                             record.fields.size() == 1 ? "" : "s", plan_.fields.size()));
  }
  return std::nullopt;
}

bool CsvReader::is_other_null(const Field& field, std::string_view text) const {
  if (field.is_quoted && options_.dialect.quoted_is_text) return false;
  return std::ranges::find(other_nulls_, text) != other_nulls_.end();
}

// Adds the record's values to the batch. The first one that its cast would alter, if any, takes the
// whole record back.
std::optional<Reject> CsvReader::take_values(const Record& record, TextBatch& batch) {
  for (size_t i = 0; i < forms_.size(); ++i) {
    TextColumn& column = batch.column(i);
    if (plan_.field_of_column[i] < 0) {
      column.add_null();
      continue;
    }
    const Field& field = record.fields[static_cast<size_t>(plan_.field_of_column[i])];
    const std::string_view text = splitter_.field_text(record, field, text_buffer_);
    if (is_null(field, text)) {
      column.add_null();
      continue;
    }
    const Form form = forms_[i].takes_anything() ? Form::kFine : forms_[i].check(text);
    if (form != Form::kFine) {
      for (size_t k = 0; k < i; ++k) batch.column(k).drop_last();
      Reject reject =
          fault(std::string(to_text(form)), message_of(to_text(form), text, plan_.schema[i].type));
      reject.column = plan_.schema[i].name;
      return reject;
    }
    if (field.has_escapes) {
      column.add(text);
    } else if (options_.dialect.decimal_separator != '.' && forms_[i].is_numeric()) {
      std::string number(text);
      std::ranges::replace(number, options_.dialect.decimal_separator, '.');
      column.add(number);
    } else {
      column.add_from_window(text);
    }
  }
  return std::nullopt;
}

Reject CsvReader::reject_of(const Record& record, const RecordPlace& place, Reject what) const {
  what.place = place;
  what.raw = encode(encoding_, record.text);
  what.values = files::values_of(plan_, splitter_, record);
  return what;
}

std::optional<Reject> CsvReader::check_text(const Record& record) {
  if (is_ascii_ || is_ascii(record.text)) return std::nullopt;
  if (is_utf8(record.text)) {
    has_good_text_ = true;
    return std::nullopt;
  }
  ++bad_text_;
  looks_western_ = looks_western_ && guess_encoding(record.text) == Encoding::kWindows1252;
  return fault("invalid_utf8", fmt::format("the record is no {}", to_text(encoding_)));
}

Status CsvReader::take_record(const Record& record, Chunk& chunk, TextBatch& batch) {
  const int64_t before = place_;
  const RecordPlace place = place_of(record);
  std::optional<Reject> reject = check_text(record);
  if (!reject) reject = check_structure(record);
  if (!reject) reject = take_values(record, batch);
  if (!reject) {
    batch.row_is_done(static_cast<int64_t>(record.text.size()));
    chunk.rows.push_back(place);
    ++summary_.loaded;
    summary_.loaded_bytes += place_ - before;
    return {};
  }
  if (reject->reason == to_text(Form::kNoZone)) {
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("column '{}' has a timestamp without a zone at line {} of '{}': {}",
                    reject->column, place.line, name_, reject->message),
        "declare the csv option `timezone` (like UTC or Europe/Berlin), or the column as varchar");
  }
  chunk.rejects.push_back(reject_of(record, place, *std::move(reject)));
  ++summary_.rejected;
  summary_.rejected_bytes += place_ - before;
  return {};
}

Result<std::optional<Chunk>> CsvReader::next() {
  using Found = RecordSplitter::Found;
  if (is_finished_) return std::nullopt;
  Chunk chunk;
  TextBatch batch(plan_.schema.size());
  while (static_cast<int64_t>(chunk.batches.size()) < options_.chunk_batches) {
    const Found found = splitter_.next(record_buffer_);
    if (found == Found::kRecord) {
      WEIR_TRY(take_record(record_buffer_, chunk, batch));
      if (batch.rows() < options_.batch_rows && batch.bytes() < options_.batch_bytes &&
          chunk.rejects.size() < static_cast<size_t>(options_.batch_rows)) {
        continue;
      }
      batch.flush(chunk.batches, chunk.nulls);
      if (chunk.rejects.size() >= static_cast<size_t>(options_.batch_rows)) break;
    } else if (found == Found::kSkipped) {
      pass_over(record_buffer_);
      ++summary_.skipped_lines;
    } else if (found == Found::kNeedMore) {
      WEIR_TRY(refill());
    } else if (found == Found::kTooLong) {
      return std::unexpected(std::move(too_long()).error());
    } else {
      WEIR_TRY(finish());
      break;
    }
  }
  batch.flush(chunk.batches, chunk.nulls);
  chunk.nulls.resize(plan_.schema.size());
  if (is_finished_ && chunk.batches.empty() && chunk.rejects.empty()) return std::nullopt;
  return chunk;
}

Status CsvReader::finish() {
  is_finished_ = true;
  summary_.size_bytes = read_at_;
  summary_.sha256 = digest_.finish_hex();
  summary_.records = scanner_.records();
  // One bad byte in a large file is a bad byte.
  const bool is_share = bad_text_ > 1 || bad_text_ * 1000 >= summary_.records;
  if (bad_text_ > 0 && is_share && !has_good_text_ && looks_western_) {
    summary_.guess = Encoding::kWindows1252;
  }
  return {};
}

}  // namespace weir::files
