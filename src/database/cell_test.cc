#include "database/cell.h"

#include <limits>

#include <arrow/api.h>
#include <gtest/gtest.h>

namespace weir::database {
namespace {

using model::DataType;
using model::TypeKind;

constexpr DataType kText{TypeKind::kVarchar, 0, 0, {}};
DataType plain(TypeKind kind) { return {kind, 0, 0, {}}; }
DataType decimal(int precision, int scale) { return {TypeKind::kDecimal, precision, scale, {}}; }

Cell integer(int64_t value) {
  Cell cell;
  cell.kind = CellKind::kInteger;
  cell.integer = value;
  return cell;
}
Cell natural(uint64_t value) {
  Cell cell;
  cell.kind = CellKind::kUnsigned;
  cell.natural = value;
  return cell;
}
Cell of_text(CellKind kind, std::string_view text) {
  Cell cell;
  cell.kind = kind;
  cell.text = text;
  return cell;
}
Cell floating(double value) {
  Cell cell;
  cell.kind = CellKind::kDouble;
  cell.floating = value;
  return cell;
}
Cell at(CellKind kind, int64_t year, uint32_t month, uint32_t day, int64_t hour = 0) {
  Cell cell;
  cell.kind = kind;
  cell.time.year = year;
  cell.time.month = month;
  cell.time.day = day;
  cell.time.hour = hour;
  return cell;
}

/// What a cell becomes as that type, as Arrow writes it; or the reason why it is refused.
std::string read(const Cell& cell, const DataType& type, const ReadOptions& options = {}) {
  const auto writer = make_cell_writer({{"c", type, nullptr}}, options);
  if (!writer) return writer.error().message;
  if (const auto status = (*writer)->append({&cell, 1}); !status) return status.error().message;
  const auto batch = (*writer)->take();
  if (!batch) return batch.error().message;
  if (!batch->rejects.empty()) return batch->rejects[0].reason;
  const auto& column = *batch->rows.at(0).columns.at(0);
  if (column.IsNull(0)) return "NULL";
  return (*column.GetScalar(0))->ToString();
}

TEST(Cell, WholeNumbersFitOrAreRefused) {
  EXPECT_EQ(read(integer(-2147483648), plain(TypeKind::kInteger)), "-2147483648");
  EXPECT_EQ(read(integer(2147483648), plain(TypeKind::kInteger)), "out_of_range");
  EXPECT_EQ(read(natural(9223372036854775807), plain(TypeKind::kBigint)), "9223372036854775807");
  EXPECT_EQ(read(natural(9223372036854775808U), plain(TypeKind::kBigint)), "out_of_range");
  EXPECT_EQ(read(natural(std::numeric_limits<uint64_t>::max()), decimal(20, 0)),
            "18446744073709551615");
  EXPECT_EQ(read(integer(1), plain(TypeKind::kBoolean)), "true");
  EXPECT_EQ(read(integer(2), plain(TypeKind::kBoolean)), "out_of_range");
  EXPECT_EQ(read(integer(-1), plain(TypeKind::kBoolean)), "out_of_range");
  EXPECT_EQ(read(integer(9007199254740993), plain(TypeKind::kDouble)), "out_of_range");
  EXPECT_EQ(read(integer(9007199254740992), plain(TypeKind::kDouble)), "9.007199254740992e+15");
}

TEST(Cell, NumbersAsTextAreExact) {
  const auto number = [](std::string_view text, const DataType& type) {
    return read(of_text(CellKind::kNumeric, text), type);
  };
  EXPECT_EQ(number("-12.50", decimal(4, 2)), "-12.50");
  EXPECT_EQ(number("0012.5", decimal(4, 2)), "12.50");
  EXPECT_EQ(number("123.4", decimal(4, 2)), "out_of_range");
  EXPECT_EQ(number("1.005", decimal(10, 2)), "scale_overflow");
  EXPECT_EQ(number("1.0050", decimal(10, 3)), "1.005");
  EXPECT_EQ(number("99999999999999999999999999999999999999", decimal(38, 0)),
            "99999999999999999999999999999999999999");
  EXPECT_EQ(number("100000000000000000000000000000000000000", decimal(38, 0)), "out_of_range");
  EXPECT_EQ(number("1e+20", decimal(38, 0)), "100000000000000000000");
  EXPECT_EQ(number("1e-05", decimal(10, 5)), "0.00001");
  EXPECT_EQ(number("-0.000", decimal(3, 1)), "0.0");
  EXPECT_EQ(number("12.0", plain(TypeKind::kInteger)), "12");
  EXPECT_EQ(number("12.5", plain(TypeKind::kInteger)), "scale_overflow");
  EXPECT_EQ(number("9223372036854775808", plain(TypeKind::kBigint)), "out_of_range");
  EXPECT_EQ(number("-9223372036854775808", plain(TypeKind::kBigint)), "-9223372036854775808");
  for (const char* const none : {"", "-", "inf", "nan", "1.2.3", "0x12", "1e", "1e+", "e5", " 1"})
    EXPECT_EQ(number(none, decimal(10, 2)), "wrong_type") << none;
}

TEST(Cell, DaysThatAreNone) {
  const auto date = plain(TypeKind::kDate);
  const auto timestamp = plain(TypeKind::kTimestamp);
  EXPECT_EQ(read(at(CellKind::kDate, 2024, 2, 29), date), "2024-02-29");
  EXPECT_EQ(read(at(CellKind::kDate, 1, 1, 1), date), "0001-01-01");
  EXPECT_EQ(read(at(CellKind::kDate, 1969, 12, 31), date), "1969-12-31");
  EXPECT_EQ(read(at(CellKind::kDate, 2023, 2, 29), date), "out_of_range");
  EXPECT_EQ(read(at(CellKind::kDate, 0, 0, 0), date), "zero_date");
  EXPECT_EQ(read(at(CellKind::kDate, 2024, 2, 0), date), "zero_date");
  EXPECT_EQ(read(at(CellKind::kDateTime, 0, 0, 0), timestamp), "zero_date");
  ReadOptions as_null;
  as_null.zero_dates = NoValue::kNull;
  EXPECT_EQ(read(at(CellKind::kDateTime, 0, 0, 0), timestamp, as_null), "NULL");
  EXPECT_EQ(read(at(CellKind::kDate, 2023, 2, 29), date, as_null), "out_of_range");
  EXPECT_EQ(read(at(CellKind::kDate, 0, 0, 0), kText), "0000-00-00");
}

TEST(Cell, ATimeIsOneOfADay) {
  const auto time = plain(TypeKind::kTime);
  EXPECT_EQ(read(at(CellKind::kTime, 0, 0, 0, 23), time), "23:00:00.000000");
  EXPECT_EQ(read(at(CellKind::kTime, 0, 0, 0, 24), time), "out_of_range");
  Cell before = at(CellKind::kTime, 0, 0, 0, 1);
  before.time.is_negative = true;
  before.fraction_digits = 0;
  EXPECT_EQ(read(before, time), "out_of_range");
  EXPECT_EQ(read(before, kText), "-01:00:00");
}

TEST(Cell, TextIsUtf8) {
  EXPECT_EQ(read(of_text(CellKind::kText, "Ærø"), kText), "Ærø");
  EXPECT_EQ(read(of_text(CellKind::kText, "\xC3\x28"), kText), "invalid_utf8");
  EXPECT_EQ(read(of_text(CellKind::kBytes, "hi"), kText), "hi");
  EXPECT_EQ(read(of_text(CellKind::kBytes, "\xFF"), kText), "invalid_utf8");
  EXPECT_EQ(read(of_text(CellKind::kText, "hi"), plain(TypeKind::kBlob)), "wrong_type");
  EXPECT_EQ(read(of_text(CellKind::kMisfit, "hi"), kText), "wrong_type");
  const auto uuid = plain(TypeKind::kUuid);
  EXPECT_EQ(read(of_text(CellKind::kText, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"), uuid),
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
  EXPECT_EQ(read(of_text(CellKind::kText, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A1"), uuid),
            "wrong_type");
}

TEST(Cell, ARowThatIsRefusedLeavesTheOthersInTheirPlaces) {
  const auto writer = make_cell_writer(
      {{"a", plain(TypeKind::kInteger), nullptr}, {"b", kText, nullptr}}, ReadOptions());
  ASSERT_TRUE(writer);
  const std::vector<std::vector<Cell>> rows = {
      {integer(1), of_text(CellKind::kText, "x")},
      {integer(1LL << 40), of_text(CellKind::kText, "a\tb\\c\n")},
      {integer(3), of_text(CellKind::kText, "\xFF")},
      {Cell(), Cell()},
      {floating(1.5), Cell()}};
  for (const auto& row : rows) ASSERT_TRUE((*writer)->append(row));
  const auto batch = (*writer)->take();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->row_count, 5);
  ASSERT_EQ(batch->rows.size(), 2U);
  EXPECT_EQ(batch->rows[0].first_row, 0);
  EXPECT_EQ(batch->rows[0].columns[0]->length(), 1);
  EXPECT_EQ(batch->rows[1].first_row, 3);
  EXPECT_TRUE(batch->rows[1].columns[0]->IsNull(0));
  ASSERT_EQ(batch->rejects.size(), 3U);
  EXPECT_EQ(batch->rejects[0].row, 1);
  EXPECT_EQ(batch->rejects[0].column, "a");
  EXPECT_EQ(batch->rejects[0].raw, "1099511627776\ta\\tb\\\\c\\n");
  EXPECT_EQ(batch->rejects[1].reason, "invalid_utf8");
  EXPECT_EQ(batch->rejects[1].values, R"({"a":"3","b":"0xFF"})");
  EXPECT_EQ(batch->rejects[2].raw, "1.5\t\\N");
  // The next batch begins anew.
  const auto next = (*writer)->take();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->row_count, 0);
  EXPECT_TRUE(next->rejects.empty());
}

TEST(Cell, ABatchIsFullByRowsOrByBytes) {
  ReadOptions options;
  options.batch_rows = 2;
  options.batch_bytes = 100;
  const auto writer = make_cell_writer({{"b", kText, nullptr}}, options);
  ASSERT_TRUE(writer);
  const Cell small = of_text(CellKind::kText, "x");
  ASSERT_TRUE((*writer)->append({&small, 1}));
  EXPECT_FALSE((*writer)->is_full());
  ASSERT_TRUE((*writer)->append({&small, 1}));
  EXPECT_TRUE((*writer)->is_full());
  ASSERT_TRUE((*writer)->take());
  const std::string long_text(100, 'x');
  const Cell large = of_text(CellKind::kText, long_text);
  ASSERT_TRUE((*writer)->append({&large, 1}));
  EXPECT_TRUE((*writer)->is_full());
}

TEST(Cell, TimesGoThereAndBack) {
  for (const int64_t us : {int64_t{0}, int64_t{-1}, int64_t{951'782'400'000'001},
                           int64_t{-62'135'596'800'000'000}, int64_t{253'402'300'799'999'999}})
    EXPECT_EQ(microseconds_of(civil_of(us)), us);
}

}  // namespace
}  // namespace weir::database
