#include "catalog/migrations/migrations.h"

// Runs that are due and cannot begin, with the reason; and calendars that schedules share.

namespace weir::catalog {

std::string_view operators_ddl() {
  return R"sql(
CREATE TABLE waiting_start (
  flow_id TEXT NOT NULL,
  trigger_kind TEXT NOT NULL,
  run_key TEXT NOT NULL,
  logical_time_us BIGINT,
  since_us BIGINT NOT NULL,
  tried_at_us BIGINT NOT NULL,
  next_try_us BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  error_code TEXT NOT NULL,
  error_text TEXT NOT NULL,
  error_hint TEXT NOT NULL DEFAULT '',
  reason_key TEXT NOT NULL,
  PRIMARY KEY (flow_id, trigger_kind)
);

CREATE TABLE calendar (
  calendar_id TEXT NOT NULL PRIMARY KEY,
  description TEXT NOT NULL DEFAULT '',
  weekdays TEXT NOT NULL DEFAULT '',
  holidays TEXT NOT NULL DEFAULT '[]',
  workdays TEXT NOT NULL DEFAULT '[]',
  managed_by TEXT NOT NULL DEFAULT '',
  CONSTRAINT "calendar.calendar_id is not empty" CHECK (calendar_id <> '')
);

{touch:calendar}
)sql";
}

}  // namespace weir::catalog
