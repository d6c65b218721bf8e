#pragma once

/// Which of a source's columns are read, and which are its cursor, of those that there are: the
/// same for all databases. `Own` is what an adapter knows of a column; its `column` is the
/// SourceColumn.

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/ranges.h>

#include "base/check.h"
#include "base/nearest.h"
#include "database/source.h"

namespace weir::database {

template <typename Own>
struct ChosenColumns {
  std::vector<Own> read;
  std::vector<Own> cursor;
};

/// kNotFound, with did-you-mean, for a name that is none of `there`; `source` is for that message.
template <typename Own>
Result<ChosenColumns<Own>> choose_columns(const std::vector<Own>& there,
                                          const SourceRequest& request, std::string_view source) {
  std::vector<std::string> names;
  for (const Own& each : there) names.push_back(each.column.name);
  const auto find = [&](std::string_view from, const std::string& name) -> Result<Own> {
    const auto found = std::ranges::find(names, name);
    if (found != names.end()) return there[static_cast<size_t>(found - names.begin())];
    const std::string meant = did_you_mean(name, names);
    return fail_with_hint(ErrorCode::kNotFound,
                          fmt::format("{} names column '{}', which {} has not", from, name, source),
                          meant.empty() ? fmt::format("it has {}", fmt::join(names, ", ")) : meant);
  };
  ChosenColumns<Own> chosen;
  if (request.columns.empty()) chosen.read = there;
  for (const auto& name : request.columns) {
    WEIR_ASSIGN(Own column, find("columns", name));
    chosen.read.push_back(std::move(column));
  }
  for (const auto& name : request.cursor) {
    WEIR_ASSIGN(Own column, find("cursor", name));
    chosen.cursor.push_back(std::move(column));
  }
  return chosen;
}

/// What the adapter knows of a column that was chosen.
template <typename Own>
const Own& own_column_of(const std::vector<Own>& read, const std::string& name) {
  const auto found =
      std::ranges::find_if(read, [&](const Own& each) { return each.column.name == name; });
  WEIR_CHECK(found != read.end());
  return *found;
}

}  // namespace weir::database
