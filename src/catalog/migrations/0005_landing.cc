#include "catalog/migrations/migrations.h"

// Content hashes of landing files, and the order of a run's tasks.

namespace weir::catalog {

std::string_view landing_ddl() {
  return R"sql(
CREATE TABLE landing_file (
  uri TEXT NOT NULL,
  name TEXT NOT NULL,
  size_bytes BIGINT NOT NULL DEFAULT 0,
  version TEXT NOT NULL DEFAULT '',
  sha256 TEXT NOT NULL,
  recorded_at_us BIGINT NOT NULL,
  PRIMARY KEY (uri, name)
);

ALTER TABLE task_run ADD COLUMN position BIGINT NOT NULL DEFAULT 0;
)sql";
}

}  // namespace weir::catalog
