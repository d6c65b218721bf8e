#include "table/hudi/fit_column.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

namespace weir::table {
namespace {

std::shared_ptr<arrow::Array> array(const std::shared_ptr<arrow::DataType>& type,
                                    const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

void expect_fit(const std::shared_ptr<arrow::Array>& stored,
                const std::shared_ptr<arrow::Array>& wanted) {
  const auto fitted = fit_column(stored, wanted->type());
  ASSERT_TRUE(fitted) << to_line(fitted.error());
  EXPECT_TRUE((*fitted)->ValidateFull().ok());
  EXPECT_TRUE((*fitted)->Equals(wanted)) << (*fitted)->ToString();
}

TEST(FitColumn, NumbersAndTimesWiden) {
  expect_fit(array(arrow::int32(), "[1, null, -3]"), array(arrow::int64(), "[1, null, -3]"));
  expect_fit(array(arrow::float32(), "[1.5, null]"), array(arrow::float64(), "[1.5, null]"));
  expect_fit(array(arrow::int32(), "[1]"), array(arrow::float64(), "[1.0]"));
  expect_fit(array(arrow::decimal128(5, 2), R"(["1.25", null])"),
             array(arrow::decimal128(10, 4), R"(["1.2500", null])"));
  expect_fit(array(arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"), "[7, null]"),
             array(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "[7000, null]"));
  // Without a zone: Hudi's local timestamps count from the same moment.
  expect_fit(array(arrow::timestamp(arrow::TimeUnit::MICRO), "[7]"),
             array(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "[7]"));
}

TEST(FitColumn, NumbersAndBytesBecomeText) {
  expect_fit(array(arrow::int64(), "[17, null]"), array(arrow::utf8(), R"(["17", null])"));
  expect_fit(array(arrow::binary(), R"(["a"])"), array(arrow::utf8(), R"(["a"])"));
  expect_fit(array(arrow::large_utf8(), R"(["a"])"), array(arrow::utf8(), R"(["a"])"));
}

TEST(FitColumn, FieldsAreFoundByName) {
  const auto stored =
      array(arrow::struct_({arrow::field("b", arrow::int32()), arrow::field("gone", arrow::utf8()),
                            arrow::field("a", arrow::utf8())}),
            R"([{"b": 1, "gone": "x", "a": "one"}, null, {"b": null, "gone": "y", "a": "two"}])");
  const auto type =
      arrow::struct_({arrow::field("a", arrow::utf8()), arrow::field("b", arrow::int64()),
                      arrow::field("new", arrow::list(arrow::utf8()))});
  expect_fit(stored, array(type, R"([{"a": "one", "b": 1}, null, {"a": "two", "b": null}])"));
  expect_fit(stored->Slice(1), array(type, R"([null, {"a": "two", "b": null}])"));
}

TEST(FitColumn, ItemsOfListsAndMapsWidenToo) {
  expect_fit(array(arrow::list(arrow::field("item", arrow::int32())), "[[1, null], null, []]"),
             array(arrow::list(arrow::field("element", arrow::int64())), "[[1, null], null, []]"));
  expect_fit(array(arrow::map(arrow::utf8(), arrow::struct_({arrow::field("x", arrow::int32())})),
                   R"([[["k", {"x": 1}]], null])"),
             array(arrow::map(arrow::utf8(), arrow::struct_({arrow::field("x", arrow::int64()),
                                                             arrow::field("y", arrow::utf8())})),
                   R"([[["k", {"x": 1, "y": null}]], null])"));
}

TEST(FitColumn, WhatDoesNotFitIsCorrupt) {
  const auto narrow = fit_column(array(arrow::int64(), "[3000000000]"), arrow::int32());
  ASSERT_FALSE(narrow);
  EXPECT_EQ(narrow.error().code, ErrorCode::kCorrupt);
  for (const auto& [stored, wanted] :
       {std::pair{array(arrow::utf8(), R"(["17"])"), arrow::int32()},
        std::pair{array(arrow::float64(), "[1.5]"), arrow::int32()},
        std::pair{array(arrow::int32(), "[1]"), arrow::list(arrow::int32())},
        std::pair{array(arrow::list(arrow::int32()), "[[1]]"),
                  arrow::struct_({arrow::field("x", arrow::int32())})}}) {
    const auto fitted = fit_column(stored, wanted);
    ASSERT_FALSE(fitted) << stored->type()->ToString();
    EXPECT_EQ(fitted.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(fitted.error().message.find(stored->type()->ToString()), std::string::npos);
  }
}

}  // namespace
}  // namespace weir::table
