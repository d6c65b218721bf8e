#include "parquet/parquet.h"

#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <arrow/api.h>
#include <arrow/util/byte_size.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include "base/environment.h"
#include "parquet/io/streams.h"

namespace weir::parquet {
namespace {

using model::Column;
using model::DataType;
using model::TypeKind;
using ::testing::ElementsAre;

model::Schema parsed(const std::vector<std::pair<std::string, std::string>>& columns) {
  model::Schema schema;
  for (const auto& [name, type] : columns)
    schema.push_back({name, model::parse_type(type).value(), true});
  return schema;
}

const model::Schema& every_type() {
  static const model::Schema kSchema = parsed({{"b", "boolean"},
                                               {"i", "integer"},
                                               {"l", "bigint"},
                                               {"h", "hugeint"},
                                               {"f", "float"},
                                               {"d", "double"},
                                               {"m", "decimal(9,2)"},
                                               {"w", "decimal(38,10)"},
                                               {"t", "varchar"},
                                               {"x", "blob"},
                                               {"day", "date"},
                                               {"clock", "time"},
                                               {"at", "timestamp"},
                                               {"u", "uuid"},
                                               {"li", "integer[]"},
                                               {"st", "struct(a varchar, b decimal(4,1))"},
                                               {"mp", "map(varchar, bigint)"}});
  return kSchema;
}

std::shared_ptr<arrow::RecordBatch> batch_from_json(const std::shared_ptr<arrow::Schema>& schema,
                                                    int64_t rows) {
  arrow::ArrayVector columns;
  for (const auto& field : schema->fields()) {
    auto builder = arrow::MakeBuilder(field->type()).ValueOrDie();
    for (int64_t i = 0; i < rows; ++i) {
      const bool is_null = i % 3 == 2;
      const auto status = is_null ? builder->AppendNull() : builder->AppendEmptyValue();
      EXPECT_TRUE(status.ok()) << status.ToString();
    }
    columns.push_back(builder->Finish().ValueOrDie());
  }
  return arrow::RecordBatch::Make(schema, rows, columns);
}

std::shared_ptr<arrow::RecordBatch> numbers(int64_t from, int64_t rows) {
  arrow::Int64Builder ids;
  arrow::StringBuilder names;
  for (int64_t i = from; i < from + rows; ++i) {
    EXPECT_TRUE(ids.Append(i).ok());
    EXPECT_TRUE(names.Append("row " + std::to_string(i)).ok());
  }
  auto schema =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("name", arrow::utf8())});
  return arrow::RecordBatch::Make(schema, rows,
                                  {ids.Finish().ValueOrDie(), names.Finish().ValueOrDie()});
}

/// The bytes of a committed object, as Arrow's low-level reader sees them.
std::unique_ptr<::parquet::ParquetFileReader> raw_file(storage::Storage& store,
                                                       const std::string& name) {
  const int64_t size = store.stat(name).value().size_bytes;
  return ::parquet::ParquetFileReader::Open(std::make_shared<ObjectSource>(store, name, size));
}

TEST(LinkOrder, OpenSslIsTheSystemsAndNotTheOneInsideParquet) {
  Dl_info info = {};
  ASSERT_NE(dladdr(reinterpret_cast<void*>(&EVP_DigestInit_ex), &info), 0);
  EXPECT_THAT(info.dli_fname, ::testing::HasSubstr("libcrypto"));
}

TEST(ParquetTypes, EveryTypeOfWeirComesBackFromArrow) {
  const auto schema = to_arrow(every_type());
  ASSERT_TRUE(schema) << to_line(schema.error());
  auto back = from_arrow(**schema);
  ASSERT_TRUE(back) << to_line(back.error());
  model::Schema expected = every_type();
  expected[3].type = DataType{TypeKind::kDecimal, 38, 0, {}};  // hugeint is stored as decimal
  expected[13].type.kind = TypeKind::kVarchar;                 // uuid is stored as text
  ASSERT_EQ(back->size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(model::to_text((*back)[i].type), model::to_text(expected[i].type));
}

TEST(ParquetTypes, NanosecondsAreRefusedByName) {
  const auto schema =
      arrow::schema({arrow::field("at", arrow::timestamp(arrow::TimeUnit::NANO, "UTC"))});
  const auto columns = from_arrow(*schema);
  ASSERT_FALSE(columns);
  EXPECT_EQ(columns.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(to_line(columns.error()), ::testing::HasSubstr("'at'"));
}

TEST(ParquetFile, EveryTypeComesBackEqual) {
  const auto store = storage::make_memory_storage();
  const auto schema = to_arrow(every_type()).value();
  const auto batch = batch_from_json(schema, 10);
  for (const Codec codec : {Codec::kSnappy, Codec::kZstd}) {
    auto file = create_file(*store, "a.parquet", schema, {.codec = codec}).value();
    ASSERT_TRUE(file->write(*batch));
    ASSERT_TRUE(file->commit({}, storage::Put::kReplace));
    auto reader = open_file(*store, "a.parquet").value();
    EXPECT_TRUE(reader->info().schema->Equals(*schema)) << reader->info().schema->ToString();
    const auto back = reader->read_row_group(0, {});
    ASSERT_TRUE(back) << to_line(back.error());
    EXPECT_TRUE((*back)->Equals(*batch)) << (*back)->ToString();
  }
}

TEST(ParquetFile, IsWrittenAsSparkAndHudiReadItRight) {
  const auto store = storage::make_memory_storage();
  const auto schema = to_arrow(every_type()).value();
  auto file = create_file(*store, "a.parquet", schema, {.codec = Codec::kSnappy}).value();
  ASSERT_TRUE(file->write(*batch_from_json(schema, 10)));
  ASSERT_TRUE(file->commit({{"k", "v"}}, storage::Put::kIfAbsent));
  const auto raw = raw_file(*store, "a.parquet");
  const auto metadata = raw->metadata();
  const auto* columns = metadata->schema();
  for (int i = 0; i < columns->num_columns(); ++i) {
    const auto& root = *columns->GetColumnRoot(i);
    EXPECT_TRUE(root.is_optional()) << root.name();
  }
  for (const char* decimal : {"h", "m", "w", "st.b"})
    EXPECT_EQ(columns->Column(columns->ColumnIndex(decimal))->physical_type(),
              ::parquet::Type::FIXED_LEN_BYTE_ARRAY)
        << decimal;
  const auto& at = *columns->Column(columns->ColumnIndex("at"))->logical_type();
  ASSERT_TRUE(at.is_timestamp());
  const auto& timestamp = static_cast<const ::parquet::TimestampLogicalType&>(at);
  EXPECT_TRUE(timestamp.is_adjusted_to_utc());
  EXPECT_EQ(timestamp.time_unit(), ::parquet::LogicalType::TimeUnit::MICROS);
  const auto& clock = *columns->Column(columns->ColumnIndex("clock"))->logical_type();
  EXPECT_FALSE(static_cast<const ::parquet::TimeLogicalType&>(clock).is_adjusted_to_utc());
  EXPECT_EQ(metadata->key_value_metadata()->size(), 2) << "no schema of Arrow beside ours";
  // Without it Spark refuses dates before 1582 and instants before 1900.
  EXPECT_EQ(metadata->key_value_metadata()->Get("org.apache.spark.version").ValueOr(""), "3.5.0");
  const auto chunk = metadata->RowGroup(0)->ColumnChunk(0);
  EXPECT_EQ(chunk->compression(), ::parquet::Compression::SNAPPY);
  ASSERT_NE(chunk->statistics(), nullptr);
  EXPECT_EQ(chunk->statistics()->null_count(), 3);
  for (const auto& encoding : chunk->encoding_stats())
    EXPECT_NE(encoding.page_type, ::parquet::PageType::DATA_PAGE_V2);
}

TEST(ParquetFile, RowGroupsKeepOrderAndSizes) {
  for (const int64_t threads : {1, 2}) {
    const auto store = storage::make_memory_storage();
    const auto schema = numbers(0, 1)->schema();
    auto file =
        create_file(*store, "a", schema, {.row_group_rows = 100, .threads = threads}).value();
    for (int64_t from = 0; from < 250; from += 50) ASSERT_TRUE(file->write(*numbers(from, 50)));
    EXPECT_EQ(file->rows(), 250);
    const auto written = file->commit({}, storage::Put::kIfAbsent);
    ASSERT_TRUE(written) << to_line(written.error());
    EXPECT_EQ(written->rows, 250);
    EXPECT_EQ(written->sha256, storage::digest_of(*store, "a").value().sha256);
    auto reader = open_file(*store, "a").value();
    EXPECT_EQ(reader->info().rows, 250);
    EXPECT_EQ(reader->info().row_groups, 3);
    EXPECT_EQ(reader->info().size_bytes, written->size_bytes);
    const auto last = reader->read_row_group(2, {});
    ASSERT_TRUE(last) << to_line(last.error());
    EXPECT_TRUE((*last)->Equals(*numbers(200, 50)));
    const auto names = reader->read_row_group(1, {"name"});
    ASSERT_TRUE(names) << to_line(names.error());
    EXPECT_TRUE((*names)->Equals(*numbers(100, 100)->SelectColumns({1}).ValueOrDie()));
  }
}

TEST(ParquetFile, RowGroupsOfWideRowsEndByTheirBytes) {
  const auto store = storage::make_memory_storage();
  const auto batch = numbers(0, 100);
  const int64_t bytes = arrow::util::ReferencedBufferSize(*batch).ValueOrDie();
  auto file = create_file(*store, "a", batch->schema(), {.row_group_bytes = 2 * bytes}).value();
  // Slices count for their own part only, not for the whole that they were cut from.
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(file->write(*batch->Slice(i % 2 * 50, 50)));
  ASSERT_TRUE(file->commit({}, storage::Put::kIfAbsent));
  auto reader = open_file(*store, "a").value();
  EXPECT_EQ(reader->info().rows, 400);
  ASSERT_EQ(reader->info().row_groups, 2) << "and no empty one in the end";
  for (int64_t group = 0; group < 2; ++group)
    EXPECT_EQ(reader->read_row_group(group, {}).value()->num_rows(), 200);
}

TEST(ParquetFile, ThreadsDoNotChangeTheBytes) {
  std::vector<std::string> digests;
  for (const int64_t threads : {1, 2}) {
    const auto store = storage::make_memory_storage();
    auto file = create_file(*store, "a", numbers(0, 1)->schema(),
                            {.row_group_rows = 700, .threads = threads})
                    .value();
    ASSERT_TRUE(file->write(*numbers(0, 2'000)));
    digests.push_back(file->commit({{"a", "b"}}, storage::Put::kIfAbsent).value().sha256);
  }
  EXPECT_EQ(digests[0], digests[1]);
}

TEST(ParquetFile, FooterComesBack) {
  const auto store = storage::make_memory_storage();
  auto file = create_file(*store, "a", numbers(0, 1)->schema(), {}).value();
  const std::map<std::string, std::string> footer = {
      {"weir.token", "t"}, {"weir.counts", "{}"}, {"org.apache.spark.version", "3.5.0"}};
  ASSERT_TRUE(file->commit(footer, storage::Put::kIfAbsent));
  const auto info = read_info(*store, "a");
  ASSERT_TRUE(info) << to_line(info.error());
  EXPECT_EQ(info->footer, footer);
  EXPECT_EQ(info->rows, 0);
}

TEST(ParquetFile, NothingIsThereBeforeCommit) {
  const auto store = storage::make_memory_storage();
  {
    auto file = create_file(*store, "a", numbers(0, 1)->schema(), {}).value();
    ASSERT_TRUE(file->write(*numbers(0, 1'000)));
    EXPECT_FALSE(store->stat("a"));
  }
  EXPECT_FALSE(store->stat("a"));
  const auto missing = open_file(*store, "a");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
}

TEST(ParquetFile, SecondCommitIfAbsentIsRefusedByTheStore) {
  const auto store = storage::make_memory_storage();
  ASSERT_TRUE(storage::put(*store, "a", "first", storage::Put::kIfAbsent));
  auto file = create_file(*store, "a", numbers(0, 1)->schema(), {}).value();
  const auto written = file->commit({}, storage::Put::kIfAbsent);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(store->read("a", storage::Range::all()).value(), "first");
}

TEST(ParquetFile, AnotherSchemaIsRefused) {
  const auto store = storage::make_memory_storage();
  auto file = create_file(*store, "a", to_arrow(every_type()).value(), {}).value();
  const auto status = file->write(*numbers(0, 1));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInternal);
}

TEST(ParquetFile, UnknownColumnIsNamed) {
  const auto store = storage::make_memory_storage();
  auto file = create_file(*store, "a", numbers(0, 1)->schema(), {}).value();
  ASSERT_TRUE(file->write(*numbers(0, 1)));
  ASSERT_TRUE(file->commit({}, storage::Put::kIfAbsent));
  auto reader = open_file(*store, "a").value();
  const auto batch = reader->read_row_group(0, {"id", "nmae"});
  ASSERT_FALSE(batch);
  EXPECT_EQ(batch.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(batch.error().message, ::testing::HasSubstr("nmae"));
}

/// A store whose writer and reader fail as told.
class Failing final : public storage::Storage {
 public:
  explicit Failing(storage::Storage& base) : base_(base) {}
  bool fails_writes = false;
  bool fails_reads = false;

  storage::Capabilities capabilities() const override { return base_.capabilities(); }
  Result<std::string> read(std::string_view name, storage::Range range) override {
    if (fails_reads) return fail(ErrorCode::kDenied, "no key for '{}'", name);
    return base_.read(name, range);
  }
  Result<storage::Entry> stat(std::string_view name) override { return base_.stat(name); }
  Result<std::unique_ptr<storage::Writer>> create(std::string_view name) override {
    class Full final : public storage::Writer {
      Status append(std::string_view) override {
        return fail(ErrorCode::kResourceExhausted, "disk is full");
      }
      Result<storage::Written> commit(storage::Put) override {
        return fail(ErrorCode::kInternal, "commit after a failed append");
      }
      Result<storage::Written> commit_if_version(const std::string&) override {
        return fail(ErrorCode::kInternal, "commit after a failed append");
      }
      void abort() noexcept override {}
    };
    if (fails_writes) return std::make_unique<Full>();
    return base_.create(name);
  }
  Result<storage::Page> list(std::string_view prefix, std::string_view after) override {
    return base_.list(prefix, after);
  }
  Status remove(std::string_view name) override { return base_.remove(name); }
  Result<std::string> engine_uri(std::string_view name) const override {
    return base_.engine_uri(name);
  }
  const std::string& uri() const override { return base_.uri(); }

 private:
  storage::Storage& base_;
};

TEST(ParquetFile, ErrorOfTheStoreIsTheOneThatIsTold) {
  const auto memory = storage::make_memory_storage();
  Failing store(*memory);
  store.fails_writes = true;
  auto file = create_file(store, "a", numbers(0, 1)->schema(), {}).value();
  Status status = file->write(*numbers(0, 1'000));
  const auto written = file->commit({}, storage::Put::kIfAbsent);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(written.error().message, "disk is full");

  store.fails_writes = false;
  file = create_file(store, "a", numbers(0, 1)->schema(), {}).value();
  ASSERT_TRUE(file->write(*numbers(0, 1'000)));
  ASSERT_TRUE(file->commit({}, storage::Put::kIfAbsent));
  auto reader = open_file(store, "a").value();
  store.fails_reads = true;
  const auto batch = reader->read_row_group(0, {});
  ASSERT_FALSE(batch);
  EXPECT_EQ(batch.error().code, ErrorCode::kDenied);
}

TEST(ParquetFile, CutOrOverwrittenBytesAreCorrupt) {
  const auto store = storage::make_memory_storage();
  auto file = create_file(*store, "a", numbers(0, 1)->schema(), {}).value();
  ASSERT_TRUE(file->write(*numbers(0, 10'000)));
  ASSERT_TRUE(file->commit({}, storage::Put::kIfAbsent));
  const std::string good = store->read("a", storage::Range::all()).value();
  const auto expect_corrupt = [&](const std::string& bytes) {
    SCOPED_TRACE(bytes.size());
    ASSERT_TRUE(storage::put(*store, "b", bytes, storage::Put::kReplace));
    const auto reader = open_file(*store, "b");
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().code, ErrorCode::kCorrupt) << to_line(reader.error());
  };
  expect_corrupt("");
  expect_corrupt("PAR1");
  expect_corrupt("id,name\n1,ann\n");
  expect_corrupt(good.substr(0, good.size() - 1));
  expect_corrupt(good.substr(0, good.size() / 2));
  expect_corrupt(good.substr(1'000));
  // Whatever one byte is turned into, nothing crashes; pages are checked where they are read.
  for (size_t at = 4; at < good.size(); at += good.size() / 500 + 1) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x5a);
    ASSERT_TRUE(storage::put(*store, "b", bytes, storage::Put::kReplace));
    const auto reader = open_file(*store, "b");
    if (!reader) continue;
    for (int64_t group = 0; group < (*reader)->info().row_groups; ++group)
      (void)(*reader)->read_row_group(group, {});
  }
}

TEST(ParquetFile, BadFilesOfTheCorpusAreCorrupt) {
  const auto environment = make_process_environment();
  const std::filesystem::path source = environment->get("WEIR_SOURCE").value_or(".");
  const std::filesystem::path folder =
      std::filesystem::path(
          environment->get("WEIR_CORPORA").value_or((source / "../shared/corpora").string())) /
      "parquet-bad";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is absent";
  const auto store = storage::make_memory_storage();
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".parquet") continue;
    SCOPED_TRACE(entry.path().filename().string());
    std::ostringstream bytes;
    bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    ASSERT_TRUE(storage::put(*store, "bad", bytes.str(), storage::Put::kReplace));
    ++files;
    const auto reader = open_file(*store, "bad");
    std::optional<Error> error;
    if (!reader) error = reader.error();
    for (int64_t i = 0; !error && i < (*reader)->info().row_groups; ++i) {
      const auto batch = (*reader)->read_row_group(i, {});
      if (!batch) error = batch.error();
    }
    // Indexes of no bits into a dictionary of one value: odd, but the values are all there.
    if (entry.path().stem() == "ARROW-GH-43605") {
      EXPECT_FALSE(error) << to_line(*error);
      continue;
    }
    ASSERT_TRUE(error) << "was read";
    EXPECT_EQ(error->code, ErrorCode::kCorrupt) << to_line(*error);
  }
  EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace weir::parquet
