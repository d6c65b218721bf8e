#pragma once

/// Lines of the audit log, for the files that write them within a larger transaction.

#include <string>

#include "base/json.h"
#include "catalog/database/database.h"

namespace weir::catalog {

/// Nobody else writes to the log before this transaction ends. Whoever changes rows first and tells
/// of it after takes it at the beginning: two of them never wait for each other's rows.
Status lock_audit(Session& session);

/// The next link of the chain.
Status write_audit(Session& session, int64_t at_us, const std::string& author,
                   const std::string& action, const Json& details);

}  // namespace weir::catalog
