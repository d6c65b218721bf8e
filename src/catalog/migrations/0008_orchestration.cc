#include "catalog/migrations/migrations.h"

// Runs that servers drive: who does, under which epoch, and what people decided about their flows.
// The revision counts changes of the configuration's tables, whoever makes them. When a task runs
// is a rule over all it needs (task.run_if), no condition of each edge.

namespace weir::catalog {

std::string_view orchestration_ddl() {
  return R"sql(
ALTER TABLE flow_run ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0
  CONSTRAINT "flow_run.epoch is a whole number" CHECK ({int:epoch});

ALTER TABLE flow_run ADD COLUMN is_served BOOLEAN NOT NULL DEFAULT FALSE;

ALTER TABLE flow_run ADD COLUMN server_id TEXT NOT NULL DEFAULT '';

ALTER TABLE flow_run ADD COLUMN interval_start_us BIGINT;

ALTER TABLE flow_run ADD COLUMN interval_end_us BIGINT;

ALTER TABLE flow_run ADD COLUMN backfill_id TEXT NOT NULL DEFAULT '';

CREATE INDEX flow_run_active ON flow_run (created_at_us) WHERE state IN ('queued', 'running');

ALTER TABLE task_run ADD COLUMN pool TEXT NOT NULL DEFAULT '';

ALTER TABLE task_run ADD COLUMN tries_before BIGINT NOT NULL DEFAULT 0;

CREATE INDEX task_run_in_pool ON task_run (pool) WHERE state = 'running' AND pool <> '';

CREATE TABLE flow_state (
  flow_id TEXT NOT NULL PRIMARY KEY,
  is_paused BOOLEAN NOT NULL DEFAULT FALSE,
  paused_by TEXT NOT NULL DEFAULT '',
  pause_reason TEXT NOT NULL DEFAULT '',
  paused_at_us BIGINT,
  scheduled_until_us BIGINT NOT NULL DEFAULT 0,
  CONSTRAINT "flow_state.is_paused is true or false" CHECK (is_paused IN (TRUE, FALSE)),
  CONSTRAINT "flow_state.scheduled_until_us is a whole number" CHECK ({int:scheduled_until_us})
);

ALTER TABLE flow ADD COLUMN deadline TEXT;

ALTER TABLE task ADD COLUMN run_if TEXT NOT NULL DEFAULT 'all_succeeded'
  CONSTRAINT "task.run_if is a rule over the tasks that it needs"
    CHECK (run_if IN ('all_succeeded', 'all_done', 'none_failed', 'any_succeeded', 'any_failed'));

CREATE TABLE task_dependency_of_8 (
  flow_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  needs_task_id TEXT NOT NULL,
  managed_by TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (flow_id, task_id, needs_task_id),
  CONSTRAINT "task_dependency.task_id is a task of the flow"
    FOREIGN KEY (flow_id, task_id) REFERENCES task (flow_id, task_id) ON DELETE CASCADE,
  CONSTRAINT "task_dependency.needs_task_id is a task of the flow"
    FOREIGN KEY (flow_id, needs_task_id) REFERENCES task (flow_id, task_id) ON DELETE CASCADE,
  CONSTRAINT "task_dependency.needs_task_id is another task" CHECK (task_id <> needs_task_id)
);

INSERT INTO task_dependency_of_8 (flow_id, task_id, needs_task_id, managed_by)
  SELECT flow_id, task_id, needs_task_id, managed_by FROM task_dependency;

DROP TABLE task_dependency;

ALTER TABLE task_dependency_of_8 RENAME TO task_dependency;

CREATE TABLE config_revision (
  revision BIGINT NOT NULL PRIMARY KEY,
  CONSTRAINT "config_revision.revision is a whole number" CHECK ({int:revision})
);

INSERT INTO config_revision (revision) VALUES (1);

{touch}

{touch:project}

{touch:layer}

{touch:dataset}

{touch:connection}

{touch:template}

{touch:pool}

{touch:flow}

{touch:task}

{touch:task_dependency}

{touch:schedule}

{touch:file_trigger}

{touch:notification_rule}
)sql";
}

}  // namespace weir::catalog
