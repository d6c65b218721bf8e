#pragma once

/// Lists that are written by one statement for thousands of rows: as JSON, whose items the database
/// makes rows of (Words::json_rows).

#include <algorithm>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace weir::catalog {

inline constexpr size_t kRowsAtOnce = 5000;

/// Calls `execute(rows)` for each part of the list, `rows` being the JSON list of what
/// `to_json(item)` gives.
template <typename T, typename ToJson, typename Execute>
Status in_parts(const std::vector<T>& items, const ToJson& to_json, const Execute& execute) {
  for (size_t from = 0; from < items.size(); from += kRowsAtOnce) {
    Json rows = Json::array();
    for (size_t i = from; i < std::min(items.size(), from + kRowsAtOnce); ++i)
      rows.push_back(to_json(items[i]));
    WEIR_TRY(execute(dump_json(rows)));
  }
  return {};
}

}  // namespace weir::catalog
