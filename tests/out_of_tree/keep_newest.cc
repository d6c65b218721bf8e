#include <string>
#include <vector>

#include "model/schema.h"
#include "task/define.h"

namespace weir::templates {
namespace {

struct Params {
  model::DatasetName from;
  model::DatasetName to;
  std::vector<std::string> by;
  std::string newest;
};

/// One replace of the whole target, from the newest version of the source.
Result<std::vector<model::Operation>> plan(const Params& params, const task::Inputs& inputs) {
  std::vector<std::string> by;
  for (const auto& column : params.by) by.push_back(model::quote_name(column));
  const std::string sql = fmt::format(
      "SELECT * FROM {} QUALIFY row_number() OVER (PARTITION BY {} ORDER BY {} DESC) = 1",
      params.from.text(), fmt::join(by, ", "), model::quote_name(params.newest));
  std::vector<model::Operation> operations;
  for (const auto& hop : inputs.hops) {
    model::Operation operation;
    operation.kind = model::OperationKind::kTransform;
    operation.inputs = hop.inputs;
    operation.target = inputs.target;
    operation.target.mode = model::WriteMode::kReplace;
    operation.params = {{"sql", sql}, {"dialect", "duckdb"}};
    operations.push_back(std::move(operation));
  }
  return operations;
}

}  // namespace

task::Template keep_newest() {
  return task::Define<Params>("keep_newest", "Keeps the newest row of each group of a dataset.")
      .consumes("from", &Params::from, "Dataset whose newest version is read.")
      .produces("to", &Params::to, "Hudi table that is replaced in one commit.")
      .required("by", &Params::by, "Columns that make a group.")
      .required("newest", &Params::newest, "Column whose greatest value is kept.")
      .example("The last order of each customer.", {{"from", "raw.orders"},
                                                    {"to", "presentation.last_orders"},
                                                    {"by", {"customer"}},
                                                    {"newest", "ordered_at"}})
      .plan(model::OperationKind::kTransform, task::Batching::kLatest, plan);
}

}  // namespace weir::templates
