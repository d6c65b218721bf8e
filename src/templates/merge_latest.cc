#include "task/define.h"

namespace weir::templates {
namespace {

using model::Operation;

struct Params {
  model::DatasetName from;
  model::DatasetName to;
  std::vector<std::string> key;
  std::string order_by;
  std::vector<std::string> partition_by;
  std::string delete_column;
  std::vector<std::string> delete_values;
};

Status check_deletes(const Params& params) {
  if (params.delete_column.empty() == params.delete_values.empty()) return {};
  return fail_with_hint(ErrorCode::kInvalidConfig,
                        "delete_column and delete_values stand together or not at all",
                        "like delete_column: op, delete_values: [D]");
}

/// One operation per waiting as-of, oldest first: each is one commit.
Result<std::vector<Operation>> plan(const Params& params, const task::Inputs& inputs) {
  WEIR_TRY(check_deletes(params));
  std::vector<Operation> operations;
  const auto key = params.key.empty() ? inputs.target.key : params.key;
  if (key.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("dataset '{}' has no key", params.to.text()),
                          "give the dataset `key: [column, …]`, or the task `key`");
  for (const auto& hop : inputs.hops) {
    Operation operation;
    operation.kind = model::OperationKind::kMergeLatest;
    operation.inputs = hop.inputs;
    operation.as_of_us = hop.as_of_us;
    operation.target = inputs.target;
    operation.target.mode = model::WriteMode::kMerge;
    operation.target.key = key;
    operation.params = {{"key", key},
                        {"order_by", params.order_by},
                        {"partition_by", params.partition_by},
                        {"delete_column", params.delete_column},
                        {"delete_values", params.delete_values}};
    operations.push_back(std::move(operation));
  }
  return operations;
}

}  // namespace

task::Template merge_latest() {
  return task::Define<Params>("merge_latest", "Keeps the newest row of each key in a Hudi table.")
      .consumes("from", &Params::from, "Dataset of rows that are new or changed.")
      .produces("to", &Params::to, "Hudi table with one row a key.")
      .optional("key", &Params::key, "Key of a row; the key of the target dataset by default.")
      .optional(
          "order_by", &Params::order_by,
          "Column whose greatest value is the newest row of a key; without it the last row of "
          "the last file, by as-of and name.")
      .optional("partition_by", &Params::partition_by,
                "Columns whose values name the folders of the table; a row may move.")
      .optional("delete_column", &Params::delete_column,
                "Column that says whether a row deletes its key; it is not stored.")
      .optional("delete_values", &Params::delete_values,
                "Values of delete_column, as text, that delete.")
      .example("Orders as they stand, by the time of their last change.",
               {{"from", "raw.orders"}, {"to", "stage.orders"}, {"order_by", "changed_at"}})
      .example("Changes of a database, deletes among them.", {{"from", "raw.changes"},
                                                              {"to", "stage.customers"},
                                                              {"delete_column", "op"},
                                                              {"delete_values", {"D"}}})
      .plan(model::OperationKind::kMergeLatest, task::Batching::kNewRows, plan);
}

}  // namespace weir::templates
