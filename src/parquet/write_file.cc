#include "parquet/parquet.h"

#include <arrow/api.h>
#include <arrow/util/byte_size.h>
#include <arrow/util/key_value_metadata.h>
#include <arrow/util/thread_pool.h>
#include <parquet/arrow/writer.h>

#include "parquet/io/streams.h"

namespace weir::parquet {
namespace {

using ArrowWriter = ::parquet::arrow::FileWriter;

// Spark 3 refuses dates before 1582 and instants before 1900 of a file that does not say by which
// calendar they count. It takes them as they stand, in the proleptic Gregorian one, where this key
// is at least 3.0.0 and `org.apache.spark.legacyDateTime` is absent (Spark:
// DataSourceUtils.datetimeRebaseSpec). The value names whose conventions these are, not who wrote.
constexpr const char* kCalendarKey = "org.apache.spark.version";
constexpr const char* kProlepticGregorian = "3.5.0";

std::shared_ptr<::parquet::WriterProperties> file_properties(const WriteOptions& options) {
  ::parquet::WriterProperties::Builder builder;
  // Spark's Hudi readers know data pages v1 best; decimals as integers break its rewrites.
  builder.data_page_version(::parquet::ParquetDataPageVersion::V1);
  builder.disable_store_decimal_as_integer();
  builder.max_row_group_length(options.row_group_rows);
  // Arrow's 1 MiB makes columns of unique values (keys, hashes, coordinates) hash themselves in
  // vain: a fifth of all time, and larger files.
  builder.dictionary_pagesize_limit(int64_t{128} * 1024);
  if (options.codec == Codec::kSnappy) {
    builder.compression(::parquet::Compression::SNAPPY);
  } else {
    builder.compression(::parquet::Compression::ZSTD)->compression_level(1);
  }
  return builder.build();
}

class ParquetWriter final : public FileWriter {
 public:
  ParquetWriter(std::string name, std::shared_ptr<arrow::Schema> schema,
                std::shared_ptr<ObjectSink> sink)
      : name_(std::move(name)), schema_(std::move(schema)), sink_(std::move(sink)) {}
  ~ParquetWriter() override {
    sink_->discard();
    drop_writer();
  }

  Status open(const WriteOptions& options);
  Status write(const arrow::RecordBatch& batch) override;
  int64_t rows() const override { return rows_; }
  int64_t bytes_so_far() const override;
  Result<WrittenFile> commit(const std::map<std::string, std::string>& footer,
                             storage::Put mode) override;

 private:
  Error failed(const arrow::Status& status) const {
    return blame(sink_->error(), status, ErrorCode::kUnavailable)
        .while_doing(fmt::format("writing '{}'", name_));
  }
  void drop_writer() noexcept {
    (void)without_exceptions([&] {
      writer_.reset();
      return arrow::Status::OK();
    });
  }

  std::string name_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<ObjectSink> sink_;  // Arrow's writer holds it too
  std::shared_ptr<arrow::internal::ThreadPool> threads_;
  std::unique_ptr<ArrowWriter> writer_;
  int64_t rows_ = 0;
  int64_t given_bytes_ = 0;    ///< Of Arrow buffers handed in.
  int64_t flushed_given_ = 0;  ///< The part of it that the sink's position accounts for.
  int64_t row_group_rows_ = 0;
  int64_t row_group_bytes_ = 0;
  int64_t rows_in_group_ = 0;
};

Status ParquetWriter::open(const WriteOptions& options) {
  ::parquet::ArrowWriterProperties::Builder arrow_properties;
  if (options.threads > 1) {
    auto pool = arrow::internal::ThreadPool::Make(static_cast<int>(options.threads));
    if (!pool.ok()) return std::unexpected(failed(pool.status()));
    threads_ = *std::move(pool);
    arrow_properties.set_use_threads(true)->set_executor(threads_.get());
  }
  row_group_rows_ = options.row_group_rows;
  row_group_bytes_ = options.row_group_bytes;
  const arrow::Status opened = without_exceptions([&] {
    return ArrowWriter::Open(*schema_, arrow::default_memory_pool(), sink_,
                             file_properties(options), arrow_properties.build())
        .Value(&writer_);
  });
  if (!opened.ok()) return std::unexpected(failed(opened));
  return {};
}

Status ParquetWriter::write(const arrow::RecordBatch& batch) {
  if (batch.schema() != schema_ && !batch.schema()->Equals(*schema_))
    return fail(ErrorCode::kInternal, "a batch for '{}' has the columns [{}], not [{}]", name_,
                batch.schema()->ToString(), schema_->ToString());
  if (!writer_) return fail(ErrorCode::kInternal, "'{}' is already committed", name_);
  if (batch.num_rows() == 0) return {};
  // Arrow counts rows alone; wide ones would make groups that do not fit into memory. Begun only
  // now, so that no empty group ends a file.
  const bool is_full = given_bytes_ - flushed_given_ >= row_group_bytes_;
  const arrow::Status written = without_exceptions([&] {
    if (is_full) ARROW_RETURN_NOT_OK(writer_->NewBufferedRowGroup());
    return writer_->WriteRecordBatch(batch);
  });
  if (!written.ok()) return std::unexpected(failed(written));
  if (is_full) {
    rows_in_group_ = 0;
    flushed_given_ = given_bytes_;
  }
  rows_ += batch.num_rows();
  rows_in_group_ += batch.num_rows();
  // Of a slice only its part.
  given_bytes_ += arrow::util::ReferencedBufferSize(batch).ValueOr(0);
  if (rows_in_group_ > row_group_rows_) {
    rows_in_group_ %= row_group_rows_;
    flushed_given_ = given_bytes_;
  }
  return {};
}

int64_t ParquetWriter::bytes_so_far() const {
  const int64_t flushed = sink_->Tell().ValueOr(0);
  // What is still in memory is taken to shrink as the rest did, or to a half before there is any.
  const double waiting = static_cast<double>(given_bytes_ - flushed_given_);
  const double shrinks =
      flushed_given_ > 0 ? static_cast<double>(flushed) / static_cast<double>(flushed_given_) : 0.5;
  return flushed + static_cast<int64_t>(waiting * shrinks);
}

Result<WrittenFile> ParquetWriter::commit(const std::map<std::string, std::string>& footer,
                                          storage::Put mode) {
  if (!writer_) return fail(ErrorCode::kInternal, "'{}' is already committed", name_);
  const arrow::Status closed = without_exceptions([&] {
    auto entries = std::make_shared<arrow::KeyValueMetadata>();
    for (const auto& [key, value] : footer) entries->Append(key, value);
    if (!footer.contains(kCalendarKey)) entries->Append(kCalendarKey, kProlepticGregorian);
    ARROW_RETURN_NOT_OK(writer_->AddKeyValueMetadata(entries));
    return writer_->Close();
  });
  if (!closed.ok()) {
    sink_->discard();
    drop_writer();
    return std::unexpected(failed(closed));
  }
  drop_writer();
  WEIR_ASSIGN(auto written,
              while_doing(sink_->commit(mode), fmt::format("publishing '{}'", name_)));
  return WrittenFile{rows_, written.size_bytes, std::move(written.sha256)};
}

}  // namespace

Result<std::unique_ptr<FileWriter>> create_file(storage::Storage& store, std::string_view name,
                                                std::shared_ptr<arrow::Schema> schema,
                                                const WriteOptions& options) {
  if (options.row_group_rows < 1 || options.row_group_bytes < 1)
    return fail(ErrorCode::kInternal, "row groups of {} rows and {} bytes", options.row_group_rows,
                options.row_group_bytes);
  WEIR_ASSIGN(auto object, store.create(name));
  auto writer = std::make_unique<ParquetWriter>(std::string(name), std::move(schema),
                                                std::make_shared<ObjectSink>(std::move(object)));
  WEIR_TRY(writer->open(options));
  return writer;
}

}  // namespace weir::parquet
