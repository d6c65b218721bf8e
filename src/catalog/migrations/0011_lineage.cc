#include "catalog/migrations/migrations.h"

// Which time zone rules decided when a scheduled run was due. Events for machines stand in the
// outbox beside the messages to people; they are looked for by their channel.

namespace weir::catalog {

std::string_view lineage_ddl() {
  return R"sql(
ALTER TABLE flow_run ADD COLUMN time_zone_release TEXT NOT NULL DEFAULT '';

CREATE INDEX outbox_by_channel ON outbox (channel, state, outbox_id);
)sql";
}

}  // namespace weir::catalog
