#include "files/csv_reader.h"

#include <arrow/array.h>
#include <gmock/gmock.h>

#include "files/inference.h"

namespace weir::files {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct ReadFile {
  std::vector<std::vector<std::string>> rows;  // NULL is "∅"
  std::vector<Reject> rejects;
  ReadSummary summary;
  ColumnPlan plan;
};

Dialect dialect_of(const char* json) { return *dialect_from_json(*parse_json(json)); }

Result<ReadFile> read(const std::string& text, ReadOptions options) {
  const auto store = storage::make_memory_storage();
  WEIR_TRY(storage::put(*store, "x.csv", text, storage::Put::kReplace));
  WEIR_ASSIGN(const auto reader, CsvReader::open(*store, "x.csv", std::move(options)));
  ReadFile file;
  while (true) {
    WEIR_ASSIGN(auto chunk, reader->next());
    if (!chunk) break;
    for (const auto& batch : chunk->batches) {
      for (int64_t row = 0; row < batch->num_rows(); ++row) {
        file.rows.emplace_back();
        for (const auto& column : batch->columns()) {
          const auto& texts = static_cast<const arrow::StringArray&>(*column);
          file.rows.back().push_back(texts.IsNull(row) ? "∅" : texts.GetString(row));
        }
      }
    }
    EXPECT_LE(chunk->rows.size(), file.rows.size());
    for (auto& reject : chunk->rejects) file.rejects.push_back(std::move(reject));
  }
  file.summary = reader->summary();
  file.plan = reader->plan();
  EXPECT_EQ(file.summary.sha256, sha256_hex(text));
  EXPECT_TRUE(file.summary.accounts_for_every_byte());
  EXPECT_EQ(file.summary.records, file.summary.loaded + file.summary.rejected);
  EXPECT_EQ(file.summary.loaded, static_cast<int64_t>(file.rows.size()));
  for (const Reject& reject : file.rejects) {
    EXPECT_EQ(reject.raw, text.substr(static_cast<size_t>(reject.place.byte_offset),
                                      static_cast<size_t>(reject.place.byte_length)));
  }
  return file;
}

ReadOptions options_of(const char* dialect,
                       std::initializer_list<std::pair<const char*, const char*>> columns = {}) {
  ReadOptions options;
  options.dialect = dialect_of(dialect);
  for (const auto& [name, type] : columns) {
    options.declared.push_back({name, *model::parse_type(type), true});
  }
  return options;
}

TEST(CsvReader, HandsOutTextByDeclaredNameAndNullsAsDeclared) {
  const auto file = read("\xEF\xBB\xBFname,id\r\n\"a,b\",1\r\n,2\r\n\"\",3\r\n",
                         options_of("{}", {{"id", "bigint"}, {"name", "varchar"}}));
  ASSERT_TRUE(file);
  EXPECT_THAT(file->rows,
              ElementsAre(ElementsAre("1", "a,b"), ElementsAre("2", "∅"), ElementsAre("3", "∅")));
  const auto kept = read("id,name\n1,\"\"\n2,NA\n3,\n",
                         options_of(R"({"null": ["NA", ""], "quoted_null": false})"));
  ASSERT_TRUE(kept);
  EXPECT_THAT(kept->rows,
              ElementsAre(ElementsAre("1", ""), ElementsAre("2", "∅"), ElementsAre("3", "∅")));
}

TEST(CsvReader, EachFaultyRecordIsARejectWithItsPlaceAndBytes) {
  const auto file =
      read("id,amount\n1,1.50\n2\n3,4,5\n4,ten\n5,1.005\n6,\"x\"y\n7,\xFF\n8,\"open\n9,9\n",
           options_of("{}", {{"id", "bigint"}, {"amount", "decimal(10,2)"}}));
  ASSERT_TRUE(file);
  EXPECT_THAT(file->rows, ElementsAre(ElementsAre("1", "1.50"), ElementsAre("9", "9")));
  std::vector<std::string> told;
  for (const Reject& reject : file->rejects) {
    told.push_back(fmt::format("{} {} {} {}", reject.place.line, reject.place.record, reject.reason,
                               reject.column));
  }
  EXPECT_THAT(told, ElementsAre("3 2 too_few_fields ", "4 3 too_many_fields ",
                                "5 4 wrong_type amount", "6 5 scale_overflow amount",
                                "7 6 invalid_quote ", "8 7 invalid_utf8 ", "9 8 unclosed_quote "));
  EXPECT_EQ(file->rejects[2].message, "\"ten\" is no decimal(10,2)");
  EXPECT_EQ(file->rejects[1].values, R"({"+1":"5","amount":"4","id":"3"})");
}

TEST(CsvReader, AFileThatIsEmptyOrHasABrokenHeaderIsRefused) {
  for (const char* text : {"", "\n\n", "\xEF\xBB\xBF"}) {
    const auto file = read(text, options_of("{}"));
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, ErrorCode::kInvalidData);
    EXPECT_THAT(file.error().message, HasSubstr("empty file"));
  }
  EXPECT_EQ(read("id,id\n", options_of("{}")).error().code, ErrorCode::kInvalidData);
  EXPECT_EQ(read("id,\"na\n", options_of("{}")).error().code, ErrorCode::kInvalidData);
}

TEST(CsvReader, AHeaderAloneIsAFileWithoutRows) {
  const auto file = read("id,name", options_of("{}"));
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->rows.empty());
  EXPECT_EQ(file->summary.records, 0);
  EXPECT_EQ(file->summary.skipped_bytes, 7);
}

TEST(CsvReader, WithoutAHeaderColumnsAreTakenInTheirOrder) {
  const auto file = read(
      "1,a\n2,b\n", options_of(R"({"header": false})", {{"id", "bigint"}, {"name", "varchar"}}));
  ASSERT_TRUE(file);
  EXPECT_THAT(file->rows, ElementsAre(ElementsAre("1", "a"), ElementsAre("2", "b")));
  EXPECT_EQ(file->summary.records, 2);
}

TEST(CsvReader, OtherEncodingsAreDecodedWhereDeclaredAndNamedWhereNot) {
  const auto latin =
      read("id,name\n1,Z\xFCrich\n2,\xC9\n", options_of(R"({"encoding": "latin-1"})"));
  ASSERT_TRUE(latin);
  EXPECT_THAT(latin->rows, ElementsAre(ElementsAre("1", "Zürich"), ElementsAre("2", "É")));
  std::string wide = "\xFF\xFE";
  for (const char c : std::string_view("id,x\n1,a\n2\n")) wide += std::string{c, '\0'};
  const auto utf16 = read(wide, options_of(R"({"encoding": "utf-16"})"));
  ASSERT_TRUE(utf16);
  EXPECT_THAT(utf16->rows, ElementsAre(ElementsAre("1", "a")));
  ASSERT_EQ(utf16->rejects.size(), 1u);
  EXPECT_EQ(utf16->rejects[0].place.byte_offset, 20);
  const auto undeclared = read(wide, options_of("{}"));
  ASSERT_FALSE(undeclared);
  EXPECT_THAT(undeclared.error().hint, HasSubstr("encoding: utf-16le"));
  const auto western = read("id,name\n1,Z\xFCrich\n2,Gen\xE8ve\n", options_of("{}"));
  ASSERT_TRUE(western);
  EXPECT_EQ(western->summary.guess, Encoding::kWindows1252);
  EXPECT_EQ(read("id,name\n1,Z\xFCrich\n", options_of("{}"))->summary.guess,
            Encoding::kWindows1252);
  std::string large = "id,name\n1,Z\xFCrich\n";
  for (int i = 0; i < 2000; ++i) large += "2,Bern\n";
  EXPECT_EQ(read(large, options_of("{}"))->summary.guess, Encoding::kUtf8);
  const auto header = read(
      "id,stra\xDF"
      "e\n",
      options_of("{}"));
  ASSERT_FALSE(header);
  EXPECT_THAT(header.error().hint, HasSubstr("windows-1252"));
}

TEST(CsvReader, AnEncodingThatTheFirstBytesContradictIsRefused) {
  const auto wide = [](std::string bytes, std::string_view text, bool is_big) {
    for (const char c : text) bytes += is_big ? std::string{'\0', c} : std::string{c, '\0'};
    return bytes;
  };
  const std::string text = "id,x\n1,a\n";
  const auto hint = [](const std::string& bytes, const char* csv) {
    const auto file = read(bytes, options_of(csv));
    return file ? "it was read" : file.error().hint;
  };
  const std::string little = wide("", text, false);
  const std::string big = wide("", text, true);
  EXPECT_THAT(hint("\xFF\xFE" + little, R"({"encoding": "utf-16be"})"), HasSubstr("utf-16le"));
  EXPECT_THAT(hint(little, R"({"encoding": "utf-16be"})"), HasSubstr("utf-16le"));
  EXPECT_THAT(hint(big, R"({"encoding": "utf-16"})"), HasSubstr("utf-16be"));
  EXPECT_THAT(hint(little, R"({"encoding": "utf-8"})"), HasSubstr("utf-16le"));
  EXPECT_THAT(hint(little, R"({"encoding": "latin-1"})"), HasSubstr("utf-16le"));
  EXPECT_THAT(hint(text, R"({"encoding": "utf-16"})"), HasSubstr("encoding: utf-8"));
  EXPECT_THAT(hint("\xEF\xBB\xBF" + text, R"({"encoding": "latin-1"})"), HasSubstr("utf-8"));
  EXPECT_TRUE(read("\xFE\xFF" + big, options_of(R"({"encoding": "utf-16"})")));
  EXPECT_TRUE(read(text, options_of(R"({"encoding": "latin-1"})")));
}

TEST(CsvReader, ATimestampWithoutAZoneStopsTheFileUnlessOneIsDeclared) {
  const char* text = "at\n2022-05-12 10:00:00\n";
  const auto undeclared = read(text, options_of("{}", {{"at", "timestamp"}}));
  ASSERT_FALSE(undeclared);
  EXPECT_EQ(undeclared.error().code, ErrorCode::kInvalidConfig);
  EXPECT_THAT(undeclared.error().hint, HasSubstr("timezone"));
  EXPECT_TRUE(read(text, options_of(R"({"timezone": "UTC"})", {{"at", "timestamp"}})));
}

TEST(CsvReader, SmallBlocksAndBatchesGiveTheSameAsLargeOnes) {
  std::string text = "id,name,note\n";
  for (int i = 0; i < 3000; ++i) {
    text += fmt::format("{},\"na\"\"me, {}\",{}\n", i, i, i % 7 == 0 ? "\"two\nlines\"" : "x");
    if (i % 100 == 0) text += "broken\n";
    if (i % 500 == 0) text += "9,\"open\n";
  }
  auto options = options_of("{}", {{"id", "bigint"}, {"name", "varchar"}, {"note", "varchar"}});
  const auto large = read(text, options);
  options.block_bytes = 1 << 20;  // the first look is at least as long
  options.batch_bytes = 100;
  options.batch_rows = 7;
  const auto small = read(text, options);
  ASSERT_TRUE(large);
  ASSERT_TRUE(small);
  EXPECT_EQ(large->rows, small->rows);
  EXPECT_EQ(large->rejects.size(), 36u);
  ASSERT_EQ(small->rejects.size(), 36u);
  EXPECT_EQ(small->rejects[35].place.line, large->rejects[35].place.line);
}

TEST(CsvReader, LinesWithinQuotedFieldsCountForThePlaceOfALaterReject) {
  const auto file = read("id,note\n1,\"two\nlines\"\n2\n", options_of("{}"));
  ASSERT_TRUE(file);
  ASSERT_EQ(file->rejects.size(), 1u);
  EXPECT_EQ(file->rejects[0].place.line, 4);
  EXPECT_EQ(file->rejects[0].place.record, 2);
}

TEST(CsvReader, RecordsThatCrossBlocksAreWhole) {
  std::string text = "id,name\n";
  while (text.size() < (5u << 20))
    text += fmt::format("{},\"{}\n\"\n", text.size(), std::string(90, 'x'));
  auto options = options_of("{}", {{"id", "bigint"}, {"name", "varchar"}});
  options.block_bytes = 1000;
  const auto file = read(text, options);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->summary.rejected, 0);
  for (const auto& row : file->rows) ASSERT_EQ(row[1].size(), 91u);
}

TEST(CsvReader, ARecordWithoutAnEndFailsTheFile) {
  auto options = options_of(R"({"max_record_bytes": 1000})");
  options.block_bytes = 1 << 20;
  const auto file = read("id\n1\n" + std::string(3 << 20, 'x') + "\n", options);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kInvalidData);
  EXPECT_THAT(file.error().message, HasSubstr("line 3"));
}

TEST(DialectFromJson, NamesWhatIsWrong) {
  const auto unknown = dialect_from_json(*parse_json(R"({"delimeter": ";"})"));
  EXPECT_EQ(unknown.error().code, ErrorCode::kInvalidConfig);
  EXPECT_THAT(unknown.error().hint, HasSubstr("delimiter"));
  EXPECT_EQ(dialect_from_json(*parse_json(R"({"delimiter": "||"})")).error().code,
            ErrorCode::kUnsupported);
  EXPECT_EQ(dialect_from_json(*parse_json(R"({"delimiter": "\""})")).error().code,
            ErrorCode::kInvalidConfig);
  EXPECT_EQ(dialect_from_json(*parse_json(R"({"encoding": "ebcdic"})")).error().code,
            ErrorCode::kUnsupported);
  const auto all = dialect_from_json(*parse_json(
      R"({"comment":"#","decimal_separator":",","delimiter":";","encoding":"latin-1","escape":"\\",
          "header":false,"null":["NA"],"quote":"'","skip_lines":2,"timezone":"UTC"})"));
  ASSERT_TRUE(all);
  EXPECT_EQ(to_json(*dialect_from_json(to_json(*all))), to_json(*all));
  const auto renames =
      dialect_from_json(*parse_json(R"({"rename": {"Order ID": "id", "b": "c"}})"));
  ASSERT_TRUE(renames);
  EXPECT_EQ(dump_json(to_json(*renames)), R"({"rename":{"Order ID":"id","b":"c"}})");
  for (const char* wrong :
       {R"({"rename": ["a"]})", R"({"rename": {"a": 1}})", R"({"rename": {"a": ""}})",
        R"({"rename": {"a": "x", "b": "x"}})", R"({"rename": {"a": "x"}, "header": false})"}) {
    EXPECT_EQ(dialect_from_json(*parse_json(wrong)).error().code, ErrorCode::kInvalidConfig)
        << wrong;
  }
}

Result<std::string> inferred(const std::string& text, const char* dialect = "{}") {
  const auto store = storage::make_memory_storage();
  WEIR_TRY(storage::put(*store, "x", text, storage::Put::kReplace));
  WEIR_ASSIGN(const auto schema, infer_schema(*store, "x", dialect_of(dialect)));
  std::string types;
  for (const auto& column : schema) types += model::to_text(column.type) + " ";
  return types;
}

TEST(InferSchema, WhatCouldBeTextStaysText) {
  EXPECT_EQ(
      *inferred("a,b,c,d,e,f\n1,1.5,true,2022-05-12,2022-05-12T10:00:00Z,x\n-2,3,false,2024-02-29,"
                "2022-05-12 10:00+02,\n"),
      "bigint double boolean date timestamp varchar ");
  EXPECT_EQ(*inferred("a,b,c,d,e,f\n007,1e400x,yes,2022-02-30,2022-05-12 10:00:00,\n"),
            "varchar varchar varchar varchar varchar varchar ");
  EXPECT_EQ(*inferred("a,b,c,d\n+1,1234567890.12345678,0x1,99999999999999999999\n"),
            "varchar varchar varchar varchar ");
  // 17 digits that a double gives back as they are, and 17 that are no double's.
  EXPECT_EQ(*inferred("lon,account\n108.83371499999998,12345678901234567.0\n"), "double varchar ");
  EXPECT_EQ(*inferred("at\n2022-05-12 10:00:00\n", R"({"timezone":"UTC"})"), "timestamp ");
}

TEST(GuessFile, FindsDelimiterQuoteAndHeader) {
  const auto store = storage::make_memory_storage();
  ASSERT_TRUE(storage::put(*store, "a", "id;name\n1;'x;y'\n2;z\n", storage::Put::kReplace));
  const auto guess = guess_file(*store, "a");
  ASSERT_TRUE(guess);
  EXPECT_EQ(to_json(guess->dialect), (Json{{"delimiter", ";"}, {"quote", "'"}}));
  EXPECT_EQ(model::to_text(guess->schema[0].type), "bigint");
  ASSERT_TRUE(storage::put(*store, "b", "1\t2\n3\t4\n", storage::Put::kReplace));
  EXPECT_FALSE(guess_file(*store, "b")->dialect.has_header);
}

TEST(GuessPatterns, FilesThatDifferInADateAreOnePattern) {
  const auto guesses =
      guess_patterns({"landing/airports-20220512.csv", "landing/airports-20221121.csv",
                      "landing/sales_2022-05-12.csv", "landing/part-1.csv", "x.csv"});
  ASSERT_EQ(guesses.size(), 4u);
  EXPECT_EQ(guesses[0].glob, "landing/airports-*.csv");
  EXPECT_EQ(guesses[0].as_of, R"(airports-(?<as_of>\d{8}))");
  EXPECT_EQ(guesses[1].glob, "landing/part-*.csv");
  EXPECT_EQ(guesses[1].as_of, "");
  EXPECT_EQ(guesses[2].as_of, R"(sales_(?<as_of>\d{4}-\d{2}-\d{2}))");
  EXPECT_EQ(guesses[3].glob, "x.csv");
}

}  // namespace
}  // namespace weir::files
