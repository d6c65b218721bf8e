#include "parquet/parquet.h"

#include <algorithm>

#include <arrow/api.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include "parquet/io/streams.h"

namespace weir::parquet {
namespace {

using ArrowReader = ::parquet::arrow::FileReader;

void collect_leaves(const ::parquet::arrow::SchemaField& field, std::vector<int>& leaves) {
  if (field.is_leaf()) leaves.push_back(field.column_index);
  for (const auto& child : field.children) collect_leaves(child, leaves);
}

/// What the footer says must hold together before anybody allocates by it.
arrow::Status check_row_groups(const ::parquet::FileMetaData& metadata, const FileInfo& info) {
  int64_t rows = 0;
  for (int i = 0; i < metadata.num_row_groups(); ++i) {
    const auto group = metadata.RowGroup(i);
    if (group->num_rows() < 0 || group->num_rows() > info.rows)
      return arrow::Status::Invalid("row group ", i, " says it has ", group->num_rows(), " rows");
    rows += group->num_rows();
    for (int j = 0; j < group->num_columns(); ++j) {
      const auto chunk = group->ColumnChunk(j);
      int64_t from = chunk->data_page_offset();
      if (chunk->has_dictionary_page() && chunk->dictionary_page_offset() > 0)
        from = std::min(from, chunk->dictionary_page_offset());
      const int64_t end = info.size_bytes - 8 - static_cast<int64_t>(metadata.size());
      const int64_t size = chunk->total_compressed_size();
      if (from < 4 || size < 0 || from > end || size > end - from)
        return arrow::Status::Invalid("column ", j, " of row group ", i, " lies outside the file");
    }
  }
  if (rows != info.rows)
    return arrow::Status::Invalid("the footer counts ", info.rows, " rows, the row groups ", rows);
  return arrow::Status::OK();
}

class ParquetReader final : public FileReader {
 public:
  ParquetReader(std::string name, std::shared_ptr<ObjectSource> source)
      : name_(std::move(name)), source_(std::move(source)) {}

  Status open(int64_t size_bytes);
  const FileInfo& info() const override { return info_; }
  Result<std::shared_ptr<arrow::RecordBatch>> read_row_group(
      int64_t row_group, const std::vector<std::string>& columns) override;

 private:
  Error failed(const arrow::Status& status) const {
    return blame(source_->error(), status, ErrorCode::kCorrupt)
        .while_doing(fmt::format("reading '{}'", name_));
  }
  arrow::Status open_arrow();
  Result<std::vector<int>> leaves_of(const std::vector<std::string>& columns) const;

  std::string name_;
  std::shared_ptr<ObjectSource> source_;  // Arrow's reader holds it too
  std::unique_ptr<ArrowReader> reader_;
  FileInfo info_;
};

arrow::Status ParquetReader::open_arrow() {
  ::parquet::ArrowReaderProperties properties;
  // All column chunks of a row group come in few large reads, beside each other.
  properties.set_pre_buffer(true);
  properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
  auto file = ::parquet::ParquetFileReader::Open(source_);
  ARROW_RETURN_NOT_OK(
      ArrowReader::Make(arrow::default_memory_pool(), std::move(file), properties).Value(&reader_));
  ARROW_RETURN_NOT_OK(reader_->GetSchema(&info_.schema));
  info_.schema = info_.schema->RemoveMetadata();
  const auto metadata = reader_->parquet_reader()->metadata();
  info_.rows = metadata->num_rows();
  info_.row_groups = metadata->num_row_groups();
  if (const auto& entries = metadata->key_value_metadata()) {
    for (int64_t i = 0; i < entries->size(); ++i)
      if (entries->key(i) != "ARROW:schema") info_.footer[entries->key(i)] = entries->value(i);
  }
  return check_row_groups(*metadata, info_);
}

Status ParquetReader::open(int64_t size_bytes) {
  info_.size_bytes = size_bytes;
  const arrow::Status opened = without_exceptions([&] { return open_arrow(); });
  if (!opened.ok()) return std::unexpected(failed(opened));
  return {};
}

Result<std::vector<int>> ParquetReader::leaves_of(const std::vector<std::string>& columns) const {
  std::vector<int> leaves;
  const auto& fields = reader_->manifest().schema_fields;
  for (const auto& field : fields) {
    if (columns.empty() || std::ranges::find(columns, field.field->name()) != columns.end())
      collect_leaves(field, leaves);
  }
  for (const std::string& column : columns) {
    const auto has_name = [&](const auto& field) { return field.field->name() == column; };
    if (std::ranges::none_of(fields, has_name))
      return fail(ErrorCode::kNotFound, "'{}' has no column '{}'", name_, column);
  }
  return leaves;
}

Result<std::shared_ptr<arrow::RecordBatch>> ParquetReader::read_row_group(
    int64_t row_group, const std::vector<std::string>& columns) {
  if (row_group < 0 || row_group >= info_.row_groups)
    return fail(ErrorCode::kInternal, "'{}' has {} row groups: there is none {}", name_,
                info_.row_groups, row_group);
  WEIR_ASSIGN(const std::vector<int> leaves, leaves_of(columns));
  std::shared_ptr<arrow::RecordBatch> batch;
  const arrow::Status read = without_exceptions([&]() -> arrow::Status {
    const int index = static_cast<int>(row_group);
    ARROW_ASSIGN_OR_RAISE(const auto table, reader_->ReadRowGroup(index, leaves));
    ARROW_RETURN_NOT_OK(table->Validate());
    const int64_t expected = reader_->parquet_reader()->metadata()->RowGroup(index)->num_rows();
    if (table->num_rows() != expected)
      return arrow::Status::Invalid("row group ", index, " has ", table->num_rows(), " rows, not ",
                                    expected);
    ARROW_ASSIGN_OR_RAISE(batch, table->CombineChunksToBatch());
    batch = batch->ReplaceSchemaMetadata(nullptr);
    return arrow::Status::OK();
  });
  if (!read.ok()) return std::unexpected(failed(read));
  return batch;
}

}  // namespace

Result<std::unique_ptr<FileReader>> open_file(storage::Storage& store, std::string_view name) {
  WEIR_ASSIGN(const storage::Entry entry, store.stat(name));
  auto source = std::make_shared<ObjectSource>(store, std::string(name), entry.size_bytes);
  auto reader = std::make_unique<ParquetReader>(std::string(name), std::move(source));
  WEIR_TRY(reader->open(entry.size_bytes));
  return reader;
}

Result<FileInfo> read_info(storage::Storage& store, std::string_view name) {
  WEIR_ASSIGN(const auto reader, open_file(store, name));
  return reader->info();
}

}  // namespace weir::parquet
