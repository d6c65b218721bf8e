#include "table/hudi/avro_schema.h"

#include <gtest/gtest.h>

namespace weir::table {
namespace {

model::DataType type(const char* text) { return *model::parse_type(text); }

TEST(AvroSchema, ColumnsAreNullableAndDecimalsFixed) {
  const auto text = avro_schema_text("stage.airports",
                                     {{"id", type("bigint"), true},
                                      {"price", type("decimal(10,2)"), true},
                                      {"day", type("date"), true},
                                      {"at", type("timestamp"), true}},
                                     MetaColumns::kLeftOut);
  ASSERT_TRUE(text) << to_line(text.error());
  EXPECT_EQ(
      *text,
      R"({"type":"record","name":"stage_airports_record","namespace":"hoodie.stage_airports","fields":[)"
      R"({"name":"id","type":["null","long"],"default":null},)"
      R"({"name":"price","type":["null",{"type":"fixed","name":"fixed",)"
      R"("namespace":"hoodie.stage_airports.stage_airports_record.price","size":5,)"
      R"("logicalType":"decimal","precision":10,"scale":2}],"default":null},)"
      R"({"name":"day","type":["null",{"type":"int","logicalType":"date"}],"default":null},)"
      R"({"name":"at","type":["null",{"type":"long","logicalType":"timestamp-micros"}],"default":null}]})");
}

TEST(AvroSchema, EveryTypeIsReadBack) {
  const model::Schema schema = {{"a", type("boolean"), true},
                                {"b", type("integer"), true},
                                {"c", type("bigint"), true},
                                {"d", type("float"), true},
                                {"e", type("double"), true},
                                {"f", type("decimal(38,10)"), true},
                                {"g", type("varchar"), true},
                                {"h", type("blob"), true},
                                {"i", type("date"), true},
                                {"j", type("time"), true},
                                {"k", type("timestamp"), true},
                                {"l", type("uuid"), true},
                                {"m", type("integer[]"), true},
                                {"n", type("struct(x integer, y struct(z decimal(4,1)))"), true},
                                {"o", type("map(varchar, double)"), true},
                                {"p", type("struct(q varchar)[]"), true}};
  for (const auto meta : {MetaColumns::kLeftOut, MetaColumns::kFirst}) {
    const auto text = avro_schema_text("t", schema, meta);
    ASSERT_TRUE(text) << to_line(text.error());
    const auto again = schema_from_avro(*text);
    ASSERT_TRUE(again) << to_line(again.error());
    ASSERT_EQ(again->size(), schema.size());
    for (size_t i = 0; i < schema.size(); ++i) {
      EXPECT_EQ((*again)[i].name, schema[i].name);
      EXPECT_EQ(model::to_text((*again)[i].type), model::to_text(schema[i].type));
    }
  }
}

TEST(AvroSchema, SizeOfADecimalIsTheLeastThatHoldsIt) {
  const std::pair<int, int> sizes[] = {{1, 1}, {2, 1},  {3, 2},  {4, 2},  {5, 3},
                                       {9, 4}, {10, 5}, {18, 8}, {19, 9}, {38, 16}};
  for (const auto& [precision, size] : sizes) {
    const model::Schema schema = {{"x", {model::TypeKind::kDecimal, precision, 0, {}}, true}};
    const auto text = avro_schema_text("t", schema, MetaColumns::kLeftOut);
    EXPECT_NE(text->find(fmt::format("\"size\":{},", size)), std::string::npos)
        << precision << " " << *text;
  }
}

TEST(AvroSchema, NamesThatAvroCannotHoldAreRefused) {
  for (const auto name : {"order id", "1st", "größe", "", "_hoodie_commit_time"}) {
    const auto text = avro_schema_text("t", {{name, type("varchar"), true}}, MetaColumns::kLeftOut);
    ASSERT_FALSE(text) << name;
    EXPECT_EQ(text.error().code, ErrorCode::kInvalidConfig);
    EXPECT_NE(text.error().message.find(fmt::format("'{}'", name)), std::string::npos);
  }
}

TEST(AvroSchema, MapsWithOtherKeysThanTextAreRefused) {
  const auto text =
      avro_schema_text("t", {{"m", type("map(integer, double)"), true}}, MetaColumns::kLeftOut);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::kUnsupported);
}

TEST(AvroSchema, ReadsWhatSparkWrites) {
  // The union the other way round, a type referred to by its name, Hudi's columns left out.
  const auto schema = schema_from_avro(
      R"({"type":"record","name":"r","namespace":"n","fields":[)"
      R"({"name":"_hoodie_commit_time","type":["null","string"],"doc":"","default":null},)"
      R"({"name":"a","type":[{"type":"fixed","name":"fixed","namespace":"n.r","size":3,"logicalType":"decimal","precision":5,"scale":2},"null"]},)"
      R"({"name":"b","type":["null","n.r.fixed"]},{"name":"c","type":"int"},)"
      R"({"name":"d","type":["null",{"type":"array","items":["null",{"type":"record","name":"d","fields":[{"name":"x","type":["null","string"]}]}]}]}]})");
  ASSERT_TRUE(schema) << to_line(schema.error());
  ASSERT_EQ(schema->size(), 4U);
  EXPECT_EQ(model::to_text((*schema)[0].type), "decimal(5,2)");
  EXPECT_EQ(model::to_text((*schema)[1].type), "decimal(5,2)");
  EXPECT_FALSE((*schema)[2].is_nullable);
  EXPECT_EQ((*schema)[3].type.kind, model::TypeKind::kList);
}

TEST(AvroSchema, RubbishIsCorruptNotACrash) {
  for (const auto text : {"", "{", "[]", "{\"fields\":3}", "{\"fields\":[{}]}",
                          "{\"fields\":[{\"name\":1,\"type\":\"int\"}]}"})
    EXPECT_EQ(schema_from_avro(text).error().code, ErrorCode::kCorrupt) << text;
}

}  // namespace
}  // namespace weir::table
