// Records come from one of two sources: the elements of an array in a document that is at hand as a
// whole, or the lines of a file that streams by. Each source counts its records a second time by a
// scan of its own, which knows quotes and commas, or line ends, and nothing of values.

#include "files/json_reader.h"

#include <algorithm>
#include <unordered_map>

#include "base/digest.h"
#include "base/printable.h"
#include "files/csv/text_batch.h"
#include "files/json/json_text.h"
#include "files/value_form.h"

namespace weir::files {
namespace {

constexpr size_t kShownBytes = 200;

struct RawRecord {
  std::string_view text;
  RecordPlace place;
};

/// A file as records in their order. Not for use from several threads at once.
class Source {
 public:
  virtual ~Source() = default;
  virtual Status restart() = 0;
  virtual Result<std::optional<RawRecord>> next() = 0;
  // Known at the end:
  virtual int64_t counted() const = 0;  ///< Records, by a scan of its own.
  virtual int64_t size_bytes() const = 0;
  virtual std::string sha256() = 0;
};

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
class DocumentSource final : public Source {
 public:
  static Result<std::unique_ptr<Source>> open(storage::Storage& store, const std::string& name,
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

 public:
  static std::optional<JsonSpan> step_into(std::string_view text, const JsonSpan& value,
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

 private:
  std::string text_;
  JsonSpan records_;
  size_t at_ = 0;
  size_t counted_line_from_ = 0;
  int64_t line_ = 1;
  int64_t record_ = 0;
};

bool is_blank_line(std::string_view line) { return skip_blanks(line, 0) == line.size(); }

class LinesSource final : public Source {
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

Reject fault(std::string reason, std::string message, std::string column = {}) {
  return {std::move(reason), std::move(column), std::move(message), {}, "", ""};
}

std::string lower(std::string_view text) {
  std::string folded;
  for (const char c : text)
    folded += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return folded;
}

class JsonReader final : public RecordReader {
 public:
  JsonReader(std::unique_ptr<Source> source, std::string name, JsonReadOptions options)
      : source_(std::move(source)), name_(std::move(name)), options_(std::move(options)) {}

  /// The first pass: which members there are.
  Status start() {
    WEIR_TRY(source_->restart());
    std::vector<std::string> members;
    for (const auto& [column, path] : options_.format.columns) add_field(column, members);
    int64_t records = 0;
    std::string hidden;
    while (true) {
      WEIR_ASSIGN(const auto record, source_->next());
      if (!record) break;
      ++records;
      const auto object = object_of(record->text);
      if (!object) continue;
      each_member(record->text, *object, [&](std::string name, const JsonSpan&) {
        if (is_inside_column(name)) return true;
        if (options_.format.columns.contains(name)) hidden = name;
        add_field(name, members);
        return true;
      });
      if (!hidden.empty())
        return fail_with_hint(
            ErrorCode::kInvalidData,
            fmt::format("records have a member '{0}', and the json option `columns` calls another "
                        "'{0}'",
                        hidden),
            "call that one otherwise");
    }
    WEIR_TRY(make_plan(std::move(members), records));
    return source_->restart();
  }

  const ColumnPlan& plan() const override { return plan_; }
  const std::string& timezone() const override { return options_.format.timezone; }
  char decimal_separator() const override { return '.'; }
  Json describe() const override {
    return {{"json",
             {{"records", options_.format.records.text()}, {"lines", options_.format.is_lines}}}};
  }
  std::string values_of(std::string_view raw) const override {
    const auto object = object_of(raw);
    Json values = Json::object();
    if (object) {
      each_member(raw, *object, [&](const std::string& name, const JsonSpan& value) {
        const bool is_text = value.kind == '"';
        if (value.kind != 'n')
          values[name] =
              is_text ? unescaped(value.in(raw)).value_or("") : std::string(value.in(raw));
        return values.size() < 4096;
      });
    }
    return dump_json(values);
  }
  const ReadSummary& summary() const override { return summary_; }

  Result<std::optional<Chunk>> next() override {
    if (is_finished_) return std::nullopt;
    Chunk chunk;
    TextBatch batch(plan_.schema.size());
    while (static_cast<int64_t>(chunk.batches.size()) < options_.chunk_batches) {
      WEIR_ASSIGN(const auto record, source_->next());
      if (!record) {
        finish();
        break;
      }
      WEIR_TRY(take_record(*record, chunk, batch));
      const bool is_full = chunk.rejects.size() >= static_cast<size_t>(options_.batch_rows);
      if (batch.rows() < options_.batch_rows && batch.bytes() < options_.batch_bytes && !is_full)
        continue;
      batch.flush(chunk.batches, chunk.nulls);
      if (is_full) break;
    }
    batch.flush(chunk.batches, chunk.nulls);
    chunk.nulls.resize(plan_.schema.size());
    if (is_finished_ && chunk.batches.empty() && chunk.rejects.empty()) return std::nullopt;
    return chunk;
  }

 private:
  static std::optional<JsonSpan> object_of(std::string_view text) {
    size_t fault_at = 0;
    const auto value = read_value(text, 0, fault_at);
    const bool is_object =
        value && value->kind == '{' && skip_blanks(text, value->end) == text.size();
    return is_object ? value : std::nullopt;
  }

  /// Whether the parts of that member that are wanted are named by `columns`.
  bool is_inside_column(const std::string& member) const {
    return std::ranges::any_of(options_.format.columns, [&](const auto& column) {
      const auto* first = std::get_if<std::string>(&column.second.steps().front());
      return first != nullptr && *first == member;
    });
  }

  void add_field(const std::string& name, std::vector<std::string>& members) {
    if (fields_.emplace(name, members.size()).second) members.push_back(name);
  }

  Status make_plan(std::vector<std::string> members, int64_t records) {
    WEIR_ASSIGN(auto names, check_header(std::move(members)));
    std::set<std::string> there;
    for (const auto& name : names) there.insert(lower(name));
    // A member that no record has is NULL, not a column that the source lost.
    int64_t known = 0;
    for (const auto& column : options_.declared) {
      if (!there.insert(lower(column.name)).second)
        ++known;
      else
        names.push_back(column.name);
    }
    if (known == 0 && records > 0 && !options_.declared.empty() && !fields_.empty())
      return fail_with_hint(
          ErrorCode::kSchemaDrift,
          fmt::format(
              "the records of '{}' have none of the declared columns; they have: {}", name_,
              fmt::join(names.begin(), names.begin() + static_cast<int64_t>(fields_.size()), ", ")),
          "does the json option `records` lead to the records?");
    WEIR_ASSIGN(plan_, plan_columns(std::move(names), options_.declared, options_.columns));
    for (const auto& column : plan_.schema)
      forms_.emplace_back(column.type, !options_.format.timezone.empty(), '.');
    for (const auto& [column, path] : options_.format.columns)
      deep_.emplace_back(fields_.at(column), &path);
    return {};
  }

  /// Where the record's values are, by field.
  std::optional<Reject> find_values(std::string_view text) {
    values_.assign(plan_.fields.size(), {});
    if (!is_utf8(text)) return fault("invalid_utf8", "the record is no utf-8");
    size_t fault_at = 0;
    const auto record = read_value(text, 0, fault_at);
    if (!record || skip_blanks(text, record->end) < text.size())
      return fault("invalid_json", fmt::format("no JSON from character {} on",
                                               (record ? record->end : fault_at) + 1));
    if (record->kind != '{') return fault("not_an_object", "the record is no JSON object");
    std::optional<Reject> reject;
    std::set<std::string> seen;
    each_member(text, *record, [&](const std::string& name, const JsonSpan& value) {
      if (!seen.insert(name).second)
        reject = fault("duplicate_key", fmt::format("'{}' stands twice", printable(name)), name);
      const auto field = fields_.find(name);
      if (field != fields_.end() && !options_.format.columns.contains(name))
        values_[field->second] = value;
      else if (field == fields_.end() && !is_inside_column(name))
        has_changed_ = true;
      return !reject;
    });
    for (const auto& [field, path] : deep_) {
      std::optional<JsonSpan> value = record;
      for (const auto& step : path->steps())
        if (value) value = DocumentSource::step_into(text, *value, step);
      if (value) values_[field] = *value;
    }
    return reject;
  }

  std::optional<Reject> take_values(std::string_view record, TextBatch& batch) {
    for (size_t i = 0; i < forms_.size(); ++i) {
      TextColumn& column = batch.column(i);
      const int field = plan_.field_of_column[i];
      const JsonSpan value = field < 0 ? JsonSpan{} : values_[static_cast<size_t>(field)];
      if (value.kind == 0 || value.kind == 'n') {
        column.add_null();
        continue;
      }
      auto reject = take_value(value.in(record), value.kind, i, column);
      if (!reject) continue;
      for (size_t k = 0; k < i; ++k) batch.column(k).drop_last();
      return reject;
    }
    return std::nullopt;
  }

  std::optional<Reject> take_value(std::string_view raw, char kind, size_t i, TextColumn& column) {
    const auto& target = plan_.schema[i];
    std::optional<std::string> text = kind == '"' ? unescaped(raw) : std::string(raw);
    if (!text) return fault("invalid_utf8", "a string has half a surrogate pair", target.name);
    Form form = forms_[i].takes_anything() ? Form::kFine : forms_[i].check(*text);
    // 1 is no truth and true no number, whatever a cast makes of them; an object is text at most.
    const bool is_truth = target.type.kind == model::TypeKind::kBoolean;
    const bool is_structure = kind == '{' || kind == '[';
    if (!forms_[i].takes_anything() &&
        (is_structure || (is_truth && kind == '0') || (!is_truth && (kind == 't' || kind == 'f'))))
      form = Form::kWrongType;
    if (form == Form::kFine) {
      column.add(*text);
      return std::nullopt;
    }
    return fault(std::string(to_text(form)), message_of(to_text(form), *text, target.type),
                 target.name);
  }

  Status take_record(const RawRecord& record, Chunk& chunk, TextBatch& batch) {
    std::optional<Reject> reject = find_values(record.text);
    if (has_changed_) return fail(ErrorCode::kUnavailable, "'{}' changed while it was read", name_);
    if (!reject) reject = take_values(record.text, batch);
    if (!reject) {
      batch.row_is_done(record.place.byte_length);
      chunk.rows.push_back(record.place);
      ++summary_.loaded;
      summary_.loaded_bytes += record.place.byte_length;
      return {};
    }
    if (reject->reason == to_text(Form::kNoZone))
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("column '{}' has a timestamp without a zone at line {} of '{}': {}",
                      reject->column, record.place.line, name_, reject->message),
          "declare the json option `timezone` (like UTC or Europe/Berlin), or the column as "
          "varchar");
    reject->place = record.place;
    reject->raw = std::string(record.text);
    reject->values = values_of(record.text);
    chunk.rejects.push_back(*std::move(reject));
    ++summary_.rejected;
    summary_.rejected_bytes += record.place.byte_length;
    return {};
  }

  void finish() {
    is_finished_ = true;
    summary_.size_bytes = source_->size_bytes();
    summary_.sha256 = source_->sha256();
    summary_.records = source_->counted();
    // What is around the records: brackets, names, blanks.
    summary_.skipped_bytes = summary_.size_bytes - summary_.loaded_bytes - summary_.rejected_bytes;
  }

  std::unique_ptr<Source> source_;
  const std::string name_;
  const JsonReadOptions options_;
  std::unordered_map<std::string, size_t> fields_;  ///< Of members and of `columns`.
  std::vector<std::pair<size_t, const JsonPath*>> deep_;
  ColumnPlan plan_;
  std::vector<ValueForm> forms_;
  std::vector<JsonSpan> values_;  ///< Of the record at hand, by field; kind 0: there is none.
  bool has_changed_ = false;
  bool is_finished_ = false;
  ReadSummary summary_;
};

}  // namespace

Result<std::unique_ptr<RecordReader>> open_json(storage::Storage& store, std::string name,
                                                JsonReadOptions options) {
  const std::string step = fmt::format("reading '{}'", name);
  std::unique_ptr<Source> source;
  if (options.format.is_lines) {
    source = std::make_unique<LinesSource>(store, name, options.block_bytes,
                                           options.format.max_record_bytes);
  } else {
    WEIR_ASSIGN(source, DocumentSource::open(store, name, options.format));
  }
  auto reader =
      std::make_unique<JsonReader>(std::move(source), std::move(name), std::move(options));
  WEIR_TRY(while_doing(reader->start(), step));
  return reader;
}

}  // namespace weir::files
