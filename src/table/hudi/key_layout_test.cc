#include "table/hudi/key_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/cancel.h"
#include "sql/session.h"

namespace weir::table {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Texts = std::vector<std::optional<std::string>>;

KeyLayout layout_of(TableProperties properties) {
  properties.try_emplace("hoodie.table.recordkey.fields", "id");
  auto layout = key_layout_of(properties);
  EXPECT_TRUE(layout) << to_line(layout.error());
  return layout.value_or(KeyLayout{});
}

KeyLayout by_city(bool is_hive_style, bool is_encoded) {
  return {{"id"}, {"city"}, "", is_hive_style, is_encoded};
}

std::string path_of(const KeyLayout& layout, const Texts& values) {
  const auto path = partition_path(layout, values);
  EXPECT_TRUE(path) << to_line(path.error());
  return path.value_or("");
}

TEST(KeyLayout, IsReadOutOfTheProperties) {
  const auto layout = layout_of({{"hoodie.table.recordkey.fields", "a, b"},
                                 {"hoodie.table.partition.fields", "day:simple,city"},
                                 {"hoodie.table.precombine.field", "ts"},
                                 {"hoodie.datasource.write.hive_style_partitioning", "true"}});
  EXPECT_THAT(layout.key, ElementsAre("a", "b"));
  EXPECT_THAT(layout.partition_by, ElementsAre("day", "city"));
  EXPECT_EQ(layout.ordering_field, "ts");
  EXPECT_TRUE(layout.is_hive_style);
  EXPECT_FALSE(layout.is_encoded);
}

TEST(KeyLayout, WithoutPropertiesIsHudisOwnDefault) {
  const auto layout = layout_of({});
  EXPECT_THAT(layout.partition_by, IsEmpty());
  EXPECT_FALSE(layout.is_hive_style);
}

TEST(KeyLayout, RefusesKeysThatWeirDoesNotMake) {
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
           {"hoodie.table.partition.fields", "a,b"},
           {"hoodie.table.keygenerator.class", "org.apache.hudi.keygen.TimestampBasedKeyGenerator"},
           {"hoodie.table.keygenerator.type", "CUSTOM"},
           {"hoodie.table.ordering.fields", "ts,no"}}) {
    const auto layout = key_layout_of({{"hoodie.table.recordkey.fields", "id"}, {key, value}});
    ASSERT_FALSE(layout) << key;
    EXPECT_EQ(layout.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(layout.error().message, AllOf(HasSubstr(key), HasSubstr(value)));
  }
  EXPECT_FALSE(key_layout_of({}));
}

TEST(KeyLayout, RefusesTypesWhoseTextIsInDoubt) {
  const auto typed = [](const char* type) {
    return model::Schema{{"id", model::parse_type(type).value(), true}};
  };
  const KeyLayout layout{{"id"}, {}, "", true, true};
  for (const char* type : {"varchar", "integer", "bigint", "date", "boolean", "decimal(10,6)"})
    EXPECT_TRUE(check_key_types(layout, typed(type))) << type;
  for (const char* type : {"double", "float", "timestamp", "decimal(10,7)", "blob", "varchar[]"}) {
    const auto checked = check_key_types(layout, typed(type));
    ASSERT_FALSE(checked) << type;
    EXPECT_EQ(checked.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(checked.error().message, HasSubstr("'id'"));
  }
}

TEST(PartitionPath, NamesColumnsInHiveStyleAlone) {
  EXPECT_EQ(path_of(by_city(true, true), {"Oslo"}), "city=Oslo");
  EXPECT_EQ(path_of(by_city(false, true), {"Oslo"}), "Oslo");
  const KeyLayout two{{"a", "b"}, {"day", "city"}, "", true, true};
  EXPECT_EQ(path_of(two, {"2026-01-01", "Oslo"}), "day=2026-01-01/city=Oslo");
  EXPECT_EQ(path_of(KeyLayout{{"id"}, {}, "", true, true}, {}), "");
}

TEST(PartitionPath, HasANameForNoValue) {
  EXPECT_EQ(path_of(by_city(true, true), {std::nullopt}), "city=__HIVE_DEFAULT_PARTITION__");
  EXPECT_EQ(path_of(by_city(false, false), {""}), "__HIVE_DEFAULT_PARTITION__");
}

TEST(PartitionPath, EscapesWhatHiveEscapes) {
  const auto layout = by_city(true, true);
  EXPECT_EQ(path_of(layout, {"a/b=c:d%e"}), "city=a%2Fb%3Dc%3Ad%25e");
  EXPECT_EQ(path_of(layout, {"\"#'*?\\{[]^\x7F\n"}), "city=%22%23%27%2A%3F%5C%7B%5B%5D%5E%7F%0A");
  EXPECT_EQ(path_of(layout, {"Tromsø 名 +}~"}), "city=Tromsø 名 +}~") << "all else stays";
}

TEST(PartitionPath, RefusesWhatIsNoFolder) {
  for (const char* value : {"a/b", ".", "..", ".hoodie"}) {
    const auto path = partition_path(by_city(false, false), Texts{value});
    ASSERT_FALSE(path) << value;
    EXPECT_EQ(path.error().code, ErrorCode::kInvalidData);
    EXPECT_THAT(path.error().message, AllOf(HasSubstr("'city'"), HasSubstr(value)));
    EXPECT_THAT(path.error().hint, HasSubstr("urlencode"));
  }
}

std::optional<std::string> key_of(const KeyLayout& layout, const std::string& row) {
  Cancel cancel;
  const auto session = sql::open_session({}, cancel).value();
  const auto found =
      session->query(fmt::format("SELECT {} FROM ({}) x", record_key_sql(layout, "x"), row));
  EXPECT_TRUE(found) << to_line(found.error());
  return found ? found->rows.at(0).at(0) : std::nullopt;
}

TEST(RecordKey, OfOneColumnIsItsText) {
  const KeyLayout layout{{"id"}, {}, "", true, true};
  EXPECT_EQ(key_of(layout, "SELECT 12 AS id"), "12");
  EXPECT_EQ(key_of(layout, "SELECT DATE '2026-01-02' AS id"), "2026-01-02");
  EXPECT_EQ(key_of(layout, "SELECT true AS id"), "true");
  EXPECT_EQ(key_of(layout, "SELECT 1.50::DECIMAL(9,2) AS id"), "1.50");
  EXPECT_EQ(key_of(layout, "SELECT 'a:b,c' AS id"), "a:b,c");
  EXPECT_EQ(key_of(layout, "SELECT NULL::VARCHAR AS id"), std::nullopt);
  EXPECT_EQ(key_of(layout, "SELECT '' AS id"), std::nullopt);
}

TEST(RecordKey, OfSeveralColumnsNamesThem) {
  const KeyLayout layout{{"a", "b"}, {}, "", true, true};
  EXPECT_EQ(key_of(layout, "SELECT 1 AS a, 'x' AS b"), "a:1,b:x");
  EXPECT_EQ(key_of(layout, "SELECT 1 AS a, NULL::VARCHAR AS b"), "a:1,b:__null__");
  EXPECT_EQ(key_of(layout, "SELECT 1 AS a, '' AS b"), "a:1,b:__empty__");
  EXPECT_EQ(key_of(layout, "SELECT NULL::INT AS a, '' AS b"), std::nullopt);
}

}  // namespace
}  // namespace weir::table
