#include "task/define.h"

namespace weir::templates {
namespace {

using model::Operation;

struct Params {
  std::vector<std::string> datasets;
  std::string severity = "fail";
};

/// One look at the whole chain: a hop is judged by its neighbours.
Result<std::vector<Operation>> plan(const Params& params, const task::Inputs& inputs) {
  Operation operation;
  operation.kind = model::OperationKind::kReconcile;
  operation.target = inputs.target;
  operation.params = {{"chain", inputs.chain}, {"severity", params.severity}};
  return std::vector{std::move(operation)};
}

}  // namespace

task::Template reconcile() {
  return task::Define<Params>("reconcile",
                              "Proves that every row of a chain is still where it was published.")
      .reconciles("datasets", &Params::datasets,
                  "Datasets (layer.name) and warehouse tables (connection.table) of the chain; all "
                  "that the flow writes by default.")
      .optional("severity", &Params::severity, "Whether a broken hop fails the task or warns.",
                task::choice({"fail", "warn"}))
      .example("Everything that this flow writes, as its last task.", Json::object())
      .example("One dataset and its table, whoever writes them.",
               {{"datasets", {"stage.airports", "warehouse.airports_by_country"}}})
      .plan(model::OperationKind::kReconcile, task::Batching::kChain, plan);
}

}  // namespace weir::templates
