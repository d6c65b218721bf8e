#include "catalog/migrations/migrations.h"

// Who may use a server, and the audit log as a chain. Indexes for what a server shows.

namespace weir::catalog {

std::string_view accounts_ddl() {
  return R"sql(
CREATE TABLE user_account (
  user_name TEXT NOT NULL PRIMARY KEY,
  password_hash TEXT NOT NULL DEFAULT '',
  is_enabled BOOLEAN NOT NULL DEFAULT TRUE,
  created_at_us BIGINT NOT NULL,
  password_at_us BIGINT,
  CONSTRAINT "user_account.user_name is not empty" CHECK (user_name <> ''),
  CONSTRAINT "user_account.is_enabled is true or false" CHECK (is_enabled IN (TRUE, FALSE))
);

CREATE TABLE user_grant (
  user_name TEXT NOT NULL,
  flow_pattern TEXT NOT NULL,
  role TEXT NOT NULL,
  PRIMARY KEY (user_name, flow_pattern),
  CONSTRAINT "user_grant.user_name is the name of a user_account"
    FOREIGN KEY (user_name) REFERENCES user_account (user_name) ON DELETE CASCADE,
  CONSTRAINT "user_grant.role is viewer, operator, developer or admin"
    CHECK (role IN ('viewer', 'operator', 'developer', 'admin'))
);

CREATE TABLE api_token (
  api_token_id TEXT NOT NULL PRIMARY KEY,
  user_name TEXT NOT NULL,
  name TEXT NOT NULL,
  prefix TEXT NOT NULL,
  token_hash TEXT NOT NULL,
  flow_pattern TEXT NOT NULL DEFAULT '*',
  role TEXT NOT NULL DEFAULT 'viewer',
  created_at_us BIGINT NOT NULL,
  expires_at_us BIGINT,
  last_used_at_us BIGINT,
  CONSTRAINT "api_token.user_name is the name of a user_account"
    FOREIGN KEY (user_name) REFERENCES user_account (user_name) ON DELETE CASCADE,
  CONSTRAINT "api_token.name is unique for its user" UNIQUE (user_name, name),
  CONSTRAINT "api_token.token_hash is unique" UNIQUE (token_hash),
  CONSTRAINT "api_token.role is viewer, operator, developer or admin"
    CHECK (role IN ('viewer', 'operator', 'developer', 'admin'))
);

CREATE TABLE web_session (
  session_hash TEXT NOT NULL PRIMARY KEY,
  user_name TEXT NOT NULL,
  created_at_us BIGINT NOT NULL,
  expires_at_us BIGINT NOT NULL,
  CONSTRAINT "web_session.user_name is the name of a user_account"
    FOREIGN KEY (user_name) REFERENCES user_account (user_name) ON DELETE CASCADE
);

ALTER TABLE audit_log ADD COLUMN position BIGINT NOT NULL DEFAULT 0;

ALTER TABLE audit_log ADD COLUMN row_hash TEXT NOT NULL DEFAULT '';

CREATE UNIQUE INDEX audit_log_by_position ON audit_log (position) WHERE position > 0;

CREATE TABLE audit_head (
  audit_head_id BIGINT NOT NULL PRIMARY KEY,
  position BIGINT NOT NULL,
  row_hash TEXT NOT NULL,
  CONSTRAINT "audit_head.audit_head_id is 1" CHECK (audit_head_id = 1)
);

CREATE INDEX flow_run_by_flow_time ON flow_run (flow_id, created_at_us);

CREATE INDEX flow_run_by_success ON flow_run (flow_id, finished_at_us) WHERE state = 'succeeded';
)sql";
}

}  // namespace weir::catalog
