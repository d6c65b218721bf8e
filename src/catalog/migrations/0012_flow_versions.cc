#include "catalog/migrations/migrations.h"

// A version holds one flow and what it can see; those from before hold a whole project. When it was
// last pinned says whether a run may be about to use it that is not there yet.

namespace weir::catalog {

std::string_view flow_versions_ddl() {
  return R"sql(
ALTER TABLE config_version ADD COLUMN flow_id TEXT NOT NULL DEFAULT '';
ALTER TABLE config_version ADD COLUMN pinned_at_us BIGINT;

CREATE INDEX config_version_by_flow ON config_version (flow_id, created_at_us);
)sql";
}

}  // namespace weir::catalog
