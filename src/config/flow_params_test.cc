#include "config/flow_params.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/lint_run_values.h"

namespace weir::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

model::Flow shop() {
  model::Flow flow;
  flow.flow_id = "shop";
  flow.params = {{"day", {{"type", "date"}, {"doc", "The day to load."}}},
                 {"region", "eu"},
                 {"most", 5},
                 {"is_full", false},
                 {"names", Json::array({"a"})},
                 {"at", {{"type", "timestamp"}, {"default", nullptr}}},
                 {"size", {{"type", "choice"}, {"choices", {"s", "m"}}, {"default", "s"}}}};
  return flow;
}

std::string checked(const Json& given) {
  const auto made = checked_params(shop(), given);
  return made ? dump_json(*made) : made.error().message + " | " + made.error().hint;
}

TEST(FlowParams, AreConvertedAndFilledUp) {
  EXPECT_EQ(
      checked({{"day", "2026-01-31"}}),
      R"({"day":"2026-01-31","is_full":false,"most":5,"names":["a"],"region":"eu","size":"s"})");
  EXPECT_EQ(checked({{"day", "20260131"},
                     {"most", "7"},
                     {"is_full", "true"},
                     {"names", "x, y"},
                     {"region", "7"},
                     {"size", "m"},
                     {"at", "2026-01-31T01:00:00+01:00"}}),
            R"({"at":"2026-01-31T00:00:00Z","day":"2026-01-31","is_full":true,"most":7,)"
            R"("names":["x","y"],"region":"7","size":"m"})");
}

TEST(FlowParams, WhatDoesNotFitIsRefused) {
  const Json day = {{"day", "2026-01-31"}};
  const auto with = [&](const char* name, const Json& value) {
    Json given = day;
    given[name] = value;
    return checked(given);
  };
  EXPECT_THAT(checked(Json::object()), HasSubstr("flow 'shop' needs parameter 'day' (date)"));
  EXPECT_THAT(with("regoin", "us"), HasSubstr("no parameter 'regoin' | did you mean 'region'?"));
  EXPECT_THAT(with("day", "2026-02-30"), HasSubstr(R"('day' is "2026-02-30", no date)"));
  EXPECT_THAT(with("day", "tomorrow"), HasSubstr("no date"));
  EXPECT_THAT(with("day", "${x}"), HasSubstr("no date"));
  EXPECT_THAT(with("most", "many"), HasSubstr("no integer"));
  EXPECT_THAT(with("most", "${n}"), HasSubstr("no integer"));
  EXPECT_THAT(with("most", 1.5), HasSubstr("no integer"));
  EXPECT_THAT(with("is_full", 1), HasSubstr("no boolean"));
  EXPECT_THAT(with("region", 1), HasSubstr("no text"));
  EXPECT_THAT(with("region", nullptr), HasSubstr("is null"));
  EXPECT_THAT(with("size", "l"), HasSubstr("'size' is 'l'"));
  EXPECT_THAT(with("at", "noon"), HasSubstr("no timestamp"));
  EXPECT_THAT(checked(Json::array({1})), HasSubstr("no map"));
}

TEST(FlowParams, OfFilesPassAndThoseOfTheRunItselfDoNot) {
  EXPECT_THAT(checked({{"day", "2026-01-31"}, {"trigger.file", "landing/a.csv"}}),
              HasSubstr(R"("trigger.file":"landing/a.csv")"));
  EXPECT_THAT(checked({{"day", "2026-01-31"}, {"trigger.file", 7}}), HasSubstr("write a text"));
  EXPECT_THAT(checked({{"day", "2026-01-31"}, {"trigger.fiel", "x"}}), HasSubstr("no parameter"));
  EXPECT_THAT(checked({{"day", "2026-01-31"}, {"schedule.logical_time", "x"}}),
              HasSubstr("it is not given"));
}

std::vector<std::string> faults(const Json& params) {
  model::Flow flow;
  flow.params = params;
  std::vector<std::string> list;
  for (const auto& fault : check_flow_params(flow)) {
    std::string path;
    for (const auto& step : fault.path) path += "/" + step;
    list.push_back(path + ": " + fault.error.message);
  }
  return list;
}

TEST(FlowParams, WrongDeclarationsAreRefused) {
  EXPECT_THAT(faults({{"day", {{"type", "date"}, {"default", "soon"}}}}),
              ElementsAre(HasSubstr("/day/default: parameter 'day' is \"soon\", no date")));
  EXPECT_THAT(faults({{"n", {{"typ", "integer"}}}}), ElementsAre(HasSubstr("unknown key 'typ'")));
  EXPECT_THAT(faults({{"n", {{"type", "int"}}}}), ElementsAre(HasSubstr("unknown type 'int'")));
  EXPECT_THAT(faults({{"n", {{"type", "dataset"}}}}), ElementsAre(HasSubstr("of type 'dataset'")));
  EXPECT_THAT(faults({{"n", {{"type", "choice"}}}}), ElementsAre(HasSubstr("no choices")));
  EXPECT_THAT(faults({{"n", nullptr}}), ElementsAre(HasSubstr("no value")));
  EXPECT_THAT(faults({{"a.b", 1}}), ElementsAre(HasSubstr("cannot name a parameter")));
  EXPECT_THAT(faults({{"n", {{"type", "integer"}, {"default", 3}, {"greatest", 2}}}}),
              ElementsAre(HasSubstr("out of range")));
}

TEST(FlowParams, ScheduleAndTriggerGiveAllThatIsNeeded) {
  auto flow = shop();
  flow.schedule = {{"cron", "0 6 * * *"}, {"params", {{"regoin", "us"}, {"most", "many"}}}};
  Faults found;
  lint_flow_params(flow, Places(), found);
  std::vector<std::string> messages;
  for (const auto& fault : found) messages.push_back(fault.message);
  EXPECT_THAT(messages, ElementsAre(HasSubstr("no integer"), HasSubstr("no parameter 'regoin'"),
                                    HasSubstr("no value for parameter 'day'")));
  flow.schedule["params"] = {{"day", "2026-01-01"}};
  found.clear();
  lint_flow_params(flow, Places(), found);
  EXPECT_TRUE(found.empty());
}

std::vector<std::string> references(const model::Flow& flow, const Json& value,
                                    task::ParamType type = task::ParamType::kText) {
  task::Param param;
  param.name = "p";
  param.type = type;
  std::vector<std::string> messages;
  for (const auto& fault : check_run_references(flow, &param, value))
    messages.push_back(fault.message + " | " + fault.hint);
  return messages;
}

TEST(FlowParams, AreSpokenOfWhereTheyAre) {
  auto flow = shop();
  EXPECT_THAT(references(flow, Json::array({"${params.day}", "${run.run_id}"})), ElementsAre());
  EXPECT_THAT(references(flow, "${params.dya}"), ElementsAre(HasSubstr("did you mean 'day'?")));
  EXPECT_THAT(references(flow, "${trigger.file}"), ElementsAre(HasSubstr("no file starts flow")));
  EXPECT_THAT(references(flow, "${trigger.file:-landing/*}"), ElementsAre());
  EXPECT_THAT(references(flow, "${schedule.interval_end}"), ElementsAre(HasSubstr("no schedule")));
  flow.file_trigger = "landing/*";
  flow.schedule = "@daily";
  EXPECT_THAT(references(flow, "${trigger.file} ${schedule.interval_end}"), ElementsAre());
  EXPECT_THAT(references(flow, "raw.${params.region}", task::ParamType::kDataset),
              ElementsAre(HasSubstr("known only to a run")));
}

}  // namespace
}  // namespace weir::config
