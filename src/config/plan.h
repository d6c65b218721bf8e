#pragma once

/// What `weir apply` would change: the rows that YAML asks for against the head of the tables. A
/// project owns the rows that it manages; rows of others (by SQL, by another project) are left
/// alone without --prune.

#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "model/configuration.h"

namespace weir::config {

struct FieldChange {
  std::string field;  ///< `params.from`, `uri`
  Json before;        ///< null: was not there
  Json after;
};

struct RowDiff {
  catalog::RowChange change;
  std::vector<FieldChange> fields;
};

struct Plan {
  std::vector<RowDiff> diffs;              ///< In the order in which they can be made.
  std::vector<RowDiff> blocked;            ///< Changes of others' rows: they need --prune.
  std::vector<catalog::ConfigRow> others;  ///< Rows of others that YAML does not have; they stay.

  bool is_empty() const { return diffs.empty() && blocked.empty(); }
  std::vector<catalog::RowChange> changes() const;
};

struct PlanOptions {
  bool prune = false;  ///< Take over and remove rows of others, too.
};

/// `yaml:<project>`: what rows of a project's files carry.
std::string managed_by(const std::string& project);

/// Pure. `head` as the catalog gives it, `wanted` as files say (unresolved, with the sha256 of
/// templates). kInvalidConfig for a row that does not read.
Result<Plan> make_plan(const std::vector<catalog::ConfigRow>& head,
                       const model::Configuration& wanted, const PlanOptions& options = {});

/// For people: `+`, `~`, `-` a row, its fields below, and a line that counts.
std::string to_text(const Plan& plan);
/// For programs: `{"format": 1, "changes": […], "blocked": […], "others": …}`
Json to_json(const Plan& plan);

/// Makes the plan's changes in one transaction. kInvalidConfig where some are blocked.
Status apply(catalog::Catalog& catalog, const Plan& plan, const std::string& author);

}  // namespace weir::config
