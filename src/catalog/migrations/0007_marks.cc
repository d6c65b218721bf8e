#include "catalog/migrations/migrations.h"

// Of each connection that writes the last transaction, so that a COMMIT whose answer was lost can
// be asked for (catalog/database). SQLite leaves it empty: its COMMIT has no line to lose.

namespace weir::catalog {

std::string_view marks_ddl() {
  return R"sql(
CREATE TABLE transaction_mark (
  connection_id TEXT NOT NULL PRIMARY KEY,
  token TEXT NOT NULL,
  marked_at_us BIGINT NOT NULL
);
)sql";
}

}  // namespace weir::catalog
