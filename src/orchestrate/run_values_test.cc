#include "orchestrate/run_values.h"

#include "base/instant.h"
#include "base/pattern.h"
#include "orchestrate/coordinator.h"
#include "orchestrate/runner/scripted_runs.h"

namespace weir::orchestrate {
namespace {

task::Template ingest() {
  task::Template made;
  made.name = "ingest";
  const auto add = [&](const char* name, task::ParamType type) {
    task::Param param;
    param.name = name;
    param.type = type;
    made.params.push_back(param);
  };
  add("from", task::ParamType::kGlob);
  add("note", task::ParamType::kText);
  add("threads", task::ParamType::kInteger);
  return made;
}

class Values : public ::testing::Test {
 protected:
  Values() {
    flow_.flow_id = "shop";
    flow_.params = {{"day", {{"type", "date"}, {"default", "2026-01-31"}}}, {"n", 4}};
    run_.run_id = "r1";
    run_.logical_time_us = *parse_instant("2026-03-29T06:00:00Z");
  }
  void give(const Json& given) {
    const Status status = give_values(flow_, given, run_);
    ASSERT_TRUE(status) << to_line(status.error());
  }
  std::string put(const char* name, const Json& value) {
    model::Task task;
    task.task_id = "t";
    task.params = {{name, value}};
    const auto made = RunValues(flow_, run_).params_of(task, ingest());
    return made ? dump_json(made->at(name)) : to_line(made.error());
  }

  model::Flow flow_;
  FlowRun run_;
};

TEST_F(Values, KeepTheirTypes) {
  give({{"n", "9"}});
  EXPECT_EQ(put("threads", "${params.n}"), "9");
  EXPECT_EQ(put("note", "${params.day|%d.%m.%Y} ${run.run_id}"), R"("31.01.2026 r1")");
  EXPECT_EQ(put("note", "${run.logical_time}"), R"("2026-03-29T06:00:00Z")");
  EXPECT_EQ(put("threads", "${trigger.key.n:-3}"), "3");
  EXPECT_THAT(put("note", "${params.n|%Y}"), HasSubstr("no date and no timestamp"));
}

TEST_F(Values, OfANameThatArrivedMeanThatFileAlone) {
  give({{"trigger.file", "landing/a[1]*{x}?.csv"}});
  const auto from = put("from", "${trigger.file:-landing/*.csv}");
  EXPECT_EQ(from, R"("landing/a[[]1[]][*][{]x[}][?].csv")");
  const auto glob = Json::parse(from).get<std::string>();
  EXPECT_TRUE(*glob_matches(glob, "landing/a[1]*{x}?.csv"));
  EXPECT_FALSE(*glob_matches(glob, "landing/a1bx-.csv"));
  EXPECT_EQ(put("note", "${trigger.file}"), R"("landing/a[1]*{x}?.csv")");
  run_.params.erase("trigger.file");
  EXPECT_EQ(put("from", "${trigger.file:-landing/*.csv}"), R"("landing/*.csv")");
}

TEST_F(Values, ThatAreMissingSayTheWayOut) {
  give(Json::object());
  EXPECT_THAT(put("from", "${trigger.file}"),
              AllOf(HasSubstr("'from' of task 't'"), HasSubstr("'${trigger.file}' has no value"),
                    HasSubstr("no file started it")));
  EXPECT_THAT(put("note", "${schedule.interval_start}"), HasSubstr("the flow has no schedule"));
}

TEST_F(Values, OfTimeAreThoseOfTheScheduleAndItsZone) {
  flow_.schedule = {{"cron", "0 0 * * *"}, {"timezone", "Europe/Berlin"}};
  give(Json::object());  // By hand, in the course of the 29th.
  EXPECT_EQ(put("note", "${schedule.interval_start} ${schedule.logical_time}"),
            R"("2026-03-27T23:00:00Z 2026-03-28T23:00:00Z")");
  EXPECT_EQ(put("note", "${schedule.interval_start|%Y%m%d} ${schedule.interval_end|%Y%m%d%z}"),
            R"("20260328 20260329+0100")");
  run_.interval_start_us = *parse_instant("2026-01-01");
  run_.interval_end_us = *parse_instant("2026-01-02");
  give(Json::object());
  EXPECT_EQ(put("note", "${schedule.interval_start}"), R"("2026-01-01T00:00:00Z")");
}

TEST_F(Values, OfATriggerMaySpeakOfItsFiles) {
  run_.trigger = "file";
  give({{"day", "${trigger.key.day}"}, {"trigger.key.day", "20260105"}});
  EXPECT_EQ(run_.params["day"], "2026-01-05");
  run_.trigger = "manual";
  EXPECT_FALSE(give_values(flow_, {{"day", "${trigger.key.day}"}}, run_));
}

TEST_F(Values, OfSqlAreQuoted) {
  run_.params = {{"day", "x' or '1'='1"}, {"n", 3}};
  EXPECT_EQ(*RunValues(flow_, run_).sql_of("a.sql", "d = '${params.day}' and n = '${params.n}'"),
            "d = 'x'' or ''1''=''1' and n = 3");
  EXPECT_THAT(to_line(RunValues(flow_, run_).sql_of("a.sql", "${params.n}").error()),
              HasSubstr("a.sql"));
}

class RunsWithValues : public ScriptedRuns {};

TEST_F(RunsWithValues, WithWrongParametersDoNotStart) {
  flow().params = {{"day", {{"type", "date"}}}};
  add_task("work");
  Cancel cancel;
  for (const Json& given : {Json::object(), Json{{"day", "soon"}}, Json{{"dya", "2026-01-01"}}}) {
    auto wanted = request("a");
    wanted.params = given;
    const auto refused = run_flow(services_, pinned_, wanted, cancel);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidConfig);
    RunWish wish;
    wish.flow_id = "shop";
    wish.run_key = "b";
    wish.params = given;
    EXPECT_FALSE(enqueue_run(services_, pinned_, wish));
  }
  EXPECT_FALSE(run_alone("work"));
  EXPECT_TRUE(catalog_->flow_runs("shop", 10)->empty());
}

TEST_F(RunsWithValues, MissOneAndFailWithoutAnotherTry) {
  add_task("work").params = {{"from", "${trigger.file}"}};
  flow().tasks.back().retries = 3;
  const auto report = run();
  EXPECT_EQ(report.run.state, RunState::kFailed);
  EXPECT_EQ(task_of(report, "work").attempt, 1);
  EXPECT_EQ(task_of(report, "work").error_code, "invalid_config");
  EXPECT_THAT(task_of(report, "work").error_text, HasSubstr("trigger.file"));
  EXPECT_THAT(started(), IsEmpty());
}

TEST_F(RunsWithValues, HaveOperationsOfTheirOwn) {
  flow().params = {{"day", "x"}};
  model::Task& task = add_task("work");
  task.template_id = "planned";
  task.params = {{"note", "${params.day}"}};
  task::Template planned;
  planned.name = "planned";
  planned.operation = model::OperationKind::kCheck;
  planned.lint = [](const Json&) { return Status(); };
  planned.plan = [](const Json& params, const task::Inputs&) {
    model::Operation operation;
    operation.kind = model::OperationKind::kCheck;
    operation.params = params;
    return Result<std::vector<model::Operation>>({operation});
  };
  const std::vector<task::Template> templates = {planned};
  services_.templates = templates;
  const auto token = [&](const char* day) {
    auto wanted = request("");
    wanted.params = {{"day", day}};
    Cancel cancel;
    clock_.advance_ms(1);
    const auto report = run_flow(services_, pinned_, wanted, cancel);
    EXPECT_TRUE(report) << to_line(report.error());
    const Json& operations = task_of(*report, "work").operations;
    EXPECT_EQ(operations.size(), 1U) << dump_json(operations);
    return operations.at(0).value("token", "");
  };
  const std::string first = token("a");
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(token("a"), first);
  EXPECT_NE(token("b"), first);
}

}  // namespace
}  // namespace weir::orchestrate
