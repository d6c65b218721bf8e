#pragma once

/// SQL that users write, before and while it runs: one SELECT, over named datasets only, in a
/// session that can open nothing else (design: SQL that users write).

#include <set>
#include <string>
#include <vector>

#include "model/names.h"
#include "model/operation.h"
#include "sql/session.h"

namespace weir::sql {

struct UserQuery {
  std::string text;
  std::vector<model::DatasetName> datasets = {};  ///< What it reads from, sorted.
  bool is_volatile = false;  ///< now(), random(), … : the run's logical time then enters the token.
  std::vector<std::string> unrepeatable = {};  ///< random(), uuid(), …: other values at each call.
};

/// The file of a place in a user's SQL; who knows the file that it came from puts its name there.
inline constexpr std::string_view kUserSql = "SQL";

/// kInvalidConfig unless `text` is exactly one SELECT whose tables are `layer.dataset` names (or
/// its own CTEs) and which calls no table function that reads files; the hint says how to write it,
/// the place where the fault stands, in file kUserSql.
Result<UserQuery> read_user_query(const std::string& text);

/// Where the Parquet files of one dataset lie: what a view is made of.
struct ViewSource {
  model::DatasetName dataset;
  std::vector<std::string> files;  ///< ObjectFiles::path_of each, at one pinned version
  model::Schema schema;  ///< Columns of the view, in order; absent ones in a file are NULL
};

/// A session with one view `layer.dataset` per source (without `_hoodie_*` columns), locked to
/// those files. An empty source is an empty view. With `options.now_us` every function that tells
/// the time tells this one.
Result<std::unique_ptr<Session>> open_user_session(const SessionOptions& options,
                                                   const std::vector<ViewSource>& sources,
                                                   const Cancel& cancel);

/// A failure of a statement that has `text` on lines of its own behind `lines_before` others: its
/// place is then one in `text`, in file kUserSql. Other errors pass unchanged.
Error at_user_sql(Error error, const std::string& text, int64_t lines_before);

}  // namespace weir::sql
