#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using ::testing::HasSubstr;

std::string failure_of(std::string_view text) {
  const auto value = parse_json(text);
  if (value) return "it was read";
  EXPECT_EQ(value.error().code, ErrorCode::kInvalidData);
  return value.error().message;
}

TEST(ParseJson, ReadsWhatItWrites) {
  const std::string text =
      R"({"a":[1,-2,2.5,true,null,"é\n"],"b":{"c":{},"d":[]},"e":9223372036854775807})";
  const auto value = parse_json(text);
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(dump_json(*value), text);
  EXPECT_EQ(*parse_json(dump_json_pretty(*value)), *value);
}

TEST(ParseJson, EqualValuesAreWrittenEqual) {
  EXPECT_EQ(dump_json(*parse_json(R"({"b":1,"a":2})")), dump_json(*parse_json(R"({"a":2,"b":1})")));
}

TEST(ParseJson, AFaultHasItsLine) {
  EXPECT_THAT(failure_of("{\n\"a\": x}"), HasSubstr("line 2"));
  EXPECT_THAT(failure_of(""), HasSubstr("line 1"));
  for (const std::string_view text : {"{", "[1,]", "{\"a\":1} x", "'a'", "nul", "01", "\"\xff\""})
    EXPECT_THAT(failure_of(text), HasSubstr("no valid JSON")) << text;
}

TEST(ParseJson, AKeySaidTwiceIsRefused) {
  EXPECT_THAT(failure_of(R"({"a":1,"b":{"a":2},"a":3})"), HasSubstr("'a' stands twice"));
  EXPECT_TRUE(parse_json(R"([{"a":1},{"a":2}])"));
}

TEST(ParseJson, NestingIsLimited) {
  EXPECT_TRUE(parse_json(std::string(256, '[') + std::string(256, ']')));
  EXPECT_THAT(failure_of(std::string(257, '[') + std::string(257, ']')), HasSubstr("256"));
  EXPECT_THAT(failure_of(std::string(100'000, '[')), HasSubstr("256"));
}

TEST(DumpJson, BytesThatAreNoTextDoNotHinderAMessage) {
  EXPECT_EQ(dump_json(Json{{"name", "a\xff"}}), "{\"name\":\"a\xEF\xBF\xBD\"}");
}

TEST(JsonField, IsWhatItWasAskedToBe) {
  const Json object = {
      {"text", "a"}, {"number", 3}, {"real", 2.5}, {"yes", true}, {"none", nullptr}};
  EXPECT_EQ(*json_field<std::string>(object, "text"), "a");
  EXPECT_EQ(*json_field<int64_t>(object, "number"), 3);
  EXPECT_EQ(*json_field<double>(object, "number"), 3.0);
  EXPECT_EQ(*json_field<bool>(object, "yes"), true);
  EXPECT_EQ(*json_field_or<int64_t>(object, "absent", 7), 7);
  EXPECT_EQ(*json_field_or<int64_t>(object, "none", 7), 7);
}

TEST(JsonField, AFaultNamesTheField) {
  const Json object = {{"text", "a"}, {"real", 2.5}};
  EXPECT_THAT(json_field<int64_t>(object, "absent").error().message, HasSubstr("'absent'"));
  EXPECT_THAT(json_field<int64_t>(object, "text").error().message, HasSubstr("'text'"));
  EXPECT_FALSE(json_field<int64_t>(object, "real"));
  EXPECT_FALSE(json_field_or<int64_t>(object, "text", 7)) << "a wrong type is not an absence";
  EXPECT_FALSE(json_field<std::string>(Json::array(), "text"));
}

}  // namespace
}  // namespace weir
