#include "catalog/migrations/migrations.h"

// What is known of the lake: a cache of what stands in the data's own commits.

namespace weir::catalog {

std::string_view lake_ddl() {
  return R"sql(
CREATE TABLE publication (
  dataset TEXT NOT NULL,
  token TEXT NOT NULL,
  object_name TEXT NOT NULL DEFAULT '',
  instant TEXT NOT NULL DEFAULT '',
  row_count BIGINT NOT NULL DEFAULT 0,
  size_bytes BIGINT NOT NULL DEFAULT 0,
  sha256 TEXT NOT NULL DEFAULT '',
  as_of_us BIGINT,
  input_identities TEXT NOT NULL DEFAULT '[]',
  source_name TEXT NOT NULL DEFAULT '',
  source_sha256 TEXT NOT NULL DEFAULT '',
  counts TEXT NOT NULL DEFAULT '{}',
  schema TEXT NOT NULL DEFAULT '[]',
  run_id TEXT NOT NULL DEFAULT '',
  recorded_at_us BIGINT NOT NULL,
  PRIMARY KEY (dataset, token, object_name, instant)
);

CREATE TABLE watermark (
  target TEXT NOT NULL,
  source TEXT NOT NULL,
  as_of_us BIGINT,
  instant TEXT NOT NULL DEFAULT '',
  token TEXT NOT NULL DEFAULT '',
  recorded_at_us BIGINT NOT NULL,
  PRIMARY KEY (target, source)
);

CREATE TABLE file_ledger (
  target TEXT NOT NULL,
  identity TEXT NOT NULL,
  source_name TEXT NOT NULL DEFAULT '',
  source_sha256 TEXT NOT NULL DEFAULT '',
  size_bytes BIGINT NOT NULL DEFAULT 0,
  as_of_us BIGINT,
  token TEXT NOT NULL DEFAULT '',
  recorded_at_us BIGINT NOT NULL,
  PRIMARY KEY (target, identity)
);

CREATE TABLE schema_history (
  dataset TEXT NOT NULL,
  version BIGINT NOT NULL,
  columns TEXT NOT NULL,
  token TEXT NOT NULL DEFAULT '',
  recorded_at_us BIGINT NOT NULL,
  PRIMARY KEY (dataset, version)
);
)sql";
}

}  // namespace weir::catalog
