#include "catalog/migrations/migrations.h"

// Messages on their way: how each stands, and the key by which receivers know it again. A run that
// failed once is told as recovered when it succeeds.

namespace weir::catalog {

std::string_view notices_ddl() {
  return R"sql(
ALTER TABLE outbox ADD COLUMN message_key TEXT NOT NULL DEFAULT '';

ALTER TABLE outbox ADD COLUMN channel TEXT NOT NULL DEFAULT '';

ALTER TABLE outbox ADD COLUMN flow_id TEXT NOT NULL DEFAULT '';

ALTER TABLE outbox ADD COLUMN task_id TEXT NOT NULL DEFAULT '';

ALTER TABLE outbox ADD COLUMN subject_key TEXT NOT NULL DEFAULT '';

ALTER TABLE outbox ADD COLUMN state TEXT NOT NULL DEFAULT 'waiting'
  CONSTRAINT "outbox.state is waiting, sent, failed or suppressed"
    CHECK (state IN ('waiting', 'sent', 'failed', 'suppressed'));

CREATE UNIQUE INDEX outbox_by_key ON outbox (message_key) WHERE message_key <> '';

CREATE INDEX outbox_by_state ON outbox (state, not_before_us);

CREATE INDEX outbox_by_rule ON outbox (notification_rule_id, event, created_at_us);

ALTER TABLE flow_run ADD COLUMN has_failed BOOLEAN NOT NULL DEFAULT FALSE;
)sql";
}

}  // namespace weir::catalog
