#include "files/value_form.h"

#include <gtest/gtest.h>

#include "files/header.h"

namespace weir::files {
namespace {

Form form_of(const char* type, std::string_view text, bool has_zone = false, char point = '.') {
  return ValueForm(*model::parse_type(type), has_zone, point).check(text);
}

TEST(ValueForm, ADecimalKeepsAllOfItsDigitsOrIsRefused) {
  for (const char* text :
       {"1", "-1.5", "1.50", "1.500", ".5", "5.", "+2.25", "1e2", "1.25e1", "0.0"}) {
    EXPECT_EQ(form_of("decimal(10,2)", text), Form::kFine) << text;
  }
  for (const char* text : {"1.005", "0.001", "-1.999", "125e-3", "1.5e-2"}) {
    EXPECT_EQ(form_of("decimal(10,2)", text), Form::kScaleOverflow) << text;
  }
  for (const char* text : {"ten", "1,5", "1.5.5", "", "-", "1e", "1e5x", "0x1F", "1_000", "NaN"}) {
    EXPECT_EQ(form_of("decimal(10,2)", text), Form::kWrongType) << text;
  }
  EXPECT_EQ(form_of("decimal(10,2)", "1,25", false, ','), Form::kFine);
  EXPECT_EQ(form_of("decimal(10,2)", "1.25", false, ','), Form::kWrongType);
}

TEST(ValueForm, AnIntegerIsNeverRounded) {
  for (const char* text : {"0", "-12", "007", "12.0", " 5 ", "+3"}) {
    EXPECT_EQ(form_of("bigint", text), Form::kFine) << text;
  }
  for (const char* text : {"1.5", "1e3", "1_000", "0x10", "--1", "1 2", "true", "5-"}) {
    EXPECT_EQ(form_of("bigint", text), Form::kWrongType) << text;
  }
}

TEST(ValueForm, AHugeintHasAtMostTheDigitsThatAColumnKeeps) {
  const std::string most(38, '9');
  EXPECT_EQ(form_of("hugeint", most), Form::kFine);
  EXPECT_EQ(form_of("hugeint", "-000" + most + ".0"), Form::kFine);
  EXPECT_EQ(form_of("hugeint", "1" + most), Form::kOutOfRange);
  EXPECT_EQ(form_of("hugeint", "-170141183460469231731687303715884105727"), Form::kOutOfRange);
  EXPECT_EQ(form_of("hugeint", most + "x"), Form::kWrongType);
}

TEST(ValueForm, AFloatIsNeitherMadeInfiniteNorZero) {
  for (const char* text :
       {"1e308", "-1.5e-300", "0", "-0.0", "0e999", "nan", "-Infinity", "+1e5"}) {
    EXPECT_EQ(form_of("double", text), Form::kFine) << text;
  }
  for (const std::string& text :
       {std::string("1e309"), std::string("-1e400"), std::string("1e-400"), std::string(400, '9'),
        "0." + std::string(400, '0') + "1"}) {
    EXPECT_EQ(form_of("double", text), Form::kOutOfRange) << text;
  }
  EXPECT_EQ(form_of("float", "1e39"), Form::kOutOfRange);
  EXPECT_EQ(form_of("float", "1e38"), Form::kFine);
  EXPECT_EQ(form_of("double", "1,5e400", false, ','), Form::kOutOfRange);
}

TEST(ValueForm, ADateHasNoTimeAndNoYearZero) {
  EXPECT_EQ(form_of("date", "2022-05-12"), Form::kFine);
  EXPECT_EQ(form_of("date", "2022/5/2"), Form::kFine);
  for (const char* text : {"2022-05-12 10:00:00", "0000-01-01", "20220512", "12.05.2022",
                           "infinity", "epoch", "2022-05/12", "22-05-12", "-2022-05-12"}) {
    EXPECT_EQ(form_of("date", text), Form::kWrongType) << text;
  }
}

TEST(ValueForm, ATimestampNeedsAZoneAndNoMoreThanMicroseconds) {
  EXPECT_EQ(form_of("timestamp", "2022-05-12T10:00:00Z"), Form::kFine);
  EXPECT_EQ(form_of("timestamp", "2022-05-12 10:00:00.123456000+02:00"), Form::kFine);
  EXPECT_EQ(form_of("timestamp", "2022-05-12 10:00:00"), Form::kNoZone);
  EXPECT_EQ(form_of("timestamp", "2022-05-12"), Form::kNoZone);
  EXPECT_EQ(form_of("timestamp", "2022-05-12 10:00:00", true), Form::kFine);
  EXPECT_EQ(form_of("timestamp", "2022-05-12 10:00:00.1234567Z"), Form::kTooFine);
  EXPECT_EQ(form_of("timestamp", "yesterday", true), Form::kWrongType);
  EXPECT_EQ(form_of("time", "10:00:00.1234567"), Form::kTooFine);
  EXPECT_EQ(form_of("time", "10:00"), Form::kFine);
}

TEST(ValueForm, AFloatTakesWhatItCanHold) {
  for (const char* text : {"1.5", "-1e-7", "1E22", ".5", "nan", "-Infinity"}) {
    EXPECT_EQ(form_of("double", text), Form::kFine) << text;
  }
  for (const char* text : {"1.5f", "0x1p3", "1_0.0", "", "inf inity"}) {
    EXPECT_EQ(form_of("double", text), Form::kWrongType) << text;
  }
}

model::Schema schema(std::initializer_list<const char*> names) {
  model::Schema columns;
  for (const char* name : names) columns.push_back({name, *model::parse_type("bigint"), true});
  return columns;
}

TEST(Header, NamesThatAreMissingDoubledOrReservedAreRefused) {
  EXPECT_EQ(check_header({"id", "", "x"}).error().message, "the header has no name for field 2");
  EXPECT_EQ(check_header({"id", "name", "ID"}).error().message,
            "the header has names that stand twice: 'id'");
  EXPECT_EQ(check_header({"_source_row"}).error().code, ErrorCode::kInvalidData);
  EXPECT_EQ(check_header({"_hoodie_commit_time"}).error().code, ErrorCode::kInvalidData);
  EXPECT_EQ(*check_header({" id ", "name"}), (std::vector<std::string>{"id", "name"}));
}

TEST(Header, NamesAreRenamedBeforeTheyAreLookedAt) {
  EXPECT_EQ(*check_header({" Order ID ", "_run_id"}, {{"Order ID", "id"}, {"_run_id", "run"}}),
            (std::vector<std::string>{"id", "run"}));
  EXPECT_EQ(check_header({"Order ID", "id"}, {{"Order ID", "ID"}}).error().message,
            "the header has names that stand twice: 'ID'");
  EXPECT_EQ(check_header({"a"}, {{"a", "_source_row"}}).error().code, ErrorCode::kInvalidData);
}

TEST(Header, ColumnsAreMatchedByNameWhateverTheirOrder) {
  const auto plan = plan_columns({"name", "ID", "extra"}, schema({"id", "name", "gone"}),
                                 model::ColumnPolicy::kEvolve);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->field_of_column, (std::vector<int>{1, 0, -1, 2}));
  EXPECT_EQ(plan->new_columns, (std::vector<std::string>{"extra"}));
  EXPECT_EQ(plan->missing_columns, (std::vector<std::string>{"gone"}));
  EXPECT_EQ(model::to_text(plan->schema[3].type), "varchar");
  const auto upper = plan_columns({"id"}, schema({"ID"}), model::ColumnPolicy::kFreeze);
  ASSERT_TRUE(upper);
  EXPECT_EQ(upper->field_of_column, (std::vector<int>{0}));
}

TEST(Header, TheContractDecidesAboutColumnsThatAreNotDeclared) {
  const auto dropped =
      plan_columns({"id", "extra"}, schema({"id"}), model::ColumnPolicy::kDiscardValue);
  ASSERT_TRUE(dropped);
  EXPECT_EQ(dropped->schema.size(), 1u);
  EXPECT_EQ(dropped->discarded_columns, (std::vector<std::string>{"extra"}));
  const auto more = plan_columns({"id", "extra"}, schema({"id"}), model::ColumnPolicy::kFreeze);
  EXPECT_EQ(more.error().code, ErrorCode::kSchemaDrift);
  EXPECT_NE(more.error().message.find("'extra'"), std::string::npos);
  const auto fewer = plan_columns({"id"}, schema({"id", "name"}), model::ColumnPolicy::kFreeze);
  EXPECT_EQ(fewer.error().code, ErrorCode::kSchemaDrift);
  const auto none = plan_columns({"id;name"}, schema({"id", "name"}), model::ColumnPolicy::kEvolve);
  EXPECT_EQ(none.error().code, ErrorCode::kSchemaDrift);
}

}  // namespace
}  // namespace weir::files
