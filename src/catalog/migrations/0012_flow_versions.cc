#include "catalog/migrations/migrations.h"

// A version holds one flow and what it can see; those from before hold a whole project.

namespace weir::catalog {

std::string_view flow_versions_ddl() {
  return R"sql(
ALTER TABLE config_version ADD COLUMN flow_id TEXT NOT NULL DEFAULT '';

CREATE INDEX config_version_by_flow ON config_version (flow_id, created_at_us);
)sql";
}

}  // namespace weir::catalog
