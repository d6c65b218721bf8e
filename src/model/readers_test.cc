#include "model/readers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Column column(const std::string& name, const std::string& type) {
  return {name, parse_type(type).value(), true};
}

std::string refusal(const std::vector<Reader>& readers, const Schema& columns) {
  const auto checked = check_readable_by(readers, columns);
  if (checked) return "";
  EXPECT_EQ(checked.error().code, ErrorCode::kUnsupported);
  return checked.error().message;
}

TEST(Readers, AreNamedByOneWordOrAList) {
  EXPECT_THAT(readers_of(Json::object()).value(), IsEmpty());
  EXPECT_THAT(readers_of({{"reader", "athena"}}).value(), ElementsAre(Reader::kAthena));
  EXPECT_THAT(readers_of({{"reader", {"spark-0.15", "spectrum", "spark-0.15"}}}).value(),
              ElementsAre(Reader::kSpark015, Reader::kSpectrum));
  EXPECT_THAT(readers_of({{"reader", "any"}}).value(), SizeIs(4));
  const auto refused = readers_of({{"reader", "atena"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidConfig);
  EXPECT_THAT(refused.error().hint, HasSubstr("athena"));
  EXPECT_FALSE(readers_of({{"reader", 3}}));
}

TEST(Readers, AreGivenWhatTheyRead) {
  const std::vector<Reader> all = readers_of({{"reader", "any"}}).value();
  const Schema plain = {column("id", "bigint"),
                        column("amount", "decimal(38,10)"),
                        column("at", "timestamp"),
                        column("day", "date"),
                        column("body", "blob"),
                        column("Größe", "double"),
                        column("tags", "varchar[]"),
                        column("place", "struct(lat double, lon double)"),
                        column("words", "map(varchar, bigint)")};
  EXPECT_EQ(refusal(all, plain), "");
}

TEST(Readers, NamesThatDifferInCaseAloneAreRefused) {
  const std::vector<Reader> spark = {Reader::kSpark1};
  EXPECT_THAT(refusal(spark, {column("id", "bigint"), column("Id", "bigint")}),
              HasSubstr("reader 'spark-1.x' cannot read column 'Id'"));
  EXPECT_THAT(refusal(spark, {column("place", "struct(lat double, LAT double)")}),
              HasSubstr("'place.LAT'"));
  EXPECT_EQ(refusal({}, {column("id", "bigint"), column("Id", "bigint")}), "");
}

TEST(Readers, NamesMayBeAsLongAsTheirCatalogTakes) {
  const Schema longish = {column(std::string(128, 'a'), "bigint")};
  const Schema longer = {column(std::string(256, 'a'), "bigint")};
  EXPECT_EQ(refusal({Reader::kSpectrum}, {column(std::string(127, 'a'), "bigint")}), "");
  EXPECT_THAT(refusal({Reader::kSpectrum}, longish), HasSubstr("128 bytes"));
  EXPECT_EQ(refusal({Reader::kAthena}, longish), "");
  EXPECT_THAT(refusal({Reader::kAthena}, longer), HasSubstr("256 bytes"));
  EXPECT_EQ(refusal({Reader::kSpark015}, longer), "");
}

TEST(Readers, TypesThatTheyLackAreRefusedHoweverDeep) {
  for (const Reader reader :
       {Reader::kSpectrum, Reader::kAthena, Reader::kSpark015, Reader::kSpark1}) {
    EXPECT_THAT(refusal({reader}, {column("opens", "time")}), HasSubstr("'opens'"));
    EXPECT_THAT(refusal({reader}, {column("shop", "struct(name varchar, opens time)")}),
                HasSubstr("'shop.opens'"));
    EXPECT_THAT(refusal({reader}, {column("all", "time[]")}), HasSubstr("time of day"));
    EXPECT_THAT(refusal({reader}, {column("m", "map(bigint[], bigint)")}), HasSubstr("keys"));
  }
}

}  // namespace
}  // namespace weir::model
