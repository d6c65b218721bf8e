#include "engine/sql_reading.h"

#include "sql/user_query.h"

namespace weir::engine {

static_assert(kUserSql == sql::kUserSql);

Result<SqlFacts> read_sql(const std::string& dialect, const std::string& text) {
  if (dialect != "duckdb")
    return fail_with_hint(ErrorCode::kUnsupported,
                          fmt::format("dialect '{}' is not known", dialect),
                          "write dialect: duckdb");
  WEIR_ASSIGN(const auto query, sql::read_user_query(text));
  return SqlFacts{query.datasets, query.is_volatile, query.unrepeatable};
}

}  // namespace weir::engine
