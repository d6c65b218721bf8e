#include "table/hudi/partition_values.h"

#include <gtest/gtest.h>

namespace weir::table {
namespace {

constexpr const char* kFields = "hoodie.table.partition.fields";
constexpr const char* kNames = "hoodie.datasource.write.hive_style_partitioning";
constexpr const char* kEscaped = "hoodie.datasource.write.partitionpath.urlencode";

using Values = std::vector<PartitionValue>;

TEST(PartitionValues, NamesStandBeforeValuesOrNot) {
  EXPECT_EQ(partition_values({{kFields, "city,year"}, {kNames, "true"}}, "city=oslo/year=2026"),
            (Values{{"city", "oslo"}, {"year", "2026"}}));
  EXPECT_EQ(partition_values({{kFields, "city,year"}}, "oslo/2026"),
            (Values{{"city", "oslo"}, {"year", "2026"}}));
  EXPECT_EQ(partition_values({}, ""), Values());
}

TEST(PartitionValues, EscapesCountWhereTheTableSaysSo) {
  const TableProperties escaped = {{kFields, "city"}, {kNames, "true"}, {kEscaped, "true"}};
  EXPECT_EQ(partition_values(escaped, "city=a%2Fb%3Dc%25"), (Values{{"city", "a/b=c%"}}));
  EXPECT_EQ(partition_values(escaped, "city=Ørsted 日本"), (Values{{"city", "Ørsted 日本"}}));
  EXPECT_EQ(partition_values(escaped, "city=50%"), (Values{{"city", "50%"}}));
  EXPECT_EQ(partition_values(escaped, "city=%zz%4"), (Values{{"city", "%zz%4"}}));
  const TableProperties plain = {{kFields, "city"}, {kNames, "true"}};
  EXPECT_EQ(partition_values(plain, "city=a%2Fb"), (Values{{"city", "a%2Fb"}}));
}

TEST(PartitionValues, OneColumnTakesTheWholePath) {
  EXPECT_EQ(partition_values({{kFields, "day"}}, "2026/11/23"), (Values{{"day", "2026/11/23"}}));
  EXPECT_EQ(partition_values({{kFields, "city"}, {kNames, "true"}}, "city=a/b=c"),
            (Values{{"city", "a/b=c"}}));
}

TEST(PartitionValues, HivesDefaultIsNull) {
  EXPECT_EQ(
      partition_values({{kFields, "a,b"}, {kNames, "true"}}, "a=__HIVE_DEFAULT_PARTITION__/b=x"),
      (Values{{"a", std::nullopt}, {"b", "x"}}));
}

TEST(PartitionValues, FoldersThatAreNotTheColumnsAreRefused) {
  const TableProperties two = {{kFields, "a,b"}, {kNames, "true"}};
  for (const auto path : {"", "a=1", "a=1/b=2/c=3", "b=1/a=2", "a1/b=2", "a=1/"}) {
    const auto values = partition_values(two, path);
    ASSERT_FALSE(values) << path;
    EXPECT_EQ(values.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(values.error().message.find(fmt::format("'{}'", path)), std::string::npos);
  }
  EXPECT_FALSE(partition_values({}, "a=1"));
}

TEST(PartitionValues, PathsOfOtherGeneratorsAreNoValues) {
  const TableProperties by_type = {{kFields, "ts"},
                                   {"hoodie.table.keygenerator.type", "TIMESTAMP"}};
  const TableProperties by_name = {
      {kFields, "ts:TIMESTAMP"},
      {"hoodie.table.keygenerator.class", "org.apache.hudi.keygen.CustomKeyGenerator"}};
  for (const auto& properties : {by_type, by_name}) {
    EXPECT_EQ(partition_columns(properties), std::vector<std::string>{"ts"});
    const auto values = partition_values(properties, "2026/11");
    ASSERT_FALSE(values);
    EXPECT_EQ(values.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(values.error().message.find("keygenerator"), std::string::npos);
  }
}

TEST(PathColumns, AreThoseThatFilesLeaveOut) {
  TableProperties properties = {{kFields, "city,year"}};
  EXPECT_TRUE(path_columns(properties).empty());
  properties["hoodie.datasource.write.drop.partition.columns"] = "true";
  EXPECT_EQ(path_columns(properties), (std::vector<std::string>{"city", "year"}));
}

}  // namespace
}  // namespace weir::table
