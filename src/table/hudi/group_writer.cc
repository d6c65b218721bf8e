#include "table/hudi/group_writer.h"

#include <algorithm>
#include <charconv>

#include <arrow/array/concatenate.h>
#include <arrow/builder.h>
#include <arrow/compute/cast.h>
#include <arrow/scalar.h>

#include "table/hudi/bloom.h"
#include "table/hudi/key_ranges.h"

namespace weir::table {
namespace {

constexpr int kKeyColumn = 2;
constexpr int kFileNameColumn = 4;
constexpr int kMetaCount = 5;

/// Arrow's Result as ours.
template <typename T>
Result<T> taken(arrow::Result<T> result) {
  if (!result.ok()) return std::unexpected(parquet::to_error(result.status()));
  return *std::move(result);
}

/// A column that holds one text in every row. The rows are made once and then cut from.
class ConstantColumn {
 public:
  explicit ConstantColumn(std::string text) : text_(std::move(text)) {}

  Result<std::shared_ptr<arrow::Array>> rows(int64_t count) {
    if (!column_ || column_->length() < count) {
      WEIR_ASSIGN(column_, taken(arrow::MakeArrayFromScalar(arrow::StringScalar(text_), count)));
    }
    return column_->length() == count ? column_ : column_->Slice(0, count);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::shared_ptr<arrow::Array> column_;
};

/// The column as `type`: itself, or cast where the table's type has become wider.
Result<std::shared_ptr<arrow::Array>> as_type(const std::shared_ptr<arrow::Array>& column,
                                              const arrow::Field& wanted) {
  if (column->type()->Equals(*wanted.type())) return column;
  auto cast = arrow::compute::Cast(*column, wanted.type());
  if (!cast.ok())
    return fail(ErrorCode::kInternal, "column '{}' is {}, the table has {}: {}", wanted.name(),
                column->type()->ToString(), wanted.type()->ToString(), cast.status().message());
  return *std::move(cast);
}

class ParquetGroupWriter final : public GroupWriter {
 public:
  ParquetGroupWriter(storage::Storage& store, GroupPlan plan, OnFinished on_finished)
      : store_(store),
        plan_(std::move(plan)),
        on_finished_(std::move(on_finished)),
        instant_(plan_.instant),
        partition_(plan_.partition),
        key_ranges_(*plan_.schema, plan_.key),
        file_name_(plan_.name.substr(plan_.partition.empty() ? 0 : plan_.partition.size() + 1)) {}

  Status open();
  Status write_changed(const arrow::RecordBatch& data, const arrow::Array& record_keys) override;
  Status write_copied(const arrow::RecordBatch& copied) override;
  int64_t rows() const override { return file_->rows(); }
  int64_t bytes_so_far() const override { return file_->bytes_so_far(); }
  Result<FileSlice> finish(int64_t updated, int64_t deleted) override;

 private:
  Status write_columns(arrow::ArrayVector columns, int64_t rows);
  Status take_keys(const std::shared_ptr<arrow::Array>& keys);
  Result<std::shared_ptr<arrow::Array>> sequence_numbers(int64_t count);
  Status check_counts(int64_t updated, int64_t deleted) const;
  std::map<std::string, std::string> footer() const;

  storage::Storage& store_;
  GroupPlan plan_;
  OnFinished on_finished_;
  ConstantColumn instant_;
  ConstantColumn partition_;
  KeyRangesOfFile key_ranges_;
  ConstantColumn file_name_;
  std::unique_ptr<parquet::FileWriter> file_;
  /// The filter's size must be known before the first key goes in, so the keys wait here.
  std::vector<std::shared_ptr<arrow::StringArray>> keys_;
  int64_t changed_ = 0;
  int64_t copied_ = 0;
  bool is_finished_ = false;
};

Status ParquetGroupWriter::open() {
  parquet::WriteOptions options;
  options.codec = parquet::Codec::kSnappy;
  // One row group for each open writer is what a merge holds in memory.
  options.row_group_rows = 122'880;
  options.row_group_bytes = int64_t{32} << 20;
  options.threads = plan_.threads;
  WEIR_ASSIGN(file_, parquet::create_file(store_, plan_.name, plan_.schema, options));
  return {};
}

Status ParquetGroupWriter::write_changed(const arrow::RecordBatch& data,
                                         const arrow::Array& record_keys) {
  const int64_t count = data.num_rows();
  if (record_keys.length() != count || record_keys.null_count() != 0)
    return fail(ErrorCode::kInternal, "{} rows came with {} record keys, {} of them null", count,
                record_keys.length(), record_keys.null_count());
  if (data.num_columns() != plan_.schema->num_fields() - kMetaCount)
    return fail(ErrorCode::kInternal, "rows of {} columns for a table of {}", data.num_columns(),
                plan_.schema->num_fields() - kMetaCount);
  if (count == 0) return {};
  arrow::ArrayVector columns(kMetaCount);
  WEIR_ASSIGN(columns[0], instant_.rows(count));
  WEIR_ASSIGN(columns[1], sequence_numbers(count));
  WEIR_ASSIGN(columns[kKeyColumn],
              as_type(arrow::MakeArray(record_keys.data()), *plan_.schema->field(kKeyColumn)));
  WEIR_ASSIGN(columns[3], partition_.rows(count));
  WEIR_ASSIGN(columns[kFileNameColumn], file_name_.rows(count));
  for (int i = 0; i < data.num_columns(); ++i) {
    const arrow::Field& wanted = *plan_.schema->field(i + kMetaCount);
    if (data.column_name(i) != wanted.name())
      return fail(ErrorCode::kInternal, "column {} is '{}', the table has '{}' there", i,
                  data.column_name(i), wanted.name());
    WEIR_ASSIGN(auto column, as_type(data.column(i), wanted));
    columns.push_back(std::move(column));
  }
  changed_ += count;
  return write_columns(std::move(columns), count);
}

Status ParquetGroupWriter::write_copied(const arrow::RecordBatch& copied) {
  const int64_t count = copied.num_rows();
  if (count == 0) return {};
  arrow::ArrayVector columns;
  columns.reserve(static_cast<size_t>(plan_.schema->num_fields()));
  for (int i = 0; i < plan_.schema->num_fields(); ++i) {
    const arrow::Field& wanted = *plan_.schema->field(i);
    if (i == kFileNameColumn) {
      WEIR_ASSIGN(columns.emplace_back(), file_name_.rows(count));
      continue;
    }
    // Mostly at the same place; elsewhere or absent where the schema has grown since.
    const bool is_in_place = i < copied.num_columns() && copied.column_name(i) == wanted.name();
    auto column = is_in_place ? copied.column(i) : copied.GetColumnByName(wanted.name());
    if (!column && i < kMetaCount)
      return fail(ErrorCode::kInternal, "copied rows lack Hudi's column '{}'", wanted.name());
    if (!column) {
      WEIR_ASSIGN(column, taken(arrow::MakeArrayOfNull(wanted.type(), count)));
    }
    WEIR_ASSIGN(columns.emplace_back(), as_type(column, wanted));
  }
  copied_ += count;
  return write_columns(std::move(columns), count);
}

Status ParquetGroupWriter::write_columns(arrow::ArrayVector columns, int64_t rows) {
  WEIR_TRY(take_keys(columns[kKeyColumn]));
  WEIR_TRY(key_ranges_.take(columns));
  return file_->write(*arrow::RecordBatch::Make(plan_.schema, rows, std::move(columns)));
}

Status ParquetGroupWriter::take_keys(const std::shared_ptr<arrow::Array>& keys) {
  auto texts = std::static_pointer_cast<arrow::StringArray>(keys);
  // A slice keeps the whole it was cut from alive; a small one of a large whole is copied out.
  if (texts->value_data() &&
      texts->value_data()->size() > 2 * texts->total_values_length() + 4096) {
    WEIR_ASSIGN(const auto own, taken(arrow::Concatenate({keys})));
    texts = std::static_pointer_cast<arrow::StringArray>(own);
  }
  keys_.push_back(std::move(texts));
  return {};
}

Result<std::shared_ptr<arrow::Array>> ParquetGroupWriter::sequence_numbers(int64_t count) {
  const std::string prefix = fmt::format("{}_{}_", plan_.instant, plan_.ordinal);
  constexpr size_t kDigits = 20;
  arrow::StringBuilder builder;
  arrow::Status status = builder.Reserve(count);
  if (status.ok())
    status = builder.ReserveData(count * static_cast<int64_t>(prefix.size() + kDigits));
  if (!status.ok()) return std::unexpected(parquet::to_error(status));
  std::string text = prefix;
  text.resize(prefix.size() + kDigits);
  for (int64_t i = 0; i < count; ++i) {
    const auto end =
        std::to_chars(text.data() + prefix.size(), text.data() + text.size(), changed_ + i);
    builder.UnsafeAppend(text.data(), static_cast<int32_t>(end.ptr - text.data()));
  }
  return taken(builder.Finish());
}

Status ParquetGroupWriter::check_counts(int64_t updated, int64_t deleted) const {
  if (updated < 0 || deleted < 0 || updated > changed_)
    return fail(ErrorCode::kInternal, "{}: {} updated and {} deleted of {} changed rows",
                plan_.name, updated, deleted, changed_);
  // Rows that are copied into a new group left another: whoever joins groups counts them.
  const int64_t before = plan_.previous.name.empty() ? copied_ : plan_.previous.rows;
  if (before >= 0 && copied_ + updated + deleted != before)
    return fail(ErrorCode::kInternal,
                "{}: the group had {} rows; {} were copied, {} updated and {} deleted", plan_.name,
                before, copied_, updated, deleted);
  return {};
}

std::map<std::string, std::string> ParquetGroupWriter::footer() const {
  std::map<std::string, std::string> footer = {{"parquet.avro.schema", plan_.avro_schema},
                                               {kRoleKey, std::string(to_text(plan_.role))},
                                               {kTokenKey, plan_.token}};
  std::string_view least;
  std::string_view greatest;
  bool is_first = true;
  const bool has_filter = plan_.bloom_false_positives > 0;
  SimpleBloom filter(has_filter ? file_->rows() : 1,
                     has_filter ? plan_.bloom_false_positives : 0.5);
  std::vector<std::string_view> texts;
  for (const auto& keys : keys_) {
    texts.clear();
    texts.reserve(static_cast<size_t>(keys->length()));
    for (int64_t i = 0; i < keys->length(); ++i) {
      const std::string_view key = keys->GetView(i);
      if (is_first || compare_as_java(key, least) < 0) least = key;
      if (is_first || compare_as_java(key, greatest) > 0) greatest = key;
      is_first = false;
      texts.push_back(key);
    }
    if (has_filter) filter.add_all(texts.data(), keys->length());
  }
  if (!is_first) {
    footer["hoodie_min_record_key"] = least;
    footer["hoodie_max_record_key"] = greatest;
  }
  if (has_filter) {
    // Also where there is no row: Spark's BLOOM index fails on a file without a filter.
    footer["hoodie_bloom_filter_type_code"] = "SIMPLE";
    footer["org.apache.hudi.bloomfilter"] = filter.footer_text();
  }
  return footer;
}

Result<FileSlice> ParquetGroupWriter::finish(int64_t updated, int64_t deleted) {
  if (is_finished_) return fail(ErrorCode::kInternal, "{} was finished before", plan_.name);
  WEIR_TRY(check_counts(updated, deleted));
  WEIR_ASSIGN(const parquet::WrittenFile written, file_->commit(footer(), storage::Put::kIfAbsent));
  is_finished_ = true;
  keys_.clear();
  FileSlice slice{plan_.file_group_id, plan_.partition,    plan_.name, plan_.instant,
                  written.rows,        written.size_bytes, plan_.role, written.sha256};
  WEIR_ASSIGN(slice.key_ranges, key_ranges_.ranges());
  const std::string& before = plan_.previous.name;
  WriteStat stat;
  stat.file_group_id = plan_.file_group_id;
  stat.path = plan_.name;
  stat.partition = plan_.partition;
  stat.previous_commit = plan_.previous.instant;
  stat.previous_file = before.substr(before.rfind('/') + 1);
  stat.rows = written.rows;
  stat.inserts = changed_ - updated;
  stat.updates = updated;
  stat.deletes = deleted;
  stat.size_bytes = written.size_bytes;
  on_finished_(slice, stat);
  return slice;
}

}  // namespace

Result<std::unique_ptr<GroupWriter>> make_group_writer(storage::Storage& store, GroupPlan plan,
                                                       OnFinished on_finished) {
  auto writer =
      std::make_unique<ParquetGroupWriter>(store, std::move(plan), std::move(on_finished));
  WEIR_TRY(writer->open());
  return writer;
}

Result<std::shared_ptr<arrow::Schema>> file_schema(const model::Schema& schema) {
  WEIR_ASSIGN(const auto data, parquet::to_arrow(schema));
  arrow::FieldVector fields;
  for (const auto name : kMetaColumns)
    fields.push_back(arrow::field(std::string(name), arrow::utf8()));
  for (const auto& field : data->fields()) fields.push_back(field);
  return arrow::schema(std::move(fields));
}

}  // namespace weir::table
