#include "task/define.h"

namespace weir::templates {
namespace {

using model::Operation;

struct Params {
  model::DatasetName dataset;
  Json rules = Json::array();
  std::string severity = "fail";
};

Result<std::vector<Operation>> plan(const Params& params, const task::Inputs& inputs) {
  std::vector<Operation> operations;
  for (const auto& hop : inputs.hops) {
    Operation operation;
    operation.kind = model::OperationKind::kCheck;
    operation.inputs = hop.inputs;
    operation.target = inputs.target;
    operation.params = {{"rules", params.rules}, {"severity", params.severity}};
    operations.push_back(std::move(operation));
  }
  return operations;
}

Status check_rules(const Params& params) {
  static const std::vector<std::string> kRules = {
      "not_null", "unique", "min_rows", "max_rows", "range", "accepted_values", "sql"};
  if (!params.rules.is_array() || params.rules.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig, "parameter 'rules' holds no rule",
                          "write [{not_null: country}, {min_rows: 200}]");
  for (const auto& rule : params.rules) {
    const std::string name = rule.is_object() && rule.size() == 1 ? rule.begin().key() : "";
    if (std::ranges::find(kRules, name) == kRules.end())
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("rule {} is not known", dump_json(rule)),
                            fmt::format("one key each of: {}", fmt::join(kRules, ", ")));
  }
  return {};
}

}  // namespace

task::Template check() {
  return task::Define<Params>("check", "Checks rules over the rows of a dataset.")
      .consumes("dataset", &Params::dataset, "Dataset whose newest version is checked.")
      .required("rules", &Params::rules,
                "List of not_null, unique, min_rows, max_rows, range, accepted_values, sql.")
      .optional("severity", &Params::severity, "Whether a broken rule fails the task or warns.",
                task::choice({"fail", "warn"}))
      .example(
          "Countries are there, once each.",
          {{"dataset", "presentation.airports_by_country"},
           {"rules", {{{"not_null", "country"}}, {{"unique", {"country"}}}, {{"min_rows", 200}}}}})
      .check(check_rules)
      .plan(model::OperationKind::kCheck, task::Batching::kLatest, plan);
}

}  // namespace weir::templates
