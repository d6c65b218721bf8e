#pragma once

/// The schema of the catalog as numbered steps. A step that was released is never edited: a change
/// is a new step. The text is SQL that both databases take, with the placeholders of
/// Dialect::expand; a line that ends in ';' ends a statement.
///
/// Constraints have sentences as names, because the name is what a person sees who inserts a row
/// that is refused.

#include <span>
#include <string_view>

#include "base/result.h"
#include "catalog/database/database.h"

namespace weir::catalog {

struct Migration {
  int64_t version;
  std::string_view name;
  std::string_view ddl;
};

std::string_view configuration_ddl();  ///< 0001
std::string_view runs_ddl();           ///< 0002
std::string_view lake_ddl();           ///< 0003
std::string_view service_ddl();        ///< 0004
std::string_view landing_ddl();        ///< 0005
std::string_view notices_ddl();        ///< 0006
std::string_view marks_ddl();          ///< 0007
std::string_view orchestration_ddl();  ///< 0008
std::string_view arrivals_ddl();       ///< 0009
std::string_view accounts_ddl();       ///< 0010
std::string_view lineage_ddl();        ///< 0011
std::string_view flow_versions_ddl();  ///< 0012
std::string_view operators_ddl();      ///< 0013

/// In order; versions count from 1 without gaps.
std::span<const Migration> all_migrations();

/// Brings the schema up to `last`, one transaction a step. kUnsupported where it is newer already;
/// kNotFound where there is none and it may not be created.
Status migrate(Database& database, std::span<const Migration> last, bool may_create, Clock& clock);

}  // namespace weir::catalog
