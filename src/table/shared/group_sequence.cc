#include "table/shared/group_sequence.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>

namespace weir::table {
namespace {

constexpr std::string_view kFileNameColumn = kMetaColumns[4];

}  // namespace

Result<std::shared_ptr<arrow::Schema>> copied_schema(const Commit& commit) {
  WEIR_ASSIGN(const std::shared_ptr<arrow::Schema> data, parquet::to_arrow(commit.schema()));
  arrow::FieldVector fields;
  for (const std::string_view name : kMetaColumns) {
    // The writer sets the file's name itself: reading the old one of every row would be for
    // nothing.
    if (name != kFileNameColumn) fields.push_back(arrow::field(std::string(name), arrow::utf8()));
  }
  fields.insert(fields.end(), data->fields().begin(), data->fields().end());
  return arrow::schema(std::move(fields));
}

Result<std::shared_ptr<arrow::RecordBatch>> conform(const arrow::RecordBatch& batch,
                                                    const std::shared_ptr<arrow::Schema>& schema) {
  if (batch.schema()->Equals(*schema)) return batch.Slice(0);
  arrow::ArrayVector columns;
  for (const auto& field : schema->fields()) {
    std::shared_ptr<arrow::Array> column = batch.GetColumnByName(field->name());
    if (column == nullptr) {
      auto nulls = arrow::MakeArrayOfNull(field->type(), batch.num_rows());
      if (!nulls.ok()) return std::unexpected(parquet::to_error(nulls.status()));
      column = *std::move(nulls);
    } else if (!column->type()->Equals(*field->type())) {
      auto cast = arrow::compute::Cast(*column, field->type());
      if (!cast.ok())
        return std::unexpected(
            parquet::to_error(cast.status())
                .while_doing(fmt::format("widening column '{}'", field->name())));
      column = *std::move(cast);
    }
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(schema, batch.num_rows(), std::move(columns));
}

Result<CopiedGroup> CopiedGroup::open(HudiTable& table, Commit& commit, const FileSlice& slice) {
  CopiedGroup group;
  WEIR_ASSIGN(group.reader_, table.open(slice));
  WEIR_ASSIGN(group.writer_, commit.next_version(slice, slice.role));
  WEIR_ASSIGN(group.schema_, copied_schema(commit));
  for (const auto& field : group.reader_->info().schema->fields()) {
    if (field->name() != kFileNameColumn) group.columns_.push_back(field->name());
  }
  return group;
}

Result<std::shared_ptr<arrow::RecordBatch>> CopiedGroup::read(int64_t row_group) {
  WEIR_ASSIGN(const std::shared_ptr<arrow::RecordBatch> batch,
              reader_->read_row_group(row_group, columns_));
  return conform(*batch, schema_);
}

Status CopiedGroup::copy_whole() {
  for (int64_t i = 0; i < row_groups(); ++i) {
    WEIR_ASSIGN(const std::shared_ptr<arrow::RecordBatch> batch, read(i));
    WEIR_TRY(writer_->write_copied(*batch));
  }
  return {};
}

void GroupSequence::adopt(std::unique_ptr<GroupWriter> writer, int64_t updated, int64_t deleted) {
  writer_ = std::move(writer);
  updated_ = updated;
  deleted_ = deleted;
}

Status GroupSequence::write(const arrow::RecordBatch& data, const std::string& key_column) {
  if (data.num_rows() == 0) return {};
  if (schema_ == nullptr) {
    WEIR_ASSIGN(schema_, parquet::to_arrow(commit_.schema()));
  }
  if (writer_ != nullptr && writer_->bytes_so_far() >= target_bytes_) WEIR_TRY(finish());
  if (writer_ == nullptr) {
    WEIR_ASSIGN(writer_, commit_.new_group(role_, partition_));
  }
  WEIR_ASSIGN(const std::shared_ptr<arrow::RecordBatch> rows, conform(data, schema_));
  const std::shared_ptr<arrow::Array> keys = data.GetColumnByName(key_column);
  if (keys == nullptr)
    return fail(ErrorCode::kInternal, "rows without their record key '{}'", key_column);
  return writer_->write_changed(*rows, *keys);
}

Status GroupSequence::finish() {
  if (writer_ == nullptr) return {};
  const std::unique_ptr<GroupWriter> writer = std::move(writer_);
  WEIR_ASSIGN(FileSlice slice, writer->finish(updated_, deleted_));
  slices_.push_back(std::move(slice));
  updated_ = deleted_ = 0;
  return {};
}

}  // namespace weir::table
