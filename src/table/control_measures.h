#pragma once

/// Custody on the engine's side: counts and exact sums of control columns, digests over keys, of
/// relations of a session. What they are held against is read by Arrow (parquet/column_sums.h).

#include <string>
#include <utility>
#include <vector>

#include "model/control_sums.h"
#include "sql/session.h"

namespace weir::table {

/// `count(x), sum(x)` of each control column under conditions over one relation, in one scan.
class ControlMeasures {
 public:
  explicit ControlMeasures(std::vector<std::string> columns) : columns_(std::move(columns)) {}

  /// Adds what the rows `x` of this condition hold, as that part of the equation.
  void add(const std::string& condition, model::ExactSum model::ControlSums::* part);

  /// Runs over `relation` (a name, or a subquery in parentheses) and adds each sum to its part.
  Status run(sql::Session& session, const std::string& relation, model::HopSums& into) const;

 private:
  std::vector<std::string> columns_;
  std::vector<std::string> select_;
  std::vector<std::pair<std::string, model::ExactSum model::ControlSums::*>> targets_;
};

/// Row count and two sums over the halves of the keys' canonical hashes, as a subquery with the
/// columns `n, a, b`: they add up, so that keys can be added and taken away.
std::string key_sums(const std::vector<std::string>& key, const std::string& relation);

/// The digest of one row of such columns, which the query gives.
Result<std::string> digest_of_key_sums(sql::Session& session, const std::string& query);

}  // namespace weir::table
