#include "config/run_reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/time_format.h"
#include "config/resolve.h"

namespace weir::config {
namespace {

using ::testing::HasSubstr;

const Json kValues = {{"params.day", "2026-01-31"},      {"params.n", 7},
                      {"params.odd", "it's'); DROP --"}, {"params.list", Json::array({"a", "b'c"})},
                      {"params.ref", "${params.n}"},     {"params.none", nullptr}};

Result<Json> known(const RunReference& reference) {
  const Json value = kValues.value(reference.name, Json());
  return value.is_null() && reference.otherwise ? Json(*reference.otherwise) : value;
}

std::string put(const Json& value) {
  const auto made = put_in(value, known);
  return made ? dump_json(*made) : made.error().message;
}

std::string sql(std::string_view text) {
  const auto made = put_in_sql(text, known);
  return made ? *made : made.error().message;
}

TEST(RunReference, AloneKeepsItsTypeAndWithinATextIsWords) {
  EXPECT_EQ(put("${params.n}"), "7");
  EXPECT_EQ(put("n=${params.n}/${params.day}"), R"("n=7/2026-01-31")");
  EXPECT_EQ(put({{"a", Json::array({"${params.list}", 1})}}), R"({"a":[["a","b'c"],1]})");
  EXPECT_THAT(put("x ${params.list}"), HasSubstr("is a list, which no text can hold"));
}

TEST(RunReference, IsPutInOnceAndOthersStay) {
  EXPECT_EQ(put("${params.ref} ${OTHER} $x"), R"("${params.n} ${OTHER} $x")");
  EXPECT_EQ(put("$${params.n}"), R"("${params.n}")");
  EXPECT_EQ(put("${params.none:-landing/*.csv}"), R"("landing/*.csv")");
}

TEST(RunReference, WhatNoRunHasIsRefused) {
  EXPECT_THAT(put("${trigger.fiel}"), HasSubstr("nothing that a run has"));
  EXPECT_THAT(read_run_reference("trigger.fiel").error().hint, HasSubstr("trigger.file"));
  EXPECT_THAT(put("${params.}"), HasSubstr("nothing that a run has"));
  EXPECT_THAT(put("${params.day"), HasSubstr("has no '}'"));
  EXPECT_THAT(put("${trigger.file|%Y}"), HasSubstr("is no time"));
  EXPECT_THAT(put("${run.logical_time|%Q}"), HasSubstr("'%Q', which is not known"));
  EXPECT_THAT(put("${run.logical_time|day}"), HasSubstr("nothing of a time"));
  EXPECT_THAT(put("${trigger.file:-a${params.n}}"), HasSubstr("has another one within"));
}

TEST(RunReference, OfSqlStaysWithinItsQuotes) {
  EXPECT_EQ(sql("select '${params.odd}' -- ${params.n}"),
            "select 'it''s''); DROP --' -- ${params.n}");
  EXPECT_EQ(sql("select 'a''${params.odd}'"), "select 'a''it''s''); DROP --'");
  EXPECT_EQ(sql("limit '${params.n}'"), "limit 7");
  EXPECT_EQ(sql("x in ('${params.list}')"), "x in ('a', 'b''c')");
  EXPECT_EQ(sql("'n ${params.n}'"), "'n 7'");
  EXPECT_EQ(sql("'$${params.n}' '${x}'"), "'${params.n}' '${x}'");
  EXPECT_EQ(sql("/* /* */ '${params.odd}' */ 1"), "/* /* */ '${params.odd}' */ 1");
}

TEST(RunReference, OfSqlOutsideOfItsOwnQuotesIsRefused) {
  EXPECT_THAT(sql("limit ${params.n}"), HasSubstr("outside of quotes"));
  EXPECT_THAT(sql(R"(select "${params.day}")"), HasSubstr("in quotes of another kind"));
  EXPECT_THAT(sql("select $$ ' $$, '${params.n}', $$ ' ${params.odd} ' $$"),
              HasSubstr("in quotes of another kind"));
  EXPECT_THAT(sql("select e'${params.odd}'"), HasSubstr("'e' in front"));
  EXPECT_THAT(sql("select 'x ${params.list}'"), HasSubstr("a list"));
}

TEST(RunReference, StaysInAVersionAndNothingElseBecomesOne) {
  model::Configuration configuration;
  auto& flow = configuration.flows.emplace_back();
  flow.flow_id = "f";
  auto& task = flow.tasks.emplace_back();
  task.flow_id = "f";
  task.task_id = "t";
  task.template_id = "none";
  task.params = {{"a", "${params.day}/${VAR}"}, {"b", "$${params.day}"}, {"c", "$${x}"}};
  Variables variables;
  variables.given["VAR"] = "${trigger.file}";
  const auto made = resolve(configuration, variables, {}, {});
  ASSERT_TRUE(made) << made.error().front().message;
  const Json& params = made->flows[0].tasks[0].params;
  EXPECT_EQ(params["a"], "${params.day}/$${trigger.file}");
  EXPECT_EQ(params["b"], "$${params.day}");
  EXPECT_EQ(params["c"], "${x}");
  EXPECT_EQ(put(params["a"]), R"("2026-01-31/${trigger.file}")");
  EXPECT_EQ(put(params["b"]), R"("${params.day}")");

  configuration.flows[0].tasks[0].engine = "${params.engine}";
  const auto refused = resolve(configuration, variables, {}, {});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().front().message, HasSubstr("known only to a run"));
}

TEST(TimeFormat, ShowsWhatClocksShow) {
  constexpr int64_t kAtUs = 1'774'745'999'999'999;  // 2026-03-29T00:59:59.999999Z
  EXPECT_EQ(format_time("%Y%m%d %H:%M:%S %j %z %%", kAtUs, 0), "20260329 00:59:59 088 +0000 %");
  EXPECT_EQ(format_time("%Y%m%dT%H%z", kAtUs, 2 * 3600), "20260329T02+0200");
  EXPECT_EQ(format_time("%d %H%M %z", kAtUs, -5400), "28 2329 -0130");
  EXPECT_EQ(format_time("%Y-%m-%d", -1, 0), "1969-12-31");
}

}  // namespace
}  // namespace weir::config
