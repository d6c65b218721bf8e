#include "files/json/records.h"

#include <algorithm>

#include "base/digest.h"
#include "base/printable.h"
#include "files/value_form.h"

namespace weir::files {
namespace {

constexpr size_t kShownBytes = 200;

int64_t line_ends(std::string_view text) { return std::ranges::count(text, '\n'); }

/// Elements of an array, by its commas outside of strings and inner brackets.
int64_t count_elements(std::string_view array) {
  int64_t commas = 0;
  int depth = 0;
  bool is_string = false;
  bool has_any = false;
  for (size_t i = 0; i < array.size(); ++i) {
    const char c = array[i];
    if (is_string) {
      if (c == '\\')
        ++i;
      else
        is_string = c != '"';
      continue;
    }
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') continue;
    if (c == ']' || c == '}') --depth;
    has_any = has_any || depth > 0;
    is_string = c == '"';
    if (c == '[' || c == '{') ++depth;
    commas += c == ',' && depth == 1 ? 1 : 0;
  }
  return has_any ? commas + 1 : 0;
}

/// The elements of an array of a document, or the one object there.
class DocumentSource final : public RecordSource {
 public:
  static Result<std::unique_ptr<RecordSource>> open(storage::Storage& store,
                                                    const std::string& name,
                                                    const JsonFormat& format) {
    WEIR_ASSIGN(const auto entry, store.stat(name));
    if (entry.size_bytes > format.max_file_bytes)
      return fail_with_hint(ErrorCode::kResourceExhausted,
                            fmt::format("'{}' has {} bytes, a document of JSON may have {}", name,
                                        entry.size_bytes, format.max_file_bytes),
                            "files of one record a line (lines: true) may be of any size; the "
                            "limit is the json option max_file_bytes");
    auto made = std::make_unique<DocumentSource>();
    WEIR_ASSIGN(made->text_, store.read(name, storage::Range::all()));
    WEIR_TRY(made->find(name, format));
    return made;
  }

  Status restart() override {
    at_ = records_.kind == '[' ? skip_blanks(text_, records_.begin + 1) : records_.begin;
    counted_line_from_ = 0;
    line_ = 1;
    record_ = 0;
    return {};
  }

  Result<std::optional<RawRecord>> next() override {
    if (at_ >= records_.end || records_.kind == 'n' || text_[at_] == ']') return std::nullopt;
    size_t ignored = 0;
    const auto value = read_value(text_, at_, ignored);
    if (!value) return fail(ErrorCode::kInternal, "a JSON document reads otherwise a second time");
    const std::string_view all = text_;
    line_ += line_ends(all.substr(counted_line_from_, value->begin - counted_line_from_));
    counted_line_from_ = value->begin;
    RawRecord record{value->in(all),
                     {++record_, line_, static_cast<int64_t>(value->begin),
                      static_cast<int64_t>(value->end - value->begin)}};
    at_ = skip_blanks(text_, value->end);
    if (at_ < records_.end && text_[at_] == ',') at_ = skip_blanks(text_, at_ + 1);
    return record;
  }

  int64_t counted() const override {
    if (records_.kind == 'n') return 0;
    return records_.kind == '[' ? count_elements(records_.in(text_)) : 1;
  }
  int64_t size_bytes() const override { return static_cast<int64_t>(text_.size()); }
  std::string sha256() override { return sha256_hex(text_); }

 private:
  Status find(const std::string& name, const JsonFormat& format) {
    if (!is_utf8(text_))
      return fail_with_hint(ErrorCode::kInvalidData, fmt::format("'{}' is no UTF-8", name),
                            "JSON is UTF-8 (RFC 8259)");
    const size_t start = text_.starts_with("\xEF\xBB\xBF") ? 3 : 0;
    size_t fault = 0;
    auto value = read_value(text_, start, fault);
    if (value) fault = skip_blanks(text_, value->end);
    if (!value || fault < text_.size())
      return fail_with_hint(
          ErrorCode::kInvalidData,
          fmt::format("'{}' is no JSON from line {} on: {}", name,
                      1 + line_ends(std::string_view(text_).substr(0, fault)),
                      fault < text_.size() ? printable(text_.substr(fault, 40)) : "it ends early"),
          value ? "one record a line? Then say lines: true" : "");
    records_ = *value;
    for (const auto& step : format.records.steps()) {
      std::optional<JsonSpan> inner = step_into(text_, records_, step);
      if (!inner)
        return fail_with_hint(ErrorCode::kInvalidData,
                              fmt::format("'{}' has nothing at {}: {}", name, format.records.text(),
                                          printable(text_.substr(0, kShownBytes))),
                              "the json option `records` says where the records are");
      records_ = *inner;
    }
    if (records_.kind != '[' && records_.kind != '{' && records_.kind != 'n')
      return fail(ErrorCode::kInvalidData, "'{}' has neither an array nor an object at {}", name,
                  format.records.text());
    return restart();
  }

  std::string text_;
  JsonSpan records_;
  size_t at_ = 0;
  size_t counted_line_from_ = 0;
  int64_t line_ = 1;
  int64_t record_ = 0;
};

bool is_blank_line(std::string_view line) { return skip_blanks(line, 0) == line.size(); }

class LinesSource final : public RecordSource {
 public:
  LinesSource(storage::Storage& store, std::string name, int64_t block_bytes,
              int64_t max_record_bytes)
      : store_(store),
        name_(std::move(name)),
        block_bytes_(block_bytes),
        max_record_bytes_(max_record_bytes) {}

  Status restart() override {
    window_.clear();
    at_ = 0;
    window_place_ = read_at_ = line_ = record_ = counted_ = 0;
    is_last_ = has_text_ = false;
    digest_ = Sha256();
    return {};
  }

  Result<std::optional<RawRecord>> next() override {
    while (true) {
      size_t end = window_.find('\n', at_);
      if (end == std::string::npos && !is_last_) {
        WEIR_TRY(refill());
        continue;
      }
      if (end == std::string::npos && at_ >= window_.size()) return std::nullopt;
      end = std::min(end, window_.size());
      std::string_view line = std::string_view(window_).substr(at_, end - at_);
      int64_t place = window_place_ + static_cast<int64_t>(at_);
      at_ = std::min(end + 1, window_.size());
      ++line_;
      if (line_ == 1 && line.starts_with("\xEF\xBB\xBF")) {
        line.remove_prefix(3);
        place += 3;
      }
      while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
      if (is_blank_line(line)) continue;
      return RawRecord{line, {++record_, line_, place, static_cast<int64_t>(line.size())}};
    }
  }

  int64_t counted() const override { return counted_; }
  int64_t size_bytes() const override { return read_at_; }
  std::string sha256() override { return digest_.finish_hex(); }

 private:
  Status refill() {
    if (static_cast<int64_t>(window_.size() - at_) > max_record_bytes_)
      return fail_with_hint(ErrorCode::kInvalidData,
                            fmt::format("line {} of '{}' is longer than {} bytes", line_ + 1, name_,
                                        max_record_bytes_),
                            "is it one document? Then leave lines: true out; the limit is the json "
                            "option max_record_bytes");
    WEIR_ASSIGN(const std::string block, store_.read(name_, {read_at_, block_bytes_}));
    digest_.update(block);
    read_at_ += static_cast<int64_t>(block.size());
    is_last_ = static_cast<int64_t>(block.size()) < block_bytes_;
    count(block);
    window_.erase(0, at_);
    window_place_ += static_cast<int64_t>(at_);
    at_ = 0;
    window_ += block;
    return {};
  }

  /// Lines with anything but blanks in them, a byte order mark apart.
  void count(std::string_view block) {
    for (const char c : block) {
      if (c == '\n') {
        counted_ += has_text_ ? 1 : 0;
        has_text_ = false;
      } else if (c != ' ' && c != '\t' && c != '\r' && c != '\xEF' && c != '\xBB' && c != '\xBF') {
        has_text_ = true;
      }
    }
    if (is_last_ && has_text_) {
      ++counted_;
      has_text_ = false;
    }
  }

  storage::Storage& store_;
  const std::string name_;
  const int64_t block_bytes_;
  const int64_t max_record_bytes_;
  std::string window_;
  size_t at_ = 0;
  int64_t window_place_ = 0;  // of the window's first byte in the file
  int64_t read_at_ = 0;
  int64_t line_ = 0;
  int64_t record_ = 0;
  int64_t counted_ = 0;
  bool is_last_ = false;
  bool has_text_ = false;
  Sha256 digest_;
};

}  // namespace

Result<std::unique_ptr<RecordSource>> open_document(storage::Storage& store,
                                                    const std::string& name,
                                                    const JsonFormat& format) {
  return DocumentSource::open(store, name, format);
}

std::unique_ptr<RecordSource> open_lines(storage::Storage& store, const std::string& name,
                                         int64_t block_bytes, int64_t max_record_bytes) {
  return std::make_unique<LinesSource>(store, name, block_bytes, max_record_bytes);
}

std::optional<JsonSpan> step_into(std::string_view text, const JsonSpan& value,
                                  const JsonPath::Step& step) {
  std::optional<JsonSpan> found;
  if (const auto* name = std::get_if<std::string>(&step); name != nullptr && value.kind == '{') {
    each_member(text, value, [&](const std::string& each, const JsonSpan& inner) {
      if (each == *name) found = inner;
      return !found;
    });
  }
  if (const auto* index = std::get_if<int64_t>(&step); index != nullptr && value.kind == '[') {
    std::vector<JsonSpan> elements;
    each_element(text, value, [&](const JsonSpan& inner) {
      elements.push_back(inner);
      return *index < 0 || static_cast<int64_t>(elements.size()) <= *index;
    });
    const int64_t at = *index < 0 ? *index + static_cast<int64_t>(elements.size()) : *index;
    if (at >= 0 && at < static_cast<int64_t>(elements.size()))
      found = elements[static_cast<size_t>(at)];
  }
  return found;
}

}  // namespace weir::files
