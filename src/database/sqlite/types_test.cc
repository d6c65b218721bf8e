#include "database/sqlite/types.h"

#include <gtest/gtest.h>

namespace weir::database::sqlite {
namespace {

std::string described(const std::string& declared) {
  const auto column = describe("c", declared).column;
  return model::to_text(column.type) + (column.is_free ? ", free" : "");
}

std::string as(const std::string& declared, std::string_view type) {
  const auto wanted = model::parse_type(type);
  if (!wanted) return wanted.error().message;
  const auto other = fit(describe("c", declared), *wanted);
  return other ? model::to_text(other->column.type) : "drift";
}

std::string time(std::string_view text) {
  const auto read = read_time(text);
  if (!read) return "none";
  Cell cell;
  cell.kind = CellKind::kDateTime;
  cell.time = read->time;
  return text_of(cell) +
         (read->offset_minutes ? fmt::format(" {}", *read->offset_minutes) : std::string());
}

TEST(SqliteTypes, AreThoseOfItsAffinities) {
  EXPECT_EQ(described("INTEGER"), "bigint");
  EXPECT_EQ(described("unsigned big int"), "bigint");
  EXPECT_EQ(described("FLOATING POINT"), "bigint");  // as SQLite has it: POINT
  EXPECT_EQ(described("NVARCHAR(100)"), "varchar");
  EXPECT_EQ(described("BLOB"), "blob");
  EXPECT_EQ(described("DOUBLE PRECISION"), "double");
  EXPECT_EQ(described("DECIMAL(10,5)"), "decimal(10,5)");
  EXPECT_EQ(described("decimal( 10 , 5 )"), "decimal(10,5)");
  EXPECT_EQ(described("NUMERIC(5)"), "decimal(5,0)");
  EXPECT_EQ(described("DECIMAL(39,2)"), "varchar, free");
  EXPECT_EQ(described("DECIMAL(2,5)"), "varchar, free");
  EXPECT_EQ(described("NUMERIC"), "varchar, free");
  EXPECT_EQ(described("STRING"), "varchar, free");
  EXPECT_EQ(described(""), "varchar, free");
  EXPECT_EQ(described("datetime"), "timestamp");
  EXPECT_EQ(described("DATE"), "date");
}

TEST(SqliteTypes, DeclaredTypesAreTakenWhereValuesMayBeSuch) {
  EXPECT_EQ(as("INTEGER", "boolean"), "boolean");
  EXPECT_EQ(as("INTEGER", "decimal(8,2)"), "decimal(8,2)");
  EXPECT_EQ(as("INTEGER", "date"), "drift");
  EXPECT_EQ(as("TEXT", "timestamp"), "timestamp");
  EXPECT_EQ(as("TEXT", "bigint"), "drift");
  EXPECT_EQ(as("DATETIME", "bigint"), "bigint");
  EXPECT_EQ(as("REAL", "decimal(8,2)"), "decimal(8,2)");
  EXPECT_EQ(as("REAL", "bigint"), "drift");
  EXPECT_EQ(as("BLOB", "varchar"), "varchar");
  EXPECT_EQ(as("", "uuid"), "uuid");
  EXPECT_EQ(as("", "integer[]"), "drift");
}

TEST(SqliteTypes, TimesAreReadInTheirFormsAndNoOther) {
  EXPECT_EQ(time("2024-02-29"), "2024-02-29 00:00:00.000000");
  EXPECT_EQ(time("2024-02-29 12:34"), "2024-02-29 12:34:00.000000");
  EXPECT_EQ(time("2024-02-29T12:34:56.7"), "2024-02-29 12:34:56.700000");
  EXPECT_EQ(time("2024-02-29 12:34:56.123456000Z"), "2024-02-29 12:34:56.123456 0");
  EXPECT_EQ(time("2024-02-29 12:34:56-05:30"), "2024-02-29 12:34:56.000000 -330");
  for (const char* const none :
       {"", "2024-2-9", "2023-02-29", "2024-02-29 24:00", "2024-02-29 12", "2024-02-29 12:34:56.",
        "2024-02-29 12:34:56.1234567", "2024-02-29x12:34", "2024-02-29 12:34:60", "1709164800",
        "2024-02-29 12:34 ", "2024-02-29 12:34+0200", "20240229"})
    EXPECT_EQ(time(none), "none") << none;
}

TEST(SqliteTypes, RealsAreTheirShortestDecimals) {
  EXPECT_EQ(real_text(0.1), "0.1");
  EXPECT_EQ(real_text(5), "5.0");
  EXPECT_EQ(real_text(-1e300), "-1e+300");
}

}  // namespace
}  // namespace weir::database::sqlite
