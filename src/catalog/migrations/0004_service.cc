#include "catalog/migrations/migrations.h"

// Leases, messages in and out, and who did what.

namespace weir::catalog {

std::string_view service_ddl() {
  return R"sql(
CREATE TABLE lease (
  name TEXT NOT NULL PRIMARY KEY,
  holder TEXT NOT NULL DEFAULT '',
  host TEXT NOT NULL DEFAULT '',
  pid BIGINT NOT NULL DEFAULT 0,
  started_ticks BIGINT NOT NULL DEFAULT 0,
  boot_id TEXT NOT NULL DEFAULT '',
  epoch BIGINT NOT NULL DEFAULT 0,
  expires_at_us BIGINT NOT NULL DEFAULT 0,
  CONSTRAINT "lease.epoch is a whole number" CHECK ({int:epoch}),
  CONSTRAINT "lease.expires_at_us is a whole number" CHECK ({int:expires_at_us})
);

CREATE TABLE outbox (
  outbox_id {identity},
  notification_rule_id TEXT NOT NULL,
  run_id TEXT NOT NULL DEFAULT '',
  event TEXT NOT NULL,
  payload TEXT NOT NULL DEFAULT '{}',
  created_at_us BIGINT NOT NULL,
  attempts BIGINT NOT NULL DEFAULT 0,
  not_before_us BIGINT,
  sent_at_us BIGINT,
  error_text TEXT NOT NULL DEFAULT ''
);
CREATE INDEX outbox_by_sent ON outbox (sent_at_us);

CREATE TABLE event_inbox (
  event_id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  payload TEXT NOT NULL DEFAULT '{}',
  received_at_us BIGINT NOT NULL,
  run_id TEXT NOT NULL DEFAULT '',
  handled_at_us BIGINT
);

CREATE TABLE audit_log (
  audit_log_id {identity},
  at_us BIGINT NOT NULL,
  author TEXT NOT NULL DEFAULT '',
  action TEXT NOT NULL,
  details TEXT NOT NULL DEFAULT '{}'
);
)sql";
}

}  // namespace weir::catalog
