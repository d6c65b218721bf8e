#include "task/define.h"

namespace weir::templates {
namespace {

using model::Operation;

struct Params {
  model::DatasetName from;
  model::DatasetName to;
  std::string mode = "snapshot";
  std::string deletes = "ignore";
  std::vector<std::string> key;
  std::vector<std::string> untracked;
  double max_deleted_percent = 20;
  std::optional<double> max_changed_percent;
};

/// One operation per waiting snapshot, oldest as-of first: each is one commit, so a crash between
/// two leaves the table at a snapshot that really existed.
Result<std::vector<Operation>> plan(const Params& params, const task::Inputs& inputs) {
  std::vector<Operation> operations;
  const auto key = params.key.empty() ? inputs.target.key : params.key;
  if (key.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("dataset '{}' has no key", params.to.text()),
                          "give the dataset `key: [column, …]`, or the task `key`");
  for (const auto& hop : inputs.hops) {
    if (!hop.as_of_us)
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("snapshots of '{}' have no as-of", params.from.text()),
                            "give the ingesting task `as_of: 'name-(?<as_of>\\d{8})'`");
    Operation operation;
    operation.kind = model::OperationKind::kMergeHistory;
    operation.inputs = hop.inputs;
    operation.as_of_us = hop.as_of_us;
    operation.target = inputs.target;
    operation.target.mode = model::WriteMode::kMerge;
    operation.target.key = key;
    operation.params = {{"mode", params.mode},
                        {"deletes", params.deletes},
                        {"key", key},
                        {"untracked", params.untracked},
                        {"max_deleted_percent", params.max_deleted_percent},
                        {"max_changed_percent",
                         params.max_changed_percent ? Json(*params.max_changed_percent) : Json()}};
    operations.push_back(std::move(operation));
  }
  return operations;
}

}  // namespace

task::Template merge_history() {
  return task::Define<Params>("merge_history", "Keeps the history of a dimension as SCD2 versions.")
      .consumes("from", &Params::from, "Dataset of snapshots.")
      .produces("to", &Params::to, "Hudi table that holds the history.")
      .optional("mode", &Params::mode, "Whether each input is a full picture of all keys.",
                task::choice({"snapshot"}))
      .optional("deletes", &Params::deletes, "What a key missing from a snapshot means.",
                task::choice({"ignore", "by_absence"}))
      .optional("key", &Params::key, "Business key; the key of the target dataset by default.")
      .optional("untracked", &Params::untracked,
                "Columns whose change updates the open version in place.")
      .optional("max_deleted_percent", &Params::max_deleted_percent,
                "Holds the load if more of the open keys would vanish.", task::in_range(0, 100))
      .optional("max_changed_percent", &Params::max_changed_percent,
                "Holds the load if more of the open keys would change; off by default.",
                task::in_range(0, 100))
      .example("History of the airport directory.",
               {{"from", "raw.airports"}, {"to", "stage.airports"}, {"deletes", "by_absence"}})
      .plan(model::OperationKind::kMergeHistory, task::Batching::kEachAsOf, plan);
}

}  // namespace weir::templates
