#include "table/hudi/avro_file.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "table/hudi/test_avro.h"

namespace weir::table {
namespace {

using testing::HasSubstr;

Result<std::vector<Json>> read(std::string_view schema, const std::string& data,
                               int64_t records = 1) {
  return read_avro_file(avro_container(schema, data, records), "T.commit");
}

WriteStat stat_of(const std::string& group, const std::string& path, const std::string& partition) {
  WriteStat stat;
  stat.file_group_id = group;
  stat.path = path;
  stat.partition = partition;
  return stat;
}

void expect_refused(const Result<std::vector<Json>>& read, ErrorCode code, const char* words) {
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, code);
  EXPECT_THAT(to_line(read.error()), HasSubstr(words));
  EXPECT_THAT(to_line(read.error()), HasSubstr("T.commit"));
}

TEST(AvroFile, EveryTypeIsRead) {
  const auto records = read(
      R"({"type":"record","name":"r","namespace":"n","fields":[{"name":"none","type":"null"},)"
      R"({"name":"yes","type":"boolean"},{"name":"small","type":"int"},{"name":"large","type":"long"},)"
      R"({"name":"single","type":"float"},{"name":"twice","type":"double"},{"name":"bytes","type":"bytes"},)"
      R"({"name":"fixed","type":{"type":"fixed","name":"f","size":3}},{"name":"again","type":"f"},)"
      R"({"name":"enum","type":{"type":"enum","name":"e","symbols":["a","b"]}},)"
      R"({"name":"list","type":{"type":"array","items":"long"}},{"name":"map","type":{"type":"map","values":["null","string"]}}]})",
      std::string("\x01", 1) + avro_number(-3) + avro_number(int64_t{1} << 40) +
          std::string("\x00\x00\xC0\x3F", 4) + std::string("\x00\x00\x00\x00\x00\x00\x04\xC0", 8) +
          avro_text("æ\x01") + "abcdef" + avro_number(1) +
          // One block with its size before it, and one without.
          avro_number(-2) + avro_number(2) + avro_number(7) + avro_number(8) + avro_number(1) +
          avro_number(9) + avro_number(0) + avro_number(2) + avro_text("k") + avro_number(1) +
          avro_text("v") + avro_text("n") + avro_number(0) + avro_number(0));
  ASSERT_TRUE(records) << to_line(records.error());
  EXPECT_EQ(records->at(0), Json({{"yes", true},
                                  {"small", -3},
                                  {"large", int64_t{1} << 40},
                                  {"single", 1.5},
                                  {"twice", -2.5},
                                  {"bytes", "æ\x01"},
                                  {"fixed", "abc"},
                                  {"again", "def"},
                                  {"enum", "b"},
                                  {"list", {7, 8, 9}},
                                  {"map", {{"k", "v"}, {"n", nullptr}}}}));
}

TEST(AvroFile, NumbersReachTheirEnds) {
  for (const int64_t value : {std::numeric_limits<int64_t>::min(), int64_t{-1}, int64_t{0},
                              std::numeric_limits<int64_t>::max()}) {
    const auto records = read(R"("long")", avro_number(value));
    ASSERT_TRUE(records);
    EXPECT_EQ(records->at(0).get<int64_t>(), value);
  }
  expect_refused(read(R"("long")", std::string(11, '\xFF')), ErrorCode::kCorrupt, "ten bytes");
}

TEST(AvroFile, CutShortAnywhereIsCorrupt) {
  CommitMetadata commit;
  commit.stats = {stat_of("a-0", "p/a-0_0-0-0_1.parquet", "p")};
  commit.extra = {{"schema", "{}"}};
  const std::string whole = avro_commit(commit);
  ASSERT_TRUE(read_avro_file(whole, "T.commit"));
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto metadata =
        parse_commit_metadata(std::string_view(whole).substr(0, size), "T.commit");
    if (size == 0) continue;  // an empty file is an empty commit
    ASSERT_FALSE(metadata) << size;
    EXPECT_EQ(metadata.error().code, ErrorCode::kCorrupt) << size;
  }
}

TEST(AvroFile, FlippedBytesNeverCrash) {
  CommitMetadata commit;
  commit.stats = {stat_of("a-0", "p/a-0_0-0-0_1.parquet", "p")};
  commit.replaced = {{"p", {"b-0", "c-0"}}};
  commit.extra = {{"schema", "{}"}};
  const std::string whole = avro_commit(commit);
  int64_t refused = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int flip : {0x01, 0x40, 0x7F, 0x80, 0xFF}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      refused += parse_commit_metadata(changed, "T.commit") ? 0 : 1;
    }
  }
  EXPECT_GT(refused, static_cast<int64_t>(whole.size())) << "the bytes were looked at";
}

TEST(AvroFile, LengthsThatTheBytesDoNotBearAreRefused) {
  expect_refused(read(R"("string")", avro_number(int64_t{1} << 60) + "abc"), ErrorCode::kCorrupt,
                 "1152921504606846976 bytes where 3 are left");
  expect_refused(read(R"("string")", avro_number(-1)), ErrorCode::kCorrupt, "-1 bytes");
  expect_refused(read(R"({"type":"array","items":"long"})", avro_number(int64_t{1} << 60)),
                 ErrorCode::kCorrupt, "within a value");
  expect_refused(read(R"({"type":"map","values":"null"})",
                      avro_number(std::numeric_limits<int64_t>::min()) + avro_number(0)),
                 ErrorCode::kCorrupt, "within a value");
  expect_refused(read(R"({"type":"fixed","name":"f","size":1099511627776})", "abc"),
                 ErrorCode::kCorrupt, "size of a fixed");
  expect_refused(read(R"(["null","long"])", avro_number(2)), ErrorCode::kCorrupt, "choice 2 of 2");
  expect_refused(read(R"("long")", avro_number(1), int64_t{1} << 60), ErrorCode::kCorrupt,
                 "1152921504606846976 records");
  expect_refused(read(R"("null")", "", int64_t{1} << 60), ErrorCode::kCorrupt, "records");
}

TEST(AvroFile, SchemasThatCostMoreThanTheirDataAreRefused) {
  expect_refused(read(R"({"type":"array","items":"null"})", avro_number(int64_t{1} << 60)),
                 ErrorCode::kCorrupt, "takes no bytes");
  expect_refused(read(R"({"type":"record","name":"r","fields":[{"name":"n","type":["null","r"]}]})",
                      std::string(1 << 20, '\x02')),
                 ErrorCode::kUnsupported, "holds itself");
  std::string deep = R"("null")";
  for (int i = 0; i < 100; ++i) deep = R"({"type":"map","values":)" + deep + "}";
  expect_refused(read(deep, ""), ErrorCode::kCorrupt, "too deep");
  // Each level names the one below twice: 2^40 values in no byte at all.
  std::string doubling = R"({"type":"record","name":"r0","fields":[{"name":"x","type":"null"}]})";
  for (int i = 1; i < 40; ++i)
    doubling = fmt::format(
        R"({{"type":"record","name":"r{}","fields":[{{"name":"x","type":{}}},{{"name":"y","type":"r{}"}}]}})",
        i, doubling, i - 1);
  expect_refused(read(doubling, ""), ErrorCode::kCorrupt, "too");
}

TEST(AvroFile, BrokenSchemasAreCorrupt) {
  for (const auto schema :
       {"", "{", "3", "[]", R"("nonsense")", R"({"type":"record","name":"r"})", R"({"type":"map"})",
        R"({"type":"record","fields":[]})",
        R"({"type":"record","name":"r","fields":[{"name":"a"}]})",
        R"({"type":"enum","name":"e","symbols":[1]})", R"({"type":"fixed","name":"f"})",
        R"({"type":"record","name":"r","namespace":1,"fields":[]})"})
    expect_refused(read(schema, ""), ErrorCode::kCorrupt, "schema is broken");
}

TEST(AvroFile, CompressedFilesAreRefusedByTheirCodec) {
  expect_refused(read_avro_file(avro_container(R"("long")", "x", 1, "snappy"), "T.commit"),
                 ErrorCode::kUnsupported, "'snappy'");
  EXPECT_TRUE(read_avro_file(avro_container(R"("long")", "x", 1, "null"), "T.commit"));
}

TEST(AvroFile, BytesThatBelongToNothingAreCorrupt) {
  expect_refused(read(R"("long")", avro_number(1) + "x"), ErrorCode::kCorrupt, "behind its last");
  std::string other_mark = avro_container(R"("long")", avro_number(1));
  other_mark.back() = '!';
  expect_refused(read_avro_file(other_mark, "T.commit"), ErrorCode::kCorrupt, "mark");
  expect_refused(read_avro_file("Obj\x02", "T.commit"), ErrorCode::kCorrupt, "no Avro file");
}

TEST(CommitMetadata, AvroSaysWhatJsonSays) {
  CommitMetadata commit;
  commit.stats = {stat_of("b-0", "b-0_0-0-0_2.parquet", ""),
                  stat_of("a-0", "p/a-0_0-0-0_2.parquet", "p")};
  commit.stats[1].previous_commit = "1";
  commit.stats[1].previous_file = "a-0_0-0-0_1.parquet";
  commit.stats[1].rows = 12;
  commit.stats[1].inserts = 3;
  commit.extra = {{"schema", R"({"type":"record"})"}, {"weir.token", "t"}};
  commit.operation_type = "INSERT_OVERWRITE";
  commit.replaced = {{"p", {"c-0"}}, {"q", {"d-0", "e-0"}}};
  const auto from_avro = parse_commit_metadata(avro_commit(commit), "T.commit");
  ASSERT_TRUE(from_avro) << to_line(from_avro.error());
  const auto from_json = parse_commit_metadata(to_text(commit, Action::kReplaceCommit), "T.commit");
  ASSERT_TRUE(from_json);
  EXPECT_EQ(to_text(*from_avro, Action::kReplaceCommit),
            to_text(*from_json, Action::kReplaceCommit));
  EXPECT_EQ(from_avro->stats.size(), 2U);
}

TEST(CommitMetadata, FileOfOtherRecordsIsNoCommit) {
  for (const int64_t records : {0, 2}) {
    const auto metadata = parse_commit_metadata(
        avro_container(R"("long")", std::string(static_cast<size_t>(records), 'x'), records), "F");
    ASSERT_FALSE(metadata);
    EXPECT_EQ(metadata.error().code, ErrorCode::kCorrupt);
  }
  EXPECT_FALSE(parse_commit_metadata(avro_container(R"("long")", "x"), "F"));
}

}  // namespace
}  // namespace weir::table
