#include "table/hudi/properties.h"

#include <gtest/gtest.h>

namespace weir::table {
namespace {

TEST(Properties, ReadsJavasText) {
  const auto properties = parse_properties(
      "#comment with = sign\n! another\n\n"
      "plain=value\r\n"
      "  spaced : two words \n"
      "blank separated by one\n"
      "schema={\"type\"\\:\"record\",\"a\"\\=1}\n"
      "long=one, \\\n      two\n"
      "key\\ with\\:both=\\u00e5\\u65e5\\uD83D\\uDE00\\t|\n"
      "latin=\xE5\n"
      "backslash=a\\\\\n"
      "empty=\n"
      "alone");
  ASSERT_TRUE(properties) << to_line(properties.error());
  const TableProperties expected = {{"plain", "value"},
                                    {"spaced", "two words "},
                                    {"blank", "separated by one"},
                                    {"schema", "{\"type\":\"record\",\"a\"=1}"},
                                    {"long", "one, two"},
                                    {"key with:both", "å日😀\t|"},
                                    {"latin", "å"},
                                    {"backslash", "a\\"},
                                    {"empty", ""},
                                    {"alone", ""}};
  EXPECT_EQ(*properties, expected);
}

TEST(Properties, WhatIsWrittenIsReadBack) {
  const TableProperties properties = {
      {"a b", " leading and trailing "}, {"#x", "!y=z:#"}, {"nl", "one\ntwo\r\f\t"},
      {"back\\slash", "\\u0041\\"},      {"é", "日本 😀"}, {"empty", ""}};
  const std::string text = format_properties(properties);
  for (const char c : text) EXPECT_LT(static_cast<unsigned char>(c), 0x7F) << "plain ASCII";
  const auto again = parse_properties(text);
  ASSERT_TRUE(again) << to_line(again.error());
  EXPECT_EQ(*again, properties);
}

TEST(Properties, EscapesAsJavaDoes) {
  EXPECT_EQ(format_properties({{"hoodie.table.create.schema", R"({"type":"record"})"}}),
            "#Properties of an Apache Hudi table, written by weir\n"
            "hoodie.table.create.schema={\"type\"\\:\"record\"}\n");
}

TEST(Properties, BrokenUnicodeEscapeIsCorrupt) {
  EXPECT_EQ(parse_properties("a=\\u12").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(parse_properties("a=\\u12zz").error().code, ErrorCode::kCorrupt);
}

TEST(Properties, ChecksumIsThatOfSpark) {
  // Values of tables that Spark wrote.
  EXPECT_EQ(checksum_of(
                {{"hoodie.database.name", "default"}, {"hoodie.table.name", "v6_nonpartitioned"}}),
            "1363530505");
  EXPECT_EQ(checksum_of({{"hoodie.table.name", "airports"}}), "2801954710");
}

TableOptions airports() {
  TableOptions options;
  options.name = "stage.airports";
  options.record_key = {"_version_id"};
  options.ordering_field = "_loaded_at";
  options.schema = {{"_version_id", {}, true},
                    {"_loaded_at", {model::TypeKind::kTimestamp, 0, 0, {}}, true}};
  return options;
}

TEST(NewTable, HasThePinsThatKeepSparkFromUpgradingIt) {
  const auto properties = properties_of_new_table(airports());
  ASSERT_TRUE(properties) << to_line(properties.error());
  EXPECT_EQ(properties->at("hoodie.table.name"), "stage_airports");
  EXPECT_EQ(properties->at("hoodie.table.version"), "6");
  EXPECT_EQ(properties->at("hoodie.timeline.layout.version"), "1");
  EXPECT_EQ(properties->at("hoodie.table.timeline.timezone"), "UTC");
  EXPECT_EQ(properties->at("hoodie.table.precombine.field"), "_loaded_at");
  EXPECT_EQ(properties->at("hoodie.write.table.version"), "6");
  EXPECT_EQ(properties->at("hoodie.write.auto.upgrade"), "false");
  EXPECT_EQ(properties->at("hoodie.metadata.enable"), "false");
  EXPECT_EQ(properties->at("hoodie.compaction.payload.class"),
            "org.apache.hudi.common.model.DefaultHoodieRecordPayload");
  EXPECT_EQ(properties->at("hoodie.table.checksum"), checksum_of(*properties));
  EXPECT_FALSE(properties->contains("hoodie.table.metadata.partitions"));
  EXPECT_TRUE(check_writable(*properties));
}

TEST(NewTable, KeyThatIsNoColumnIsRefused) {
  TableOptions options = airports();
  options.record_key = {"id"};
  const auto properties = properties_of_new_table(options);
  ASSERT_FALSE(properties);
  EXPECT_EQ(properties.error().code, ErrorCode::kInvalidConfig);
  EXPECT_NE(properties.error().message.find("'id'"), std::string::npos);
}

TEST(CheckProperties, OtherTablesAreRefusedByTheNameOfTheProperty) {
  const TableProperties good = *properties_of_new_table(airports());
  const auto with = [&](const std::string& key, const std::string& value) {
    TableProperties changed = good;
    changed[key] = value;
    return check_readable(changed);
  };
  for (const auto& [key, value] : std::map<std::string, std::string>{
           {"hoodie.table.type", "MERGE_ON_READ"},
           {"hoodie.table.version", "7"},
           {"hoodie.timeline.layout.version", "2"},
           {"hoodie.table.base.file.format", "LANCE"},
           {"hoodie.table.multiple.base.file.formats.enable", "true"},
           {"hoodie.table.format", "iceberg"},
           {"hoodie.populate.meta.fields", "false"},
           {"hoodie.bootstrap.base.path", "s3://elsewhere"}}) {
    const auto status = with(key, value);
    ASSERT_FALSE(status) << key;
    EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(status.error().message.find(key), std::string::npos) << status.error().message;
    EXPECT_FALSE(status.error().hint.empty()) << key;
  }
  EXPECT_EQ(with("hoodie.table.checksum", "1").error().code, ErrorCode::kCorrupt);
}

TEST(CheckProperties, MergeOnReadIsToldAWayOut) {
  TableProperties changed = *properties_of_new_table(airports());
  changed["hoodie.table.type"] = "MERGE_ON_READ";
  const auto status = check_readable(changed);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().hint.find("Spark"), std::string::npos);
}

TEST(CheckProperties, LaterVersionsAreReadButNotWritten) {
  for (const auto version : {"8", "9"}) {
    TableProperties later = *properties_of_new_table(airports());
    later["hoodie.table.version"] = version;
    EXPECT_FALSE(check_readable(later)) << "such a table has the later timeline";
    later["hoodie.timeline.layout.version"] = "2";
    EXPECT_TRUE(check_readable(later));
    const auto status = check_writable(later);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(status.error().message.find("hoodie.table.version"), std::string::npos);
    later["hoodie.timeline.path"] = "../timeline";
    EXPECT_EQ(check_readable(later).error().code, ErrorCode::kCorrupt);
  }
}

TEST(CheckProperties, TableWithoutItsPartitionColumnsIsReadButNotWritten) {
  TableProperties changed = *properties_of_new_table(airports());
  const std::string key = "hoodie.datasource.write.drop.partition.columns";
  changed[key] = "true";
  EXPECT_TRUE(check_readable(changed));
  const auto status = check_writable(changed);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(status.error().message.find(key), std::string::npos);
}

}  // namespace
}  // namespace weir::table
