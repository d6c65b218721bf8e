#include "catalog/migrations/migrations.h"

// What runs and what ran. Weir writes these; people read them.

namespace weir::catalog {

std::string_view runs_ddl() {
  return R"sql(
CREATE TABLE config_version (
  hash TEXT NOT NULL PRIMARY KEY,
  created_at_us BIGINT NOT NULL,
  author TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL,
  content TEXT NOT NULL,
  CONSTRAINT "config_version.reason is apply or sql" CHECK (reason IN ('apply', 'sql')),
  CONSTRAINT "config_version.content is JSON" CHECK ({json:content})
);

CREATE TABLE flow_run (
  run_id TEXT NOT NULL PRIMARY KEY,
  flow_id TEXT NOT NULL,
  run_key TEXT NOT NULL,
  state TEXT NOT NULL,
  config_hash TEXT NOT NULL DEFAULT '',
  params TEXT NOT NULL DEFAULT '{}',
  trigger_kind TEXT NOT NULL DEFAULT 'manual',
  rerun_of TEXT,
  logical_time_us BIGINT NOT NULL,
  created_at_us BIGINT NOT NULL,
  started_at_us BIGINT,
  finished_at_us BIGINT,
  error_code TEXT NOT NULL DEFAULT '',
  error_text TEXT NOT NULL DEFAULT '',
  cancel_requested BOOLEAN NOT NULL DEFAULT FALSE,
  CONSTRAINT "flow_run.run_key is unique in its flow" UNIQUE (flow_id, run_key),
  CONSTRAINT "flow_run.state is a state of runs"
    CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'held', 'cancelled', 'skipped')),
  CONSTRAINT "flow_run.params is JSON" CHECK ({json:params}),
  CONSTRAINT "flow_run.logical_time_us is a whole number" CHECK ({int:logical_time_us}),
  CONSTRAINT "flow_run.created_at_us is a whole number" CHECK ({int:created_at_us})
);
CREATE INDEX flow_run_by_state ON flow_run (flow_id, state);
CREATE INDEX flow_run_by_time ON flow_run (created_at_us);

CREATE TABLE task_run (
  run_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  template_id TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL,
  attempt BIGINT NOT NULL DEFAULT 0,
  epoch BIGINT NOT NULL DEFAULT 0,
  engine TEXT NOT NULL DEFAULT '',
  pinned TEXT,
  operations TEXT NOT NULL DEFAULT '[]',
  rows_in BIGINT NOT NULL DEFAULT 0,
  inserted BIGINT NOT NULL DEFAULT 0,
  updated_in_place BIGINT NOT NULL DEFAULT 0,
  rejected BIGINT NOT NULL DEFAULT 0,
  deduplicated BIGINT NOT NULL DEFAULT 0,
  unchanged BIGINT NOT NULL DEFAULT 0,
  filtered BIGINT NOT NULL DEFAULT 0,
  closed_by_change BIGINT NOT NULL DEFAULT 0,
  closed_by_absence BIGINT NOT NULL DEFAULT 0,
  rows_out BIGINT NOT NULL DEFAULT 0,
  details TEXT NOT NULL DEFAULT '{}',
  error_code TEXT NOT NULL DEFAULT '',
  error_text TEXT NOT NULL DEFAULT '',
  error_hint TEXT NOT NULL DEFAULT '',
  held_reason TEXT NOT NULL DEFAULT '',
  started_at_us BIGINT,
  finished_at_us BIGINT,
  not_before_us BIGINT,
  cpu_ms BIGINT NOT NULL DEFAULT 0,
  peak_memory_bytes BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (run_id, task_id),
  CONSTRAINT "task_run.run_id is the id of a flow_run"
    FOREIGN KEY (run_id) REFERENCES flow_run (run_id) ON DELETE CASCADE,
  CONSTRAINT "task_run.state is a state of tasks"
    CHECK (state IN ('waiting', 'ready', 'running', 'succeeded', 'failed', 'held', 'skipped',
      'cancelled')),
  CONSTRAINT "task_run.attempt is a whole number" CHECK ({int:attempt}),
  CONSTRAINT "task_run.epoch is a whole number" CHECK ({int:epoch})
);

CREATE TABLE task_log (
  task_log_id {identity},
  run_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  at_us BIGINT NOT NULL,
  level TEXT NOT NULL,
  message TEXT NOT NULL
);
CREATE INDEX task_log_by_task ON task_log (run_id, task_id);

CREATE TABLE reconciliation (
  run_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  token TEXT NOT NULL,
  hop TEXT NOT NULL DEFAULT '',
  is_closed BOOLEAN NOT NULL,
  rows_in BIGINT NOT NULL DEFAULT 0,
  inserted BIGINT NOT NULL DEFAULT 0,
  updated_in_place BIGINT NOT NULL DEFAULT 0,
  rejected BIGINT NOT NULL DEFAULT 0,
  deduplicated BIGINT NOT NULL DEFAULT 0,
  unchanged BIGINT NOT NULL DEFAULT 0,
  filtered BIGINT NOT NULL DEFAULT 0,
  closed_by_change BIGINT NOT NULL DEFAULT 0,
  closed_by_absence BIGINT NOT NULL DEFAULT 0,
  rows_out BIGINT NOT NULL DEFAULT 0,
  sums TEXT NOT NULL DEFAULT '{}',
  recorded_at_us BIGINT NOT NULL,
  PRIMARY KEY (run_id, task_id, token)
);

CREATE TABLE rejected_rows (
  run_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  token TEXT NOT NULL,
  reason TEXT NOT NULL,
  column_name TEXT NOT NULL DEFAULT '',
  row_count BIGINT NOT NULL,
  dataset TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (run_id, task_id, token, reason, column_name)
);

CREATE TABLE hold (
  token TEXT NOT NULL PRIMARY KEY,
  run_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  attempt BIGINT NOT NULL DEFAULT 0,
  target TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL,
  message TEXT NOT NULL DEFAULT '',
  facts TEXT NOT NULL DEFAULT '{}',
  state TEXT NOT NULL DEFAULT 'open',
  created_at_us BIGINT NOT NULL,
  closed_at_us BIGINT,
  closed_by TEXT NOT NULL DEFAULT '',
  CONSTRAINT "hold.state is open, approved, rejected or superseded"
    CHECK (state IN ('open', 'approved', 'rejected', 'superseded'))
);
)sql";
}

}  // namespace weir::catalog
