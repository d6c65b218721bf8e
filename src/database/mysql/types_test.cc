#include "database/mysql/types.h"

#include <gtest/gtest.h>

namespace weir::database::mysql {
namespace {

Field field(enum_field_types type, uint64_t length = 0, unsigned int decimals = 0,
            unsigned int flags = 0) {
  Field made;
  made.name = "c";
  made.type = type;
  made.length = length;
  made.decimals = decimals;
  made.flags = flags;
  made.charset = 45;
  return made;
}

std::string described(const Field& made) {
  const auto column = describe(made).column;
  return column.type_name + " → " + model::to_text(column.type) + (column.is_free ? ", free" : "");
}

std::string as(const Field& made, std::string_view type) {
  const auto wanted = model::parse_type(type);
  if (!wanted) return wanted.error().message;
  const auto other = fit(describe(made), *wanted);
  return other ? model::to_text(other->type) : "drift";
}

TEST(MysqlTypes, DecimalsAreCountedInDigits) {
  // The protocol counts characters: a sign and a point among them.
  EXPECT_EQ(described(field(MYSQL_TYPE_NEWDECIMAL, 12, 2)), "decimal(10,2) → decimal(10,2)");
  EXPECT_EQ(described(field(MYSQL_TYPE_NEWDECIMAL, 11, 2, UNSIGNED_FLAG)),
            "decimal(10,2) unsigned → decimal(10,2)");
  EXPECT_EQ(described(field(MYSQL_TYPE_NEWDECIMAL, 6, 0)), "decimal(5,0) → decimal(5,0)");
  EXPECT_EQ(described(field(MYSQL_TYPE_NEWDECIMAL, 40, 10)), "decimal(38,10) → decimal(38,10)");
  EXPECT_EQ(described(field(MYSQL_TYPE_NEWDECIMAL, 41, 10)), "decimal(39,10) → varchar, free");
}

TEST(MysqlTypes, NumbersHaveRoom) {
  EXPECT_EQ(described(field(MYSQL_TYPE_LONG)), "int → integer");
  EXPECT_EQ(described(field(MYSQL_TYPE_LONG, 10, 0, UNSIGNED_FLAG)), "int unsigned → bigint");
  EXPECT_EQ(described(field(MYSQL_TYPE_LONGLONG, 20, 0, UNSIGNED_FLAG)),
            "bigint unsigned → decimal(20,0)");
  EXPECT_EQ(described(field(MYSQL_TYPE_BIT, 1)), "bit(1) → boolean");
  EXPECT_EQ(described(field(MYSQL_TYPE_BIT, 31)), "bit(31) → integer");
  EXPECT_EQ(described(field(MYSQL_TYPE_BIT, 32)), "bit(32) → bigint");
  EXPECT_EQ(described(field(MYSQL_TYPE_BIT, 64)), "bit(64) → decimal(20,0)");
}

TEST(MysqlTypes, DeclaredTypesAreTakenWhereTheyHoldAll) {
  const Field flag = field(MYSQL_TYPE_TINY, 1);
  EXPECT_EQ(as(flag, "boolean"), "boolean");
  EXPECT_EQ(as(flag, "bigint"), "bigint");
  EXPECT_EQ(as(field(MYSQL_TYPE_SHORT), "boolean"), "drift");
  EXPECT_EQ(as(field(MYSQL_TYPE_LONG, 10, 0, UNSIGNED_FLAG), "integer"), "drift");
  EXPECT_EQ(as(field(MYSQL_TYPE_BIT, 1), "integer"), "integer");
  EXPECT_EQ(as(field(MYSQL_TYPE_BIT, 8), "boolean"), "drift");
  EXPECT_EQ(as(field(MYSQL_TYPE_NEWDECIMAL, 12, 2), "decimal(12,4)"), "decimal(12,4)");
  EXPECT_EQ(as(field(MYSQL_TYPE_NEWDECIMAL, 12, 2), "decimal(10,4)"), "drift");
  EXPECT_EQ(as(field(MYSQL_TYPE_NEWDECIMAL, 41, 10), "decimal(10,4)"), "decimal(10,4)");
  EXPECT_EQ(as(field(MYSQL_TYPE_DATETIME), "varchar"), "varchar");
  EXPECT_EQ(as(field(MYSQL_TYPE_DATETIME), "date"), "drift");
  EXPECT_EQ(as(field(MYSQL_TYPE_FLOAT), "double"), "double");
  EXPECT_EQ(as(field(MYSQL_TYPE_DOUBLE), "float"), "drift");
}

TEST(MysqlErrors, SayWhatCanBeDone) {
  EXPECT_EQ(explain_mysql_error(1045, "x").code, ErrorCode::kDenied);
  EXPECT_EQ(explain_mysql_error(1049, "x").code, ErrorCode::kNotFound);
  EXPECT_EQ(explain_mysql_error(1064, "x").code, ErrorCode::kInvalidConfig);
  EXPECT_EQ(explain_mysql_error(1205, "x").code, ErrorCode::kConflict);
  EXPECT_EQ(explain_mysql_error(2013, "x").code, ErrorCode::kUnavailable);
  EXPECT_EQ(explain_mysql_error(2026, "x").code, ErrorCode::kInvalidConfig);
  EXPECT_EQ(explain_mysql_error(2999, "x").code, ErrorCode::kInternal);
}

TEST(MysqlNames, AreQuoted) { EXPECT_EQ(quoted_name("a`b"), "`a``b`"); }

}  // namespace
}  // namespace weir::database::mysql
