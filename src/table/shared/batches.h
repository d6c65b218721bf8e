#pragma once

/// The rows of a query, batch by batch, for whoever writes them.

#include <functional>
#include <string>

#include "base/cancel.h"
#include "sql/session.h"

namespace weir::table {

/// Hands each batch to `take` until it fails, the query does, or `cancel` is cancelled.
Status for_each_batch(sql::Session& session, const std::string& query, const Cancel& cancel,
                      const std::function<Status(const arrow::RecordBatch&)>& take);

}  // namespace weir::table
