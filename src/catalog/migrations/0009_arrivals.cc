#include "catalog/migrations/migrations.h"

// Files that start flows: what is known of each, and of which patterns the old files are known.

namespace weir::catalog {

std::string_view arrivals_ddl() {
  return R"sql(
CREATE TABLE arrival_watch (
  flow_id TEXT NOT NULL PRIMARY KEY,
  revision BIGINT NOT NULL,
  since_us BIGINT NOT NULL,
  patterns TEXT NOT NULL DEFAULT '[]'
);

CREATE TABLE arrival (
  flow_id TEXT NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL
    CONSTRAINT "arrival.state is waiting, due, started or ignored"
      CHECK (state IN ('waiting', 'due', 'started', 'ignored')),
  size_bytes BIGINT NOT NULL DEFAULT 0,
  version TEXT NOT NULL DEFAULT '',
  sha256 TEXT NOT NULL DEFAULT '',
  run_key TEXT NOT NULL DEFAULT '',
  seen_at_us BIGINT NOT NULL,
  changed_at_us BIGINT NOT NULL,
  taken_at_us BIGINT,
  gone_at_us BIGINT,
  PRIMARY KEY (flow_id, name)
);

CREATE INDEX event_inbox_by_handled ON event_inbox (handled_at_us);
)sql";
}

}  // namespace weir::catalog
