#pragma once

/// The rules of a `check`: from the JSON that users write to the rows that break them. Pure; every
/// rule becomes two statements over the dataset's view.

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/schema.h"

namespace weir::engine::embedded {

struct Rule {
  std::string text;    ///< For messages: `not_null(country)`, `min_rows(200)`.
  std::string broken;  ///< A SELECT of the rows that break it; empty for a rule over the count.
  std::string rows_of = "count(*)";  ///< How many rows the lines of `broken` stand for.
  bool is_user_sql = false;  ///< `broken` is what a user wrote: it goes through the lock-down.
  int64_t least_rows = -1;
  int64_t most_rows = -1;
};

/// Each element of `rules` is an object with one key. NULLs break `not_null` alone; the other rules
/// pass over them. kInvalidConfig, with did-you-mean, for rules and columns that are not known.
Result<std::vector<Rule>> read_rules(const Json& rules, const std::string& relation,
                                     const model::Schema& columns);

}  // namespace weir::engine::embedded
