#include "lineage/event.h"

#include <gtest/gtest.h>

namespace weir::lineage {
namespace {

TEST(DatasetAt, StoreIsTheNamespaceAndPlaceTheName) {
  EXPECT_EQ(dataset_at("/srv/lake/raw/sales/"), (DatasetId{"file", "/srv/lake/raw/sales"}));
  EXPECT_EQ(dataset_at("s3://bucket/lake/raw"), (DatasetId{"s3://bucket", "lake/raw"}));
  EXPECT_EQ(dataset_at("s3://bucket"), (DatasetId{"s3://bucket", "/"}));
  EXPECT_EQ(dataset_at("sftp://ann@host:22/in"), (DatasetId{"sftp://host:22", "/in"}));
}

TEST(DatasetAt, ServerHasItsPortWhoeverLeavesItOut) {
  EXPECT_EQ(dataset_at("sftp://host/in"), (DatasetId{"sftp://host:22", "/in"}));
  EXPECT_EQ(dataset_at("sftp://[::1]/in"), (DatasetId{"sftp://[::1]:22", "/in"}));
  EXPECT_EQ(dataset_at("sftp://[::1]:2222/in"), (DatasetId{"sftp://[::1]:2222", "/in"}));
}

TEST(DatasetAt, NobodysPasswordIsPartOfTheName) {
  EXPECT_EQ(dataset_at("sftp://ann:p@ss@host/in"), (DatasetId{"sftp://host:22", "/in"}));
  const Json options = {{"kind", "http"}, {"url", "https://ann:key@api.example/v1/"}};
  EXPECT_EQ(answer_of(options, "/orders?token=abc"),
            (DatasetId{"https://api.example", "/v1/orders"}));
  EXPECT_EQ(answer_of(options, "orders#abc"), (DatasetId{"https://api.example", "/v1/orders"}));
}

TEST(TableOf, NamesServerDatabaseSchemaAndTable) {
  const Json postgres = {{"kind", "postgres"}, {"host", "db"}, {"database", "shop"}};
  EXPECT_EQ(table_of(postgres, "orders"), (DatasetId{"postgres://db:5432", "shop.public.orders"}));
  EXPECT_EQ(table_of(postgres, "mart.orders"),
            (DatasetId{"postgres://db:5432", "shop.mart.orders"}));
  const Json mysql = {{"kind", "mariadb"}, {"host", "db"}, {"port", 3307}, {"database", "shop"}};
  EXPECT_EQ(table_of(mysql, "orders"), (DatasetId{"mysql://db:3307", "shop.orders"}));
}

TEST(TableOf, SaysNothingOfAServerThatIsASecret) {
  const Json options = {{"kind", "postgres"}, {"host", "secret://db#host"}, {"database", "shop"}};
  EXPECT_EQ(table_of(options, "orders"), std::nullopt);
}

TEST(DerivedUuid, IsTheSameEachTimeAndOfVersion7) {
  constexpr int64_t kAtUs = 0x0123'4567'89ab * int64_t{1000};
  const std::string id = derived_uuid7(kAtUs, "run 1");
  EXPECT_EQ(id, derived_uuid7(kAtUs, "run 1"));
  EXPECT_NE(id, derived_uuid7(kAtUs, "run 2"));
  EXPECT_EQ(id.substr(0, 15), "01234567-89ab-7") << id;
  EXPECT_TRUE(std::string_view("89ab").contains(id.at(19))) << id;
  EXPECT_EQ(id.size(), 36U);
}

TEST(Event, AColumnSaysAllThatBecomesOfIt) {
  Event event;
  event.run_id = derived_uuid7(1, "r");
  event.job = {"prod", "shop.sum", "TASK", "", "", ""};
  const DatasetId orders = {"file", "/lake/raw/orders"};
  using enum model::ColumnUse;
  event.outputs = {{.id = {"file", "/lake/mart/sums"},
                    .own_name = "mart.sums",
                    .schema = {},
                    .amount = {},
                    .columns = {{"city", {{orders, "city", kIdentity}}},
                                {"total",
                                 {{orders, "amount", kAggregation},
                                  {orders, "amount", kConditional},
                                  {orders, "rate", kTransformation}}}},
                    .rows = {{orders, "city", kGroupBy}}}};
  const Json lineage = to_json(event, "1")["outputs"][0]["facets"]["columnLineage"];
  const Json& total = lineage["fields"]["total"]["inputFields"];
  ASSERT_EQ(total.size(), 2U) << total;
  EXPECT_EQ(total[0]["field"], "amount");
  EXPECT_EQ(total[0]["transformations"],
            Json::array({{{"type", "DIRECT"}, {"subtype", "AGGREGATION"}},
                         {{"type", "INDIRECT"}, {"subtype", "CONDITIONAL"}}}));
  EXPECT_EQ(total[1]["transformations"],
            Json::array({{{"type", "DIRECT"}, {"subtype", "TRANSFORMATION"}}}));
  EXPECT_EQ(lineage["fields"]["city"]["inputFields"][0]["transformations"],
            Json::array({{{"type", "DIRECT"}, {"subtype", "IDENTITY"}, {"masking", false}}}));
  EXPECT_EQ(lineage["dataset"][0]["field"], "city");
  EXPECT_EQ(lineage["dataset"][0]["transformations"][0]["subtype"], "GROUP_BY");
}

TEST(Event, EachFacetSaysWhoMadeItAndWhatItLooksLike) {
  Event event;
  event.type = EventType::kFail;
  event.run_id = derived_uuid7(1, "r");
  event.job = {"prod", "shop.load", "TASK", "", "", ""};
  event.parent = {derived_uuid7(1, "p"), "shop"};
  event.error = "it broke";
  const Json json = to_json(event, "1.2");
  const Json& facets = json["run"]["facets"];
  EXPECT_EQ(facets["errorMessage"]["message"], "it broke");
  EXPECT_EQ(facets["parent"]["job"]["name"], "shop");
  EXPECT_FALSE(facets.contains("nominalTime")) << "nobody said an interval";
  for (const auto& [name, facet] : facets.items()) {
    EXPECT_EQ(facet["_producer"], "urn:weir:1.2") << name;
    EXPECT_TRUE(facet.contains("_schemaURL")) << name;
  }
}

}  // namespace
}  // namespace weir::lineage
