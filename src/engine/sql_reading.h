#pragma once

/// What a user's SQL reads, before anybody runs it.

#include <vector>

#include "base/result.h"
#include "model/names.h"

namespace weir::engine {

struct SqlFacts {
  std::vector<model::DatasetName> datasets;  ///< Sorted.
  bool is_volatile = false;                  ///< The run's logical time then enters the token.
  std::vector<std::string> unrepeatable;     ///< Functions that give other values at each call.
};

/// The file of a place in a user's SQL, until who knows the file's name puts it there.
inline constexpr std::string_view kUserSql = "SQL";

/// kUnsupported for a dialect that no engine here reads; kInvalidConfig as sql/user_query.h says,
/// its place in file kUserSql.
Result<SqlFacts> read_sql(const std::string& dialect, const std::string& text);

}  // namespace weir::engine
