#include "base/instant.h"
#include "engine/sql_reading.h"
#include "task/define.h"

namespace weir::templates {
namespace {

using model::Operation;

struct Params {
  model::DatasetName to;
  std::string sql;
  std::string dialect = "duckdb";
};

/// One replace of the whole target: the SELECT over the pinned versions of what it names. A SELECT
/// over nothing, or one that asks for the time, may give other rows in each run: then the run's
/// logical time is part of what is asked for, and what now() gives; a retry makes no version.
Result<std::vector<Operation>> plan(const Params& params, const task::Inputs& inputs) {
  const auto body = inputs.files.find(params.sql);
  if (body == inputs.files.end())
    return fail_with_hint(ErrorCode::kNotFound,
                          fmt::format("SQL file '{}' is not there", params.sql),
                          "the path counts from the project folder");
  WEIR_ASSIGN(const auto facts,
              while_doing(engine::read_sql(params.dialect, body->second), "reading " + params.sql));
  std::vector<Operation> operations;
  for (const auto& hop : inputs.hops) {
    Operation operation;
    operation.kind = model::OperationKind::kTransform;
    operation.inputs = hop.inputs;
    operation.target = inputs.target;
    operation.target.format = "hudi";
    operation.target.mode = model::WriteMode::kReplace;
    operation.params = {{"sql", body->second}, {"dialect", params.dialect}};
    if (facts.is_volatile || facts.datasets.empty())
      operation.params["logical_time"] = format_instant(inputs.logical_time_us);
    operations.push_back(std::move(operation));
  }
  return operations;
}

}  // namespace

task::Template transform() {
  return task::Define<Params>("transform", "Replaces a dataset by the result of one SELECT.")
      .produces("to", &Params::to, "Hudi table that is replaced in one commit.")
      .required("sql", &Params::sql, "SQL file with one SELECT over layer.dataset names.",
                task::typed(task::ParamType::kSqlFile))
      .optional("dialect", &Params::dialect, "Dialect of the SQL; an engine without it refuses.",
                task::choice({"duckdb"}))
      .example("Airports by country.",
               {{"to", "presentation.airports_by_country"}, {"sql", "sql/airports_by_country.sql"}})
      .plan(model::OperationKind::kTransform, task::Batching::kLatest, plan);
}

}  // namespace weir::templates
