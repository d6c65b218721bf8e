#include "files/json_reader.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/printable.h"
#include "files/csv/text_batch.h"
#include "files/json/json_text.h"
#include "files/json/records.h"
#include "files/value_form.h"

namespace weir::files {
namespace {

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
  JsonReader(std::unique_ptr<RecordSource> source, std::string name, JsonReadOptions options)
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
      each_member(record->text, *object, [&](const std::string& name, const JsonSpan&) {
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
        if (value) value = step_into(text, *value, step);
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

  std::unique_ptr<RecordSource> source_;
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
  std::unique_ptr<RecordSource> source;
  if (options.format.is_lines) {
    source = open_lines(store, name, options.block_bytes, options.format.max_record_bytes);
  } else {
    WEIR_ASSIGN(source, open_document(store, name, options.format));
  }
  auto reader =
      std::make_unique<JsonReader>(std::move(source), std::move(name), std::move(options));
  WEIR_TRY(while_doing(reader->start(), step));
  return reader;
}

}  // namespace weir::files
