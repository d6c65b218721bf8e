#include "catalog/migrations/migrations.h"

// The tables that people write, by `weir apply` or with SQL alone. Every column that can have a
// default has one.

namespace weir::catalog {

std::string_view configuration_ddl() {
  return R"sql(
CREATE TABLE project (
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL,
  managed_by TEXT NOT NULL DEFAULT '',
  CONSTRAINT "project.key is not empty" CHECK (key <> ''),
  CONSTRAINT "project.value of key defaults is JSON"
    CHECK (CASE WHEN key = 'defaults' THEN {json:value} ELSE TRUE END)
);

CREATE TABLE layer (
  name TEXT NOT NULL PRIMARY KEY,
  uri TEXT NOT NULL,
  position BIGINT NOT NULL DEFAULT 0,
  managed_by TEXT NOT NULL DEFAULT '',
  CONSTRAINT "layer.name is a word without dot or slash"
    CHECK (name <> '' AND name NOT LIKE '%.%' AND name NOT LIKE '%/%'),
  CONSTRAINT "layer.uri is not empty" CHECK (uri <> ''),
  CONSTRAINT "layer.position is a whole number" CHECK ({int:position})
);

CREATE TABLE dataset (
  layer TEXT NOT NULL,
  name TEXT NOT NULL,
  format TEXT NOT NULL DEFAULT '',
  columns TEXT NOT NULL DEFAULT '',
  key_columns TEXT NOT NULL DEFAULT '',
  identity TEXT NOT NULL DEFAULT 'content',
  contract TEXT NOT NULL DEFAULT '{}',
  options TEXT NOT NULL DEFAULT '{}',
  managed_by TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (layer, name),
  CONSTRAINT "dataset.layer is the name of a layer" FOREIGN KEY (layer) REFERENCES layer (name),
  CONSTRAINT "dataset.name is a word without slash" CHECK (name <> '' AND name NOT LIKE '%/%'),
  CONSTRAINT "dataset.format is parquet, hudi or empty" CHECK (format IN ('', 'parquet', 'hudi')),
  CONSTRAINT "dataset.identity is content or as_of + content"
    CHECK (identity IN ('content', 'as_of + content', 'as_of+content')),
  CONSTRAINT "dataset.contract is JSON" CHECK ({json:contract}),
  CONSTRAINT "dataset.options is JSON" CHECK ({json:options})
);

CREATE TABLE connection (
  connection_id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  options TEXT NOT NULL DEFAULT '{}',
  secret_id TEXT NOT NULL DEFAULT '',
  managed_by TEXT NOT NULL DEFAULT '',
  CONSTRAINT "connection.connection_id is not empty" CHECK (connection_id <> ''),
  CONSTRAINT "connection.kind is not empty" CHECK (kind <> ''),
  CONSTRAINT "connection.options is JSON" CHECK ({json:options})
);

CREATE TABLE template (
  template_id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  location TEXT NOT NULL DEFAULT '',
  sha256 TEXT NOT NULL DEFAULT '',
  version TEXT NOT NULL DEFAULT '',
  params_schema TEXT NOT NULL DEFAULT '{}',
  body TEXT,
  description TEXT NOT NULL DEFAULT '',
  managed_by TEXT NOT NULL DEFAULT '',
  CONSTRAINT "template.template_id is not empty" CHECK (template_id <> ''),
  CONSTRAINT "template.kind is builtin, sql, composite, spark_script, command"
    CHECK (kind IN ('builtin', 'sql', 'composite', 'spark_script', 'command')),
  CONSTRAINT "template.sha256 is empty or 64 hex digits" CHECK (length(sha256) IN (0, 64)),
  CONSTRAINT "template.params_schema is JSON" CHECK ({json:params_schema}),
  CONSTRAINT "template.body is JSON" CHECK ({json:body})
);

CREATE TABLE pool (
  name TEXT NOT NULL PRIMARY KEY,
  slots BIGINT NOT NULL DEFAULT 1,
  managed_by TEXT NOT NULL DEFAULT '',
  CONSTRAINT "pool.name is not empty" CHECK (name <> ''),
  CONSTRAINT "pool.slots is a whole number from 1" CHECK ({int:slots} AND slots >= 1)
);

CREATE TABLE flow (
  flow_id TEXT NOT NULL PRIMARY KEY,
  dag_name TEXT NOT NULL DEFAULT '',
  description TEXT NOT NULL DEFAULT '',
  owner TEXT NOT NULL DEFAULT '',
  is_enabled BOOLEAN NOT NULL DEFAULT TRUE,
  overlap TEXT NOT NULL DEFAULT 'queue',
  max_active_runs BIGINT NOT NULL DEFAULT 1,
  params TEXT NOT NULL DEFAULT '{}',
  defaults TEXT NOT NULL DEFAULT '{}',
  managed_by TEXT NOT NULL DEFAULT '',
  CONSTRAINT "flow.flow_id is a word without slash"
    CHECK (flow_id <> '' AND flow_id NOT LIKE '%/%'),
  CONSTRAINT "flow.is_enabled is true or false" CHECK (is_enabled IN (TRUE, FALSE)),
  CONSTRAINT "flow.overlap is queue, cancel, fail or skip"
    CHECK (overlap IN ('queue', 'cancel', 'fail', 'skip')),
  CONSTRAINT "flow.max_active_runs is a whole number from 1"
    CHECK ({int:max_active_runs} AND max_active_runs >= 1),
  CONSTRAINT "flow.params is JSON" CHECK ({json:params}),
  CONSTRAINT "flow.defaults is JSON" CHECK ({json:defaults})
);

CREATE TABLE task (
  flow_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  template_id TEXT NOT NULL,
  params TEXT NOT NULL DEFAULT '{}',
  engine TEXT NOT NULL DEFAULT '',
  resources TEXT NOT NULL DEFAULT '{}',
  retries BIGINT,
  retry_delay TEXT,
  timeout TEXT,
  pool TEXT,
  for_each TEXT,
  managed_by TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (flow_id, task_id),
  CONSTRAINT "task.flow_id is the id of a flow"
    FOREIGN KEY (flow_id) REFERENCES flow (flow_id) ON DELETE CASCADE,
  CONSTRAINT "task.pool is the name of a pool" FOREIGN KEY (pool) REFERENCES pool (name),
  CONSTRAINT "task.task_id is a word without slash"
    CHECK (task_id <> '' AND task_id NOT LIKE '%/%'),
  CONSTRAINT "task.template_id is not empty" CHECK (template_id <> ''),
  CONSTRAINT "task.params is JSON" CHECK ({json:params}),
  CONSTRAINT "task.resources is JSON" CHECK ({json:resources}),
  CONSTRAINT "task.retries is a whole number from 0" CHECK ({int:retries} AND retries >= 0),
  CONSTRAINT "task.retry_delay is a duration such as 10s"
    CHECK (substr(retry_delay, 1, 1) BETWEEN '0' AND '9'
      AND substr(retry_delay, length(retry_delay), 1) IN ('s', 'm', 'h', 'd')),
  CONSTRAINT "task.timeout is a duration such as 1h"
    CHECK (substr(timeout, 1, 1) BETWEEN '0' AND '9'
      AND substr(timeout, length(timeout), 1) IN ('s', 'm', 'h', 'd')),
  CONSTRAINT "task.for_each is JSON" CHECK ({json:for_each})
);

CREATE TABLE task_dependency (
  flow_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  needs_task_id TEXT NOT NULL,
  condition TEXT NOT NULL DEFAULT 'succeeded',
  managed_by TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (flow_id, task_id, needs_task_id),
  CONSTRAINT "task_dependency.task_id is a task of the flow"
    FOREIGN KEY (flow_id, task_id) REFERENCES task (flow_id, task_id) ON DELETE CASCADE,
  CONSTRAINT "task_dependency.needs_task_id is a task of the flow"
    FOREIGN KEY (flow_id, needs_task_id) REFERENCES task (flow_id, task_id) ON DELETE CASCADE,
  CONSTRAINT "task_dependency.needs_task_id is another task" CHECK (task_id <> needs_task_id),
  CONSTRAINT "task_dependency.condition is succeeded" CHECK (condition = 'succeeded')
);

CREATE TABLE schedule (
  flow_id TEXT NOT NULL PRIMARY KEY,
  cron TEXT,
  every TEXT,
  timezone TEXT,
  options TEXT NOT NULL DEFAULT '{}',
  managed_by TEXT NOT NULL DEFAULT '',
  CONSTRAINT "schedule.flow_id is the id of a flow"
    FOREIGN KEY (flow_id) REFERENCES flow (flow_id) ON DELETE CASCADE,
  CONSTRAINT "schedule.cron, every or options says when"
    CHECK (cron IS NOT NULL OR every IS NOT NULL OR options <> '{}'),
  CONSTRAINT "schedule.options is JSON" CHECK ({json:options})
);

CREATE TABLE file_trigger (
  flow_id TEXT NOT NULL PRIMARY KEY,
  pattern TEXT,
  options TEXT NOT NULL DEFAULT '{}',
  managed_by TEXT NOT NULL DEFAULT '',
  CONSTRAINT "file_trigger.flow_id is the id of a flow"
    FOREIGN KEY (flow_id) REFERENCES flow (flow_id) ON DELETE CASCADE,
  CONSTRAINT "file_trigger.pattern or options says which files"
    CHECK (pattern IS NOT NULL OR options <> '{}'),
  CONSTRAINT "file_trigger.options is JSON" CHECK ({json:options})
);

CREATE TABLE notification_rule (
  notification_rule_id TEXT NOT NULL PRIMARY KEY,
  flow_id TEXT,
  events TEXT NOT NULL DEFAULT '["failed"]',
  channel TEXT NOT NULL,
  target TEXT NOT NULL DEFAULT '',
  secret_id TEXT NOT NULL DEFAULT '',
  options TEXT NOT NULL DEFAULT '{}',
  is_enabled BOOLEAN NOT NULL DEFAULT TRUE,
  managed_by TEXT NOT NULL DEFAULT '',
  CONSTRAINT "notification_rule.notification_rule_id is not empty"
    CHECK (notification_rule_id <> ''),
  CONSTRAINT "notification_rule.flow_id is the id of a flow"
    FOREIGN KEY (flow_id) REFERENCES flow (flow_id) ON DELETE CASCADE,
  CONSTRAINT "notification_rule.events is JSON" CHECK ({json:events}),
  CONSTRAINT "notification_rule.channel is log, webhook, smtp or sns"
    CHECK (channel IN ('log', 'webhook', 'smtp', 'sns')),
  CONSTRAINT "notification_rule.options is JSON" CHECK ({json:options}),
  CONSTRAINT "notification_rule.is_enabled is true or false" CHECK (is_enabled IN (TRUE, FALSE))
);
)sql";
}

}  // namespace weir::catalog
