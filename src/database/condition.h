#pragma once

/// Pieces of WHERE that all databases write alike.

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace weir::database {

/// ` WHERE a AND b` of those that are not empty.
inline std::string where(const std::vector<std::string>& conditions) {
  std::string text;
  for (const auto& each : conditions)
    if (!each.empty()) text += (text.empty() ? " WHERE " : " AND ") + each;
  return text;
}

/// What a user wrote as a condition; it may end in a comment.
inline std::string enclosed(const std::string& condition) {
  return condition.empty() ? "" : fmt::format("({}\n)", condition);
}

/// A query that a user wrote, without the semicolon behind it.
inline std::string without_end(std::string query) {
  query.erase(query.find_last_not_of(" \t\r\n;") + 1);
  return query;
}

/// Rows behind those values, the first column the most significant: `a > 1 OR (a = 1 AND b > 2)`,
/// or with rows at the very values. An index on the first serves the `a >= 1` that stands before.
inline std::string beyond(const std::vector<std::string>& names,
                          const std::vector<std::string>& literals, bool is_inclusive) {
  std::string text;
  for (size_t i = names.size(); i-- > 0;)
    text = text.empty()
               ? fmt::format("{} {} {}", names[i], is_inclusive ? ">=" : ">", literals[i])
               : fmt::format("({0} > {1} OR ({0} = {1} AND {2}))", names[i], literals[i], text);
  return names.size() == 1 ? text : fmt::format("({} >= {} AND {})", names[0], literals[0], text);
}

}  // namespace weir::database
