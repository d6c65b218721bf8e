#include "database/postgres_copy.h"

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::database {
namespace {

using model::DataType;
using model::TypeKind;
using testing::ElementsAre;
using testing::HasSubstr;

// What PostgreSQL 15 sends for `COPY (SELECT …) TO STDOUT (FORMAT binary)`.
// SELECT 7::int4, 'Ærø'::text, NULL::int8, 1.50::numeric(12,3), true
constexpr std::string_view kOneRow =
    "5047434f50590aff0d0a0000000000000000000005000000040000000700000005c38672c3b8ffffffff0000000c00"
    "02000000000003000113880000000101ffff";
// SELECT * FROM (VALUES (1, 1.005::numeric), (2, 1.5), (3, 'NaN')) v
constexpr std::string_view kThreeRows =
    "5047434f50590aff0d0a000000000000000000000200000004000000010000000c0002000000000003000100320002"
    "00000004000000020000000c000200000000000100011388000200000004000000030000000800000000c0000000ff"
    "ff";
// SELECT '2024-02-29'::date, '1969-12-31 23:59:59.999999+00'::timestamptz, '23:59:59.5'::time,
//        '{1,NULL,3}'::int4[], '{}'::int4[]
constexpr std::string_view kTimesAndArrays =
    "5047434f50590aff0d0a00000000000000000000050000000400002279000000"
    "08fffca2fec4c81fff00000008000000141dcfbee00000002800000001000000010000001700000003000000010000"
    "000400000001ffffffff00000004000000030000000c000000000000000000000017ffff";
// SELECT '{{1},{2}}'::int4[], 'infinity'::date
constexpr std::string_view kNestedAndInfinite =
    "5047434f50590aff0d0a00000000000000000000020000002c00000002000000000000001700000002000000010000"
    "00010000000100000004000000010000000400000002000000047fffffffffff";

std::string bytes_of(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

DataType plain(TypeKind kind) { return {kind, 0, 0, {}}; }
DataType decimal(int precision, int scale) { return {TypeKind::kDecimal, precision, scale, {}}; }

CopyColumn column(std::string name, CopyWire wire, DataType type) {
  return {std::move(name), wire, false, std::move(type)};
}

CopyColumn list(std::string name, CopyWire wire, TypeKind element) {
  DataType type = plain(TypeKind::kList);
  type.children.push_back({"element", plain(element), true});
  return {std::move(name), wire, true, std::move(type)};
}

Result<SourceBatch> decoded(std::string_view bytes, std::vector<CopyColumn> columns,
                            size_t step = std::string_view::npos, NoValue infinity = {}) {
  CopyOptions options;
  options.read.infinity = infinity;
  WEIR_ASSIGN(const auto decoder, make_copy_decoder(std::move(columns), options));
  for (size_t at = 0; at < bytes.size(); at += std::min(step, bytes.size()))
    WEIR_TRY(decoder->feed(bytes.substr(at, step)));
  WEIR_TRY(decoder->check_ended());
  return decoder->take();
}

std::vector<std::string> texts(const SourceRows& rows) {
  std::vector<std::string> values;
  for (const auto& array : rows.columns)
    for (int64_t i = 0; i < array->length(); ++i)
      values.push_back((*array->GetScalar(i))->ToString());
  return values;
}

std::vector<CopyColumn> columns_of_one_row() {
  return {column("id", CopyWire::kInt4, plain(TypeKind::kInteger)),
          column("name", CopyWire::kText, plain(TypeKind::kVarchar)),
          column("none", CopyWire::kInt8, plain(TypeKind::kBigint)),
          column("price", CopyWire::kNumeric, decimal(12, 3)),
          column("is_good", CopyWire::kBool, plain(TypeKind::kBoolean))};
}

TEST(PostgresCopy, ValuesAreWhatWasSent) {
  const auto batch = decoded(bytes_of(kOneRow), columns_of_one_row());
  ASSERT_TRUE(batch) << batch.error().message;
  ASSERT_EQ(batch->rows.size(), 1U);
  EXPECT_THAT(texts(batch->rows[0]), ElementsAre("7", "Ærø", "null", "1.500", "true"));
}

TEST(PostgresCopy, TheStreamMayBeCutAnywhere) {
  const std::string bytes = bytes_of(kOneRow);
  for (size_t step = 1; step < bytes.size(); ++step) {
    const auto batch = decoded(bytes, columns_of_one_row(), step);
    ASSERT_TRUE(batch) << step << ": " << batch.error().message;
    EXPECT_THAT(texts(batch->rows.at(0)), ElementsAre("7", "Ærø", "null", "1.500", "true"));
  }
}

TEST(PostgresCopy, AStreamThatEndsEarlyIsCorrupt) {
  const std::string bytes = bytes_of(kOneRow);
  for (size_t length = 0; length < bytes.size(); ++length) {
    const auto batch = decoded(std::string_view(bytes).substr(0, length), columns_of_one_row());
    ASSERT_FALSE(batch) << length;
    EXPECT_EQ(batch.error().code, ErrorCode::kCorrupt);
  }
}

TEST(PostgresCopy, AChangedByteIsAnotherValueOrAnErrorNeverACrash) {
  const std::string bytes = bytes_of(kTimesAndArrays);
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const int changed : {0, 1, 0x7F, 0x80, 0xFF}) {
      std::string other = bytes;
      other[at] = static_cast<char>(changed);
      const auto batch =
          decoded(other, {column("day", CopyWire::kDate, plain(TypeKind::kDate)),
                          column("at", CopyWire::kTimestamp, plain(TypeKind::kTimestamp)),
                          column("time", CopyWire::kTime, plain(TypeKind::kTime)),
                          list("some", CopyWire::kInt4, TypeKind::kInteger),
                          list("none", CopyWire::kInt4, TypeKind::kInteger)});
      if (!batch) {
        EXPECT_EQ(batch.error().code, ErrorCode::kCorrupt) << at;
      }
    }
  }
}

TEST(PostgresCopy, ARowWithoutAnExactValueIsRefusedAndTheOthersStay) {
  const auto batch =
      decoded(bytes_of(kThreeRows), {column("id", CopyWire::kInt4, plain(TypeKind::kInteger)),
                                     column("price", CopyWire::kNumeric, decimal(10, 2))});
  ASSERT_TRUE(batch) << batch.error().message;
  EXPECT_EQ(batch->row_count, 3);
  ASSERT_EQ(batch->rows.size(), 1U);
  EXPECT_EQ(batch->rows[0].first_row, 1);
  EXPECT_THAT(texts(batch->rows[0]), ElementsAre("2", "1.50"));
  ASSERT_EQ(batch->rejects.size(), 2U);
  EXPECT_EQ(batch->rejects[0].reason, "scale_overflow");
  EXPECT_EQ(batch->rejects[0].text, "1.005");
  EXPECT_EQ(batch->rejects[0].values, R"({"id":"1","price":"1.005"})");
  EXPECT_EQ(batch->rejects[1].row, 2);
  EXPECT_EQ(batch->rejects[1].reason, "wrong_type");
}

TEST(PostgresCopy, NumericsAreTextsWithAllTheirDigits) {
  const auto batch = decoded(bytes_of(kThreeRows),
                             {column("id", CopyWire::kInt4, decimal(3, 1)),
                              column("price", CopyWire::kNumeric, plain(TypeKind::kVarchar))});
  ASSERT_TRUE(batch) << batch.error().message;
  EXPECT_THAT(texts(batch->rows.at(0)), ElementsAre("1.0", "2.0", "3.0", "1.005", "1.5", "NaN"));
}

TEST(PostgresCopy, TimesCountFrom1970) {
  const auto batch = decoded(bytes_of(kTimesAndArrays),
                             {column("day", CopyWire::kDate, plain(TypeKind::kDate)),
                              column("at", CopyWire::kTimestamp, plain(TypeKind::kTimestamp)),
                              column("time", CopyWire::kTime, plain(TypeKind::kTime)),
                              list("some", CopyWire::kInt4, TypeKind::kInteger),
                              list("none", CopyWire::kInt4, TypeKind::kBigint)});
  ASSERT_TRUE(batch) << batch.error().message;
  const auto& columns = batch->rows.at(0).columns;
  EXPECT_EQ(static_cast<const arrow::Date32Array&>(*columns[0]).Value(0), 19782);
  EXPECT_EQ(static_cast<const arrow::TimestampArray&>(*columns[1]).Value(0), -1);
  EXPECT_EQ(static_cast<const arrow::Time64Array&>(*columns[2]).Value(0), 86'399'500'000);
  const auto& some = static_cast<const arrow::ListArray&>(*columns[3]);
  ASSERT_EQ(some.value_length(0), 3);
  EXPECT_TRUE(some.values()->IsNull(1));
  EXPECT_EQ(static_cast<const arrow::ListArray&>(*columns[4]).value_length(0), 0);
}

TEST(PostgresCopy, InfinityIsRefusedOrNullAsIsAsked) {
  const std::vector<CopyColumn> columns = {
      column("list", CopyWire::kText, plain(TypeKind::kVarchar)),
      column("day", CopyWire::kDate, plain(TypeKind::kDate))};
  const auto refused = decoded(bytes_of(kNestedAndInfinite), columns);
  ASSERT_TRUE(refused) << refused.error().message;
  ASSERT_EQ(refused->rejects.size(), 1U);
  EXPECT_EQ(refused->rejects[0].reason, "infinite");
  EXPECT_EQ(refused->rejects[0].text, "infinity");
  const auto taken =
      decoded(bytes_of(kNestedAndInfinite), columns, std::string_view::npos, NoValue::kNull);
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_TRUE(taken->rows.at(0).columns[1]->IsNull(0));
}

TEST(PostgresCopy, AnArrayOfArraysIsRefused) {
  const auto batch = decoded(bytes_of(kNestedAndInfinite),
                             {list("list", CopyWire::kInt4, TypeKind::kInteger),
                              column("day", CopyWire::kDate, plain(TypeKind::kDate))});
  ASSERT_TRUE(batch) << batch.error().message;
  ASSERT_EQ(batch->rejects.size(), 1U);
  EXPECT_EQ(batch->rejects[0].reason, "nested_array");
  EXPECT_TRUE(batch->rows.empty());
}

TEST(PostgresCopy, AnotherTypeThanIsSentIsRefusedAtOnce) {
  const auto made =
      make_copy_decoder({column("id", CopyWire::kText, plain(TypeKind::kInteger))}, {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(made.error().message, HasSubstr("'id'"));
}

}  // namespace
}  // namespace weir::database
