#include "table/hudi/avro_container.h"

#include <gtest/gtest.h>

#include "table/hudi/avro_file.h"

namespace weir::table {
namespace {

constexpr std::string_view kSchema =
    R"({"type": "record", "name": "Plan", "fields": [
        {"name": "at", "type": ["null", "string"]},
        {"name": "files", "type": {"type": "array", "items": "string"}}]})";

Json plan_of(int files) {
  Json plan = {{"at", "20260101000000000"}, {"files", Json::array()}};
  for (int i = 0; i < files; ++i)
    plan["files"].push_back(fmt::format("city=Oslo/{:032}-0_0-0-0_20260101000000000.parquet", i));
  return plan;
}

TEST(AvroContainer, HoldsOneRecordOfAnySize) {
  // Avro's own block of 16 KiB is full at about 200 files.
  for (const int files : {0, 1, 150, 250, 20'000}) {
    const auto bytes = avro_container(kSchema, plan_of(files));
    ASSERT_TRUE(bytes) << files << ": " << to_line(bytes.error());
    const auto records = read_avro_file(*bytes, "plan");
    ASSERT_TRUE(records) << to_line(records.error());
    ASSERT_EQ(records->size(), 1);
    EXPECT_EQ(records->front(), plan_of(files));
  }
}

TEST(AvroContainer, WhatTheRecordLacksIsNull) {
  const auto bytes = avro_container(kSchema, {{"files", Json::array()}});
  ASSERT_TRUE(bytes) << to_line(bytes.error());
  // The reader leaves nulls out.
  EXPECT_EQ(read_avro_file(*bytes, "plan").value().front(), (Json{{"files", Json::array()}}));
}

TEST(AvroContainer, AValueOfAnotherTypeIsRefused) {
  const auto refused = avro_container(kSchema, {{"files", "none"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInternal);
}

}  // namespace
}  // namespace weir::table
