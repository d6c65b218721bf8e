#include "table/hudi/row_reader.h"

#include <algorithm>
#include <map>

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/compute/cast.h>
#include <arrow/scalar.h>

#include "table/hudi/fit_column.h"
#include "table/hudi/partition_values.h"

namespace weir::table {
namespace {

constexpr std::string_view kCommitTime = kMetaColumns[0];

template <typename T>
Result<T> taken(arrow::Result<T> result) {
  if (!result.ok()) return std::unexpected(parquet::to_error(result.status()));
  return *std::move(result);
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

/// A text of the path in every row, as the column's type.
Result<std::shared_ptr<arrow::Array>> constant(const std::optional<std::string>& text,
                                               const std::shared_ptr<arrow::DataType>& type,
                                               int64_t rows) {
  if (!text) return taken(arrow::MakeArrayOfNull(type, rows));
  WEIR_ASSIGN(const auto one, taken(arrow::MakeArrayFromScalar(arrow::StringScalar(*text), 1)));
  auto cast = arrow::compute::Cast(*one, type);
  if (!cast.ok())
    return fail(ErrorCode::kCorrupt, "'{}' is no {}: {}", *text, type->ToString(),
                cast.status().message());
  WEIR_ASSIGN(const auto scalar, taken((*cast)->GetScalar(0)));
  return taken(arrow::MakeArrayFromScalar(*scalar, rows));
}

class SliceRowReader final : public RowReader {
 public:
  SliceRowReader(storage::Storage& store, const TableProperties& properties, RowSource source)
      : store_(store), properties_(properties), source_(std::move(source)) {}

  Status choose_columns(const ReadOptions& options);
  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  Result<std::shared_ptr<arrow::RecordBatch>> next() override;

 private:
  Status open_next();
  Result<std::shared_ptr<arrow::RecordBatch>> read_group(int64_t group);
  Result<std::shared_ptr<arrow::RecordBatch>> fitted(const arrow::RecordBatch& stored);
  Result<std::shared_ptr<arrow::RecordBatch>> only_wanted(
      const std::shared_ptr<arrow::RecordBatch>& all, const arrow::Array* commit_times);
  bool is_wanted(std::string_view commit_time);

  storage::Storage& store_;
  TableProperties properties_;
  RowSource source_;
  std::shared_ptr<arrow::Schema> schema_;
  size_t next_slice_ = 0;
  std::unique_ptr<parquet::FileReader> file_;
  std::vector<std::string> stored_columns_;  ///< Of the open file, that are read.
  std::map<std::string, std::optional<std::string>> path_values_;
  int64_t next_group_ = 0;
  std::map<std::string, bool, std::less<>> known_;  ///< What is_wanted said.
};

Status SliceRowReader::choose_columns(const ReadOptions& options) {
  model::Schema chosen;
  for (const auto& name : options.columns) {
    const model::Column* column = model::find_column(source_.schema, name);
    if (column == nullptr)
      return fail(ErrorCode::kInvalidConfig, "the table has no column '{}'", name);
    chosen.push_back(*column);
  }
  WEIR_ASSIGN(const auto data,
              parquet::to_arrow(options.columns.empty() ? source_.schema : chosen));
  arrow::FieldVector fields;
  if (options.meta == MetaColumns::kFirst) {
    for (const auto name : kMetaColumns)
      fields.push_back(arrow::field(std::string(name), arrow::utf8()));
  }
  for (const auto& field : data->fields()) fields.push_back(field);
  schema_ = arrow::schema(std::move(fields));
  return {};
}

Status SliceRowReader::open_next() {
  const FileSlice& slice = source_.slices[next_slice_++];
  WEIR_ASSIGN(file_, parquet::open_file(store_, slice.name));
  next_group_ = 0;
  path_values_.clear();
  stored_columns_.clear();
  if (!source_.path_columns.empty()) {
    WEIR_ASSIGN(auto values, partition_values(properties_, slice.partition));
    for (auto& value : values) path_values_[value.column] = std::move(value.text);
  }
  const auto& stored = *file_->info().schema;
  for (const auto& field : schema_->fields()) {
    if (stored.GetFieldIndex(field->name()) >= 0) stored_columns_.push_back(field->name());
  }
  if (!source_.is_wanted) return {};
  if (stored.GetFieldIndex(std::string(kCommitTime)) < 0)
    return fail(ErrorCode::kCorrupt, "{} has no column '{}'", slice.name, kCommitTime);
  if (!contains(stored_columns_, kCommitTime)) stored_columns_.emplace_back(kCommitTime);
  return {};
}

Result<std::shared_ptr<arrow::RecordBatch>> SliceRowReader::next() {
  while (true) {
    while (file_ && next_group_ < file_->info().row_groups) {
      const std::string step =
          fmt::format("reading the rows of {}", source_.slices[next_slice_ - 1].name);
      WEIR_ASSIGN(auto batch, while_doing(read_group(next_group_++), step));
      if (batch->num_rows() > 0) return batch;
    }
    file_.reset();
    if (next_slice_ == source_.slices.size()) return nullptr;
    WEIR_TRY(open_next());
  }
}

Result<std::shared_ptr<arrow::RecordBatch>> SliceRowReader::read_group(int64_t group) {
  // An empty list would mean all columns; a file may have none of those asked for, yet has rows.
  const std::vector<std::string> columns =
      stored_columns_.empty() ? std::vector<std::string>{file_->info().schema->field(0)->name()}
                              : stored_columns_;
  WEIR_ASSIGN(const auto stored, file_->read_row_group(group, columns));
  WEIR_ASSIGN(auto batch, fitted(*stored));
  if (!source_.is_wanted) return batch;
  return only_wanted(batch, stored->GetColumnByName(std::string(kCommitTime)).get());
}

Result<std::shared_ptr<arrow::RecordBatch>> SliceRowReader::fitted(
    const arrow::RecordBatch& stored) {
  arrow::ArrayVector columns;
  for (const auto& field : schema_->fields()) {
    const std::string step = fmt::format("reading column '{}'", field->name());
    const auto in_path = path_values_.find(field->name());
    if (in_path != path_values_.end()) {
      WEIR_ASSIGN(auto column,
                  while_doing(constant(in_path->second, field->type(), stored.num_rows()), step));
      columns.push_back(std::move(column));
      continue;
    }
    const auto column = stored.GetColumnByName(field->name());
    if (!column) {
      WEIR_ASSIGN(columns.emplace_back(),
                  taken(arrow::MakeArrayOfNull(field->type(), stored.num_rows())));
      continue;
    }
    WEIR_ASSIGN(auto fit, while_doing(fit_column(column, field->type()), step));
    columns.push_back(std::move(fit));
  }
  return arrow::RecordBatch::Make(schema_, stored.num_rows(), std::move(columns));
}

bool SliceRowReader::is_wanted(std::string_view commit_time) {
  const auto known = known_.find(commit_time);
  if (known != known_.end()) return known->second;
  return known_.emplace(std::string(commit_time), source_.is_wanted(commit_time)).first->second;
}

Result<std::shared_ptr<arrow::RecordBatch>> SliceRowReader::only_wanted(
    const std::shared_ptr<arrow::RecordBatch>& all, const arrow::Array* commit_times) {
  if (commit_times == nullptr || commit_times->type_id() != arrow::Type::STRING ||
      commit_times->null_count() > 0)
    return fail(ErrorCode::kCorrupt, "rows do not tell in '{}' when they were changed",
                kCommitTime);
  const auto& times = static_cast<const arrow::StringArray&>(*commit_times);
  // Rows of one commit mostly stand together, so runs are cut out and put behind each other.
  arrow::RecordBatchVector runs;
  int64_t start = 0;
  for (int64_t row = 0; row <= all->num_rows(); ++row) {
    if (row < all->num_rows() && is_wanted(times.GetView(row))) continue;
    if (row > start) runs.push_back(all->Slice(start, row - start));
    start = row + 1;
  }
  if (runs.size() == 1) return runs[0];
  if (runs.empty()) return all->Slice(0, 0);
  return taken(arrow::ConcatenateRecordBatches(runs));
}

}  // namespace

Result<std::unique_ptr<RowReader>> make_row_reader(storage::Storage& store,
                                                   const TableProperties& properties,
                                                   RowSource source, const ReadOptions& options) {
  auto reader = std::make_unique<SliceRowReader>(store, properties, std::move(source));
  WEIR_TRY(reader->choose_columns(options));
  return reader;
}

}  // namespace weir::table
