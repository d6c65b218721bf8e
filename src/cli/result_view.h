#pragma once

/// Rows of a query: aligned text for people, a bare JSON array for programs.

#include "cli/session.h"
#include "sql/session.h"

namespace weir::cli {

void give_result(Session& session, const sql::TextResult& result);

}  // namespace weir::cli
