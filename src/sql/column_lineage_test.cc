#include "sql/column_lineage.h"

#include <gtest/gtest.h>

namespace weir::sql {
namespace {

model::Schema schema_of(const std::vector<std::pair<std::string, std::string>>& columns) {
  model::Schema schema;
  for (const auto& [name, type] : columns)
    schema.push_back({name, model::parse_type(type).value(), true});
  return schema;
}

/// Orders and customers of a shop.
std::vector<ViewSource> shop() {
  return {{{"raw", "orders"},
           {},
           schema_of({{"id", "bigint"},
                      {"customer", "bigint"},
                      {"city", "varchar"},
                      {"amount", "decimal(12,2)"},
                      {"day", "date"},
                      {"tags", "varchar[]"},
                      {"place", "struct(street varchar, zip varchar)"}})},
          {{"raw", "customers"},
           {},
           schema_of({{"id", "bigint"}, {"name", "varchar"}, {"city", "varchar"}})}};
}

std::string text_of(const std::set<model::ColumnSource>& sources) {
  std::string text;
  for (const auto& each : sources)
    text += fmt::format(" {}:{}.{}", model::to_text(each.use), each.dataset.name, each.column);
  return text;
}

/// A line a column, in the order of their names, and one of the rows: ` use:dataset.column`, ….
std::string traced(const std::string& sql) {
  const Cancel never;
  auto session = open_user_session({.threads = 1}, shop(), never);
  EXPECT_TRUE(session) << to_line(session.error());
  auto columns = (*session)->describe("SELECT * FROM (\n" + sql + "\n)");
  EXPECT_TRUE(columns) << to_line(columns.error()) << sql;
  const auto lineage = column_lineage(sql, shop(), *columns, never);
  if (!lineage) return to_line(lineage.error());
  const auto again = model::column_lineage_from_json(model::to_json(*lineage));
  EXPECT_TRUE(again && *again == *lineage) << "its JSON says the same";
  std::string text;
  for (const auto& [name, sources] : lineage->columns)
    text += fmt::format("{} ={}\n", name, text_of(sources));
  if (!lineage->rows.empty()) text += fmt::format("*{}\n", text_of(lineage->rows));
  return text;
}

struct Case {
  const char* what;
  const char* sql;
  const char* expected;
  friend void PrintTo(const Case& one, std::ostream* to) { *to << one.sql; }
};

class ColumnLineage : public ::testing::TestWithParam<Case> {};

TEST_P(ColumnLineage, SaysWhereColumnsComeFrom) {
  EXPECT_EQ(traced(GetParam().sql), GetParam().expected) << GetParam().sql;
}

std::string name_of(const ::testing::TestParamInfo<Case>& info) { return info.param.what; }

INSTANTIATE_TEST_SUITE_P(
    Columns, ColumnLineage,
    ::testing::Values(
        Case{"Alone", "SELECT id, city AS town FROM raw.orders",
             "id = identity:orders.id\ntown = identity:orders.city\n"},
        Case{"Computed", "SELECT upper(city) || '!' AS u, 1 AS one FROM raw.orders",
             "u = transformation:orders.city\n"},
        Case{"Cast", "SELECT CAST(amount AS DOUBLE) AS d, CAST(id AS BIGINT) AS i FROM raw.orders",
             "d = transformation:orders.amount\ni = identity:orders.id\n"},
        Case{"Star", "SELECT * FROM raw.customers",
             "city = identity:customers.city\nid = identity:customers.id\n"
             "name = identity:customers.name\n"},
        Case{"StarWithoutAndWith",
             "SELECT * EXCLUDE (name) REPLACE (lower(city) AS city) FROM raw.customers",
             "city = transformation:customers.city\nid = identity:customers.id\n"},
        Case{"ColumnsByPattern", "SELECT COLUMNS('^(id|name)$') FROM raw.customers",
             "id = identity:customers.id\nname = identity:customers.name\n"},
        Case{"AliasOfTheSameSelect", "SELECT amount * 2 AS a, a + 1 AS b FROM raw.orders",
             "a = transformation:orders.amount\nb = transformation:orders.amount\n"},
        Case{"Condition",
             "SELECT CASE WHEN day > '2026-01-01' THEN city ELSE 'old' END AS c "
             "FROM raw.orders",
             "c = transformation:orders.city conditional:orders.day\n"},
        Case{"FieldOfAStruct", "SELECT o.place.zip AS zip, place FROM raw.orders o",
             "place = identity:orders.place\nzip = transformation:orders.place\n"},
        Case{"Lambda", "SELECT list_transform(tags, lambda t: t || city) AS t FROM raw.orders",
             "t = transformation:orders.city transformation:orders.tags\n"},
        Case{"Unnested", "SELECT id, unnest(tags) AS tag FROM raw.orders",
             "id = identity:orders.id\ntag = transformation:orders.tags\n"},
        Case{"UnnestedAside", "SELECT o.id, u.tag FROM raw.orders o, unnest(o.tags) AS u(tag)",
             "id = identity:orders.id\ntag = transformation:orders.tags\n"},
        Case{"JsonAside", "SELECT o.id, j.value FROM raw.orders o, json_each(o.city) j",
             "id = identity:orders.id\nvalue = transformation:orders.city\n"},
        Case{"NothingRead", "SELECT range AS n FROM range(3)", ""}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Rows, ColumnLineage,
    ::testing::Values(
        Case{"Filter", "SELECT id FROM raw.orders WHERE amount > 3 AND city <> ''",
             "id = identity:orders.id\n* filter:orders.amount filter:orders.city\n"},
        Case{"Group", "SELECT city, sum(amount) AS total, count(*) AS n FROM raw.orders GROUP BY 1",
             "city = identity:orders.city\ntotal = aggregation:orders.amount\n"
             "* group_by:orders.city\n"},
        Case{"GroupByRollup",
             "SELECT city, day, sum(amount) AS t, grouping(city) AS g FROM raw.orders "
             "GROUP BY ROLLUP (city, day)",
             "city = identity:orders.city\nday = identity:orders.day\n"
             "t = aggregation:orders.amount\n* group_by:orders.city group_by:orders.day\n"},
        Case{"Having", "SELECT city FROM raw.orders GROUP BY city HAVING sum(amount) > 10",
             "city = identity:orders.city\n* filter:orders.amount group_by:orders.city\n"},
        Case{"AllInOne", "SELECT max(amount) AS m FROM raw.orders WHERE city = 'Oslo'",
             "m = aggregation:orders.amount filter:orders.city\n"},
        Case{"AggregateOfSome",
             "SELECT string_agg(city ORDER BY day) FILTER (WHERE amount > 1) AS s FROM raw.orders",
             "s = filter:orders.amount aggregation:orders.city sort:orders.day\n"},
        Case{"Sort", "SELECT id FROM raw.orders ORDER BY day LIMIT 3",
             "id = identity:orders.id\n* sort:orders.day\n"},
        Case{"Distinct", "SELECT DISTINCT city FROM raw.orders",
             "city = identity:orders.city\n* group_by:orders.city\n"},
        Case{"DistinctOn", "SELECT DISTINCT ON (city) id FROM raw.orders ORDER BY city, day",
             "id = identity:orders.id\n"
             "* group_by:orders.city sort:orders.city sort:orders.day\n"},
        Case{"Window",
             "SELECT sum(amount) OVER (PARTITION BY city ORDER BY day) AS s, "
             "lag(day) OVER (ORDER BY id) AS l FROM raw.orders",
             "l = transformation:orders.day window:orders.id\n"
             "s = aggregation:orders.amount window:orders.city window:orders.day\n"},
        Case{"Qualify",
             "SELECT id FROM raw.orders "
             "QUALIFY row_number() OVER (PARTITION BY city ORDER BY day) = 1",
             "id = identity:orders.id\n* filter:orders.city filter:orders.day\n"},
        Case{"Pivot", "PIVOT raw.orders ON city IN ('Oslo') USING sum(amount) GROUP BY day",
             "Oslo = aggregation:orders.amount filter:orders.city\nday = identity:orders.day\n"
             "* group_by:orders.day\n"},
        Case{"Unpivot",
             "UNPIVOT (SELECT id, name, city FROM raw.customers) ON name, city INTO NAME n VALUE v",
             "id = identity:customers.id\n"
             "v = transformation:customers.city transformation:customers.name\n"
             "* filter:customers.city filter:customers.name\n"}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Joins, ColumnLineage,
    ::testing::Values(
        Case{"On",
             "SELECT o.id, c.name FROM raw.orders o JOIN raw.customers c ON o.customer = c.id",
             "id = identity:orders.id\nname = identity:customers.name\n"
             "* join:customers.id join:orders.customer\n"},
        Case{"Using", "SELECT id, o.city FROM raw.orders o LEFT JOIN raw.customers c USING (id)",
             "city = identity:orders.city\nid = identity:orders.id\n"
             "* join:customers.id join:orders.id\n"},
        Case{"UsingOfBoth", "SELECT id FROM raw.orders FULL JOIN raw.customers USING (id)",
             "id = transformation:customers.id transformation:orders.id\n"
             "* join:customers.id join:orders.id\n"},
        Case{"Right",
             "SELECT o.day, c.name FROM raw.orders o RIGHT JOIN raw.customers c USING (id)",
             "day = identity:orders.day\nname = identity:customers.name\n"
             "* join:customers.id join:orders.id\n"},
        Case{"Crossed", "SELECT c.name FROM raw.orders, raw.customers c",
             "name = identity:customers.name\n"},
        Case{"OnAnything",
             "SELECT o.id FROM raw.orders o LEFT JOIN raw.customers c "
             "ON o.customer = c.id OR o.city < c.city",
             "id = identity:orders.id\n* join:customers.city join:customers.id join:orders.city "
             "join:orders.customer\n"},
        Case{"Asof",
             "SELECT o.id, c.name FROM raw.orders o ASOF JOIN raw.customers c "
             "ON o.city = c.city AND o.id >= c.id",
             "id = identity:orders.id\nname = identity:customers.name\n"
             "* join:customers.city join:customers.id join:orders.city join:orders.id\n"},
        Case{"Semi", "SELECT o.day FROM raw.orders o SEMI JOIN raw.customers c USING (id)",
             "day = identity:orders.day\n* join:customers.id join:orders.id\n"},
        Case{"Positional", "SELECT o.id, c.name FROM raw.orders o POSITIONAL JOIN raw.customers c",
             "id = identity:orders.id\nname = identity:customers.name\n"},
        Case{
            "WithValues",
            "SELECT t.word, o.id FROM (VALUES (1, 'x')) t(n, word) JOIN raw.orders o ON o.id = t.n",
            "id = identity:orders.id\n* join:orders.id\n"},
        Case{"UnionOfRows",
             "SELECT id, city FROM raw.orders UNION ALL SELECT id, name FROM "
             "raw.customers",
             "city = identity:customers.name identity:orders.city\n"
             "id = identity:customers.id identity:orders.id\n"},
        Case{"UnionByName",
             "SELECT id, city FROM raw.orders UNION ALL BY NAME SELECT city, name FROM "
             "raw.customers",
             "city = identity:customers.city identity:orders.city\nid = identity:orders.id\n"
             "name = identity:customers.name\n"},
        Case{"Union", "SELECT city FROM raw.orders UNION SELECT city FROM raw.customers",
             "city = identity:customers.city identity:orders.city\n"
             "* group_by:customers.city group_by:orders.city\n"},
        Case{"Except", "SELECT city FROM raw.orders EXCEPT ALL SELECT city FROM raw.customers",
             "city = identity:orders.city\n* filter:customers.city\n"},
        Case{"Intersect",
             "SELECT city FROM raw.orders INTERSECT ALL SELECT city FROM raw.customers",
             "city = identity:orders.city\n* filter:customers.city\n"}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Subqueries, ColumnLineage,
    ::testing::Values(
        Case{"Derived",
             "SELECT t.c AS d FROM (SELECT city AS c, id FROM raw.orders) t WHERE id > 1",
             "d = identity:orders.city\n* filter:orders.id\n"},
        Case{"CteThatHidesADataset",
             "WITH orders AS (SELECT name AS id FROM raw.customers) SELECT id FROM orders",
             "id = identity:customers.name\n"},
        Case{"CteOverCte",
             "WITH a AS (SELECT city, amount FROM raw.orders), "
             "b AS (SELECT city, sum(amount) AS s FROM a GROUP BY city) "
             "SELECT b.s / 2 AS half, a.city FROM a JOIN b USING (city)",
             "city = identity:orders.city\nhalf = aggregation:orders.amount\n"
             "* join:orders.city group_by:orders.city\n"},
        Case{"RecursiveCte",
             "WITH RECURSIVE r AS (SELECT id, city FROM raw.orders UNION ALL "
             "SELECT r.id + 1, c.name FROM r JOIN raw.customers c ON c.id = r.id) "
             "SELECT * FROM r",
             "city = identity:customers.name identity:orders.city\n"
             "id = identity:orders.id transformation:orders.id\n"
             "* join:customers.id join:orders.id\n"},
        Case{"OneValue",
             "SELECT id, (SELECT max(id) FROM raw.customers WHERE city = 'x') AS m "
             "FROM raw.orders",
             "id = identity:orders.id\nm = filter:customers.city aggregation:customers.id\n"},
        Case{"OneRow",
             "SELECT id, (SELECT name FROM raw.customers ORDER BY city LIMIT 1) AS m "
             "FROM raw.orders",
             "id = identity:orders.id\nm = sort:customers.city identity:customers.name\n"},
        Case{"Correlated",
             "SELECT id, (SELECT max(c.name) FROM raw.customers c WHERE c.id = o.customer) AS m "
             "FROM raw.orders o",
             "id = identity:orders.id\n"
             "m = filter:customers.id aggregation:customers.name filter:orders.customer\n"},
        Case{
            "CorrelatedTwice",
            "SELECT (SELECT string_agg(c.name, ',') FROM raw.customers c WHERE c.id = o.customer "
            "AND EXISTS (SELECT 1 FROM raw.orders p WHERE p.city = c.city AND p.day = o.day)) AS m "
            "FROM raw.orders o",
            "m = filter:customers.city filter:customers.id aggregation:customers.name "
            "filter:orders.city filter:orders.customer filter:orders.day\n"},
        Case{"CorrelatedRow",
             "SELECT id, (SELECT c.name FROM raw.customers c WHERE c.id = o.customer "
             "ORDER BY c.city LIMIT 1) AS m FROM raw.orders o",
             "id = identity:orders.id\n"
             "m = filter:customers.city filter:customers.id identity:customers.name "
             "filter:orders.customer\n"},
        Case{"CorrelatedRows",
             "SELECT (SELECT c.name FROM raw.customers c WHERE c.id = o.customer LIMIT 1) AS m, "
             "(SELECT c.city FROM raw.customers c WHERE c.name = o.city LIMIT 1) AS n, day "
             "FROM raw.orders o",
             "day = identity:orders.day\n"
             "m = filter:customers.id identity:customers.name filter:orders.customer\n"
             "n = identity:customers.city filter:customers.name filter:orders.city\n"},
        Case{"In",
             "SELECT id FROM raw.orders WHERE customer IN (SELECT id FROM raw.customers "
             "WHERE name > 'k')",
             "id = identity:orders.id\n"
             "* filter:customers.id filter:customers.name filter:orders.customer\n"},
        Case{"Exists",
             "SELECT id FROM raw.orders o WHERE NOT EXISTS "
             "(SELECT 1 FROM raw.customers c WHERE c.id = o.customer)",
             "id = identity:orders.id\n* filter:customers.id filter:orders.customer\n"},
        Case{"IsThere",
             "SELECT o.id, o.customer IN (SELECT id FROM raw.customers) AS known FROM raw.orders o",
             "id = identity:orders.id\n"
             "known = transformation:customers.id transformation:orders.customer\n"},
        Case{"Lateral",
             "SELECT o.id, l.m FROM raw.orders o, LATERAL "
             "(SELECT max(c.name) AS m FROM raw.customers c WHERE c.id < o.customer) l",
             "id = identity:orders.id\n"
             "m = filter:customers.id aggregation:customers.name filter:orders.customer\n"},
        Case{"LateralRows",
             "SELECT o.id, l.name FROM raw.orders o, LATERAL "
             "(SELECT c.name FROM raw.customers c WHERE c.id < o.customer) l",
             "id = identity:orders.id\nname = identity:customers.name\n"
             "* filter:customers.id filter:orders.customer\n"}),
    name_of);

TEST(ColumnLineageOf, CountsWhatIsAroundTheSelect) {
  EXPECT_EQ(traced("-- first\nSELECT id FROM raw.orders -- last"), "id = identity:orders.id\n");
}

TEST(ColumnLineageOf, ColumnsAreThoseThatAreStoredAsTheyAreStored) {
  const Cancel never;
  const auto lineage = column_lineage("SELECT id, amount, city FROM raw.orders;", shop(),
                                      schema_of({{"amount", "double"}, {"id", "bigint"}}), never);
  ASSERT_TRUE(lineage) << to_line(lineage.error());
  EXPECT_EQ(text_of(lineage->columns.at("amount")), " transformation:orders.amount");
  EXPECT_EQ(text_of(lineage->columns.at("id")), " identity:orders.id");
  EXPECT_EQ(lineage->columns.size(), 2U);
}

TEST(ColumnLineageOf, SaysNothingOfWhatItDoesNotKnow) {
  const std::string said = traced(
      "WITH RECURSIVE r(id, n) USING KEY (id) AS (SELECT id, 1 FROM raw.orders UNION "
      "SELECT id, n + 1 FROM r WHERE n < 3) SELECT id, n FROM r");
  EXPECT_NE(said.find("USING KEY"), std::string::npos) << said;
}

TEST(ColumnLineageOf, ManyBranchesAreFollowedOrRefusedNotFatal) {
  std::string sql = "SELECT id FROM raw.orders";
  for (int i = 0; i < 900; ++i) sql += " UNION ALL SELECT id FROM raw.customers";
  EXPECT_EQ(traced(sql), "id = identity:customers.id identity:orders.id\n");
}

}  // namespace
}  // namespace weir::sql
