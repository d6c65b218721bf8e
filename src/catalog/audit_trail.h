#pragma once

/// The audit log as a chain: each row holds SHA-256 over its content and the hash of the row before
/// it, and one more row, the head, says how long the chain is. Who edits or removes a row has to
/// write all later ones anew; who can do that is found by a hash that was noted elsewhere.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace weir::catalog {

struct AuditRow {
  int64_t position = 0;  ///< In the chain, from 1; 0: written before there was one.
  int64_t at_us = 0;
  std::string author;
  std::string action;
  Json details = Json::object();
  std::string row_hash;
};

struct AuditFault {
  int64_t position = 0;
  std::string what;
};

/// What checking the chain found.
struct AuditVerdict {
  int64_t row_count = 0;           ///< Of the chain.
  int64_t older_rows = 0;          ///< Written before there was one; the first link covers them.
  std::string head_hash;           ///< Worth noting elsewhere; empty for an empty chain.
  std::vector<AuditFault> faults;  ///< The first of them; none: nobody touched a row.
  bool has_hash = false;           ///< Whether the hash asked for stands in the chain.
};

/// Safe to use from many threads at once. Codes as those of Catalog.
class AuditTrail {
 public:
  virtual ~AuditTrail() = default;
  /// Newest first, older than `before` (0: from the newest).
  virtual Result<std::vector<AuditRow>> audit_rows(int64_t before, int64_t limit) = 0;
  /// Reads the whole chain; `hash` is one that was noted, or empty.
  virtual Result<AuditVerdict> verify_audit(const std::string& hash) = 0;
};

}  // namespace weir::catalog
