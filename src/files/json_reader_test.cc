#include "files/json_reader.h"

#include <arrow/array.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"

namespace weir::files {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Read {
  std::vector<std::string> columns;
  std::vector<std::string> rows;  ///< Values between '|', NULL as `-`.
  std::vector<Reject> rejects;
  ReadSummary summary;
  std::string error;
};

Read read(const std::string& text, const Json& format, const model::Schema& declared = {},
          int64_t block_bytes = 7) {
  Read out;
  const auto store = storage::make_memory_storage();
  EXPECT_TRUE(storage::put(*store, "f", text, storage::Put::kReplace));
  JsonReadOptions options;
  options.format = json_format_from_json(format).value();
  options.declared = declared;
  options.block_bytes = block_bytes;
  options.batch_rows = 2;
  const auto reader = open_json(*store, "f", options);
  if (!reader) {
    out.error = to_line(reader.error());
    return out;
  }
  for (const auto& column : (*reader)->plan().schema) out.columns.push_back(column.name);
  while (true) {
    auto chunk = (*reader)->next();
    if (!chunk) out.error = to_line(chunk.error());
    if (!chunk || !*chunk) break;
    for (const auto& batch : (*chunk)->batches)
      for (int64_t row = 0; row < batch->num_rows(); ++row) {
        std::string line;
        for (int i = 0; i < batch->num_columns(); ++i) {
          const auto& texts = static_cast<const arrow::StringArray&>(*batch->column(i));
          line += (i == 0 ? "" : "|") + (texts.IsNull(row) ? "-" : std::string(texts.GetView(row)));
        }
        out.rows.push_back(line);
      }
    for (auto& reject : (*chunk)->rejects) out.rejects.push_back(std::move(reject));
  }
  out.summary = (*reader)->summary();
  EXPECT_TRUE(out.summary.accounts_for_every_byte());
  return out;
}

model::Schema schema(std::initializer_list<std::pair<const char*, const char*>> columns) {
  model::Schema made;
  for (const auto& [name, type] : columns)
    made.push_back({name, model::parse_type(type).value(), true});
  return made;
}

TEST(JsonReader, RecordsOfADocumentBecomeTextAsItStands) {
  const std::string text =
      "\xEF\xBB\xBF{\"n\": 2,\n \"data\": {\"items\": [ {\"id\": 12345678901234567890.120,\n"
      "\"s\": \"a\\u00e9\\ud83d\\ude00\\n\"} ,{\"id\":1e3, \"o\" : {\"k\": [1, "
      "\"]\"]},\"s\":null}]}}";
  const auto got = read(text, {{"records", "$.data.items"}});
  EXPECT_EQ(got.error, "");
  EXPECT_THAT(got.columns, ElementsAre("id", "s", "o"));
  EXPECT_THAT(got.rows, ElementsAre("12345678901234567890.120|a\u00e9\U0001F600\n|-",
                                    "1e3|-|{\"k\": [1, \"]\"]}"));
  EXPECT_EQ(got.summary.records, 2);
  EXPECT_EQ(got.summary.sha256, sha256_hex(text));
}

TEST(JsonReader, LinesStreamThroughAndFaultyOnesAreRejectedByThemselves) {
  const std::string text =
      "{\"a\": 1}\n\n  {\"a\": 2} \r\n{\"a\": 3\n[4]\n{\"a\":5,\"a\":6}\n{\"a\":\"\xFF\"}\n"
      "{\"a\":7} {\"a\":8}\n{\"a\":\"\\ud800\"}\n{\"a\": 9}";
  for (const int64_t block : {1, 2, 7, 4096}) {
    const auto got = read(text, {{"lines", true}}, {}, block);
    EXPECT_THAT(got.rows, ElementsAre("1", "2", "9")) << block;
    std::vector<std::string> reasons;
    for (const auto& reject : got.rejects) {
      reasons.push_back(fmt::format("{} {}", reject.place.line, reject.reason));
      EXPECT_EQ(text.substr(reject.place.byte_offset, reject.place.byte_length), reject.raw);
    }
    EXPECT_THAT(reasons, ElementsAre("4 invalid_json", "5 not_an_object", "6 duplicate_key",
                                     "7 invalid_utf8", "8 invalid_json", "9 invalid_utf8"));
    EXPECT_EQ(got.summary.records, 9);
    EXPECT_EQ(got.summary.loaded + got.summary.rejected, 9);
  }
}

TEST(JsonReader, ValuesOfAnotherTypeAreRejectedWithTheirPlace) {
  const auto declared = schema({{"id", "bigint"}, {"ok", "boolean"}, {"d", "decimal(5,2)"}});
  const auto got = read(
      "[{\"id\":1,\"ok\":true,\"d\":1.50},\n{\"id\":\"ten\"},{\"id\":true},{\"ok\":1},"
      "{\"id\":{\"x\":1}},{\"d\":1.005},{\"id\":\"7\"},{}, 5]",
      Json::object(), declared);
  EXPECT_THAT(got.rows, ElementsAre("1|true|1.50", "7|-|-", "-|-|-"));
  std::vector<std::string> reasons;
  for (const auto& reject : got.rejects) reasons.push_back(reject.reason + " " + reject.column);
  EXPECT_THAT(reasons, ElementsAre("wrong_type id", "wrong_type id", "wrong_type ok",
                                   "wrong_type id", "scale_overflow d", "not_an_object "));
  EXPECT_EQ(got.rejects[0].place.line, 2);
  EXPECT_EQ(got.rejects[0].place.record, 2);
  EXPECT_EQ(got.rejects[0].values, "{\"id\":\"ten\"}");
  EXPECT_EQ(got.summary.records, 9);
}

TEST(JsonReader, ColumnsReachDeeperIntoARecord) {
  const auto got = read("[{\"a\":{\"city\":\"Oslo\",\"zip\":[\"1\",\"2\"]},\"b\":1},{\"b\":2}]",
                        {{"columns", {{"city", "$.a.city"}, {"zip", "$.a.zip[-1]"}}}});
  EXPECT_THAT(got.columns, ElementsAre("city", "zip", "b"));
  EXPECT_THAT(got.rows, ElementsAre("Oslo|2|1", "-|-|2"));
  EXPECT_THAT(read("[{\"city\":1}]", {{"columns", {{"city", "$.a.city"}}}}).error,
              HasSubstr("have a member 'city'"));
}

TEST(JsonReader, EmptyIsNoFaultAndAnotherPlaceIs) {
  EXPECT_EQ(read("[]", Json::object()).summary.records, 0);
  EXPECT_EQ(read("{\"data\":null}", {{"records", "/data"}}).summary.records, 0);
  EXPECT_EQ(read("", {{"lines", true}}).summary.records, 0);
  EXPECT_EQ(read("{\"a\":1}", Json::object()).summary.records, 1);
  EXPECT_THAT(read("{\"a\":[]}", {{"records", "$.data"}}).error,
              HasSubstr("has nothing at $.data"));
  EXPECT_THAT(read("3", Json::object()).error, HasSubstr("neither an array nor an object"));
  EXPECT_THAT(read("[1,\n2,]", Json::object()).error, HasSubstr("is no JSON from line 2"));
  EXPECT_THAT(read("{}\n{}", Json::object()).error, HasSubstr("lines: true"));
  EXPECT_THAT(read("", Json::object()).error, HasSubstr("is no JSON"));
  EXPECT_THAT(read("[{\"x\":1}]", Json::object(), schema({{"id", "bigint"}})).error,
              HasSubstr("none of the declared columns; they have: x"));
}

TEST(JsonReader, DepthHasALimit) {
  EXPECT_THAT(read(std::string(100'000, '['), Json::object()).error, HasSubstr("is no JSON"));
}

}  // namespace
}  // namespace weir::files
