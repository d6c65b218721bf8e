#include "task/define.h"

namespace weir::templates {
namespace {

using model::Operation;

struct Params {
  model::DatasetName from;
  std::string connection;
  std::string table;
  std::string mode = "replace";
  std::vector<std::string> key;
};

Result<std::vector<Operation>> plan(const Params& params, const task::Inputs& inputs) {
  std::vector<Operation> operations;
  for (const auto& hop : inputs.hops) {
    Operation operation;
    operation.kind = model::OperationKind::kLoadWarehouse;
    operation.inputs = hop.inputs;
    operation.target = inputs.target;
    operation.target.format = "warehouse";
    operation.target.connection_id = params.connection;
    operation.target.table = params.table;
    operation.target.key = params.key;
    operation.target.mode = params.mode == "merge"    ? model::WriteMode::kMerge
                            : params.mode == "append" ? model::WriteMode::kAppend
                                                      : model::WriteMode::kReplace;
    operations.push_back(std::move(operation));
  }
  return operations;
}

Status check(const Params& params) {
  if (params.mode == "merge" && params.key.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig, "mode 'merge' has no key",
                          "give `key: [column, …]`");
  return {};
}

}  // namespace

task::Template load_warehouse() {
  return task::Define<Params>("load_warehouse",
                              "Loads a dataset into a warehouse table, staged and swapped at once.")
      .consumes("from", &Params::from, "Dataset whose newest version is loaded.")
      .required("connection", &Params::connection, "Connection of the warehouse.",
                task::connection({"duckdb", "postgres"}))
      .required("table", &Params::table,
                "Table in the warehouse, with its schema where it has one.")
      .optional("mode", &Params::mode,
                "Whether the table is replaced, appended to or merged by key.",
                task::choice({"replace", "append", "merge"}))
      .optional("key", &Params::key, "Key columns of a merge.")
      .example("The finished dimension for the analysts.",
               {{"from", "presentation.airports_by_country"},
                {"connection", "warehouse"},
                {"table", "airports_by_country"}})
      .check(check)
      .plan(model::OperationKind::kLoadWarehouse, task::Batching::kLatest, plan);
}

}  // namespace weir::templates
