#pragma once

/// What a load does with the same words in every warehouse that speaks SQL: it checks keys, adds
/// and merges rows, counts and sums them by reading back. Call it within the transaction that
/// publishes.

#include "warehouse/warehouse.h"

namespace weir::warehouse {

/// How a warehouse runs SQL.
class Statements {
 public:
  virtual ~Statements() = default;
  virtual Status run(const std::string& statement) = 0;
  virtual Result<std::vector<sql::Row>> rows(const std::string& statement) = 0;
  /// The columns of a table or of a subquery with its name.
  virtual Result<std::vector<std::string>> names(const std::string& relation) = 0;
};

Result<int64_t> number(Statements& statements, const std::string& statement);
Result<int64_t> count(Statements& statements, const TableName& table);

/// The receipt of a load before it is known what became of the rows.
Receipt begin_receipt(const Load& load, const Staged& staged);
/// kCheckFailed where its counts do not close.
Status check_counts(const Receipt& receipt);
/// Adds those that are not there.
void add_names(const std::vector<std::string>& names, std::vector<std::string>& to);

/// kInvalidData for a key that is NULL or stands twice among the staged rows.
Status check_keys(Statements& statements, const Load& load, const Staged& staged);

/// Sums of the load's control columns over a relation; a column that it lacks adds nothing.
Result<std::map<std::string, model::ExactSum>> control_of(Statements& statements, const Load& load,
                                                          const std::string& relation);
/// What came in against what the relation holds beyond `before`.
Result<model::HopSums> sums_of(Statements& statements, const Load& load,
                               const std::string& relation,
                               const std::map<std::string, model::ExactSum>& before);
/// Rows of the table whose keys were staged, as a relation.
std::string same_rows(const Load& load, const Staged& staged);

Result<model::Counts> append(Statements& statements, const Load& load, const Staged& staged);
/// Merges by those statements. kCheckFailed where the staged rows are not all there then.
Result<model::Counts> merge(Statements& statements, const Load& load, const Staged& staged,
                            const std::vector<std::string>& how);

}  // namespace weir::warehouse
