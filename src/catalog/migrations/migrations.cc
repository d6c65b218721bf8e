#include "catalog/migrations/migrations.h"

#include <algorithm>
#include <array>

namespace weir::catalog {
namespace {

constexpr std::string_view kTable = "schema_migration";

std::vector<std::string> statements_of(std::string_view ddl) {
  std::vector<std::string> statements;
  while (true) {
    const auto end = ddl.find(";\n");
    if (end == std::string_view::npos) return statements;
    std::string_view one = ddl.substr(0, end);
    one.remove_prefix(std::min(one.find_first_not_of(" \n"), one.size()));
    statements.emplace_back(one);
    ddl.remove_prefix(end + 2);
  }
}

/// 0 where the catalog is not there yet.
Result<int64_t> version_now(Session& session) {
  WEIR_ASSIGN(const auto tables,
              session.select("count(*) AS tables",
                             fmt::format("{} AND {} = :name", session.words().table_names,
                                         session.words().lock.empty() ? "name" : "table_name"),
                             {{"name", std::string(kTable)}}));
  RowReader found("tables", tables.front(), std::string(kTable));
  if (found.integer("tables") == 0) return 0;
  WEIR_ASSIGN(const auto rows,
              session.select("max(version) AS version", fmt::format("FROM {}", kTable)));
  RowReader reader(kTable, rows.front(), "newest");
  const int64_t version = reader.integer("version");
  WEIR_TRY(reader.status());
  return version;
}

Status apply(Database& database, Session& session, const Migration& migration, Clock& clock) {
  // Who waited here finds the step done. The first step makes the table that remembers the steps.
  WEIR_TRY(session.lock("weir schema migration"));
  WEIR_ASSIGN(const int64_t version, version_now(session));
  if (version >= migration.version) return {};
  if (version == 0) {
    WEIR_TRY(
        session.execute(fmt::format("CREATE TABLE {} (version BIGINT NOT NULL PRIMARY KEY, "
                                    "name TEXT NOT NULL, applied_at_us BIGINT NOT NULL)",
                                    kTable)));
  }
  for (const std::string& statement : statements_of(database.dialect().expand(migration.ddl)))
    WEIR_TRY(session.execute(statement));
  WEIR_TRY(session.insert(kTable, {{"version", migration.version},
                                   {"name", std::string(migration.name)},
                                   {"applied_at_us", clock.now_us()}}));
  return {};
}

}  // namespace

std::span<const Migration> all_migrations() {
  static const std::array kAll = {
      Migration{1, "configuration", configuration_ddl()},
      Migration{2, "runs", runs_ddl()},
      Migration{3, "lake", lake_ddl()},
      Migration{4, "service", service_ddl()},
      Migration{5, "landing", landing_ddl()},
      Migration{6, "notices", notices_ddl()},
      Migration{7, "marks", marks_ddl()},
      Migration{8, "orchestration", orchestration_ddl()},
      Migration{9, "arrivals", arrivals_ddl()},
      Migration{10, "accounts", accounts_ddl()},
      Migration{11, "lineage", lineage_ddl()},
      Migration{12, "flow_versions", flow_versions_ddl()},
      Migration{13, "operators", operators_ddl()},
  };
  return kAll;
}

Status migrate(Database& database, std::span<const Migration> steps, bool may_create,
               Clock& clock) {
  WEIR_ASSIGN(const int64_t version, database.read(version_now));
  const int64_t newest = steps.back().version;
  if (version == 0 && !may_create)
    return fail_with_hint(ErrorCode::kNotFound,
                          fmt::format("{} holds no catalog of weir", database.dialect().url()),
                          "`weir apply` or `weir init --rows` creates its tables");
  if (version > newest)
    return fail_with_hint(
        ErrorCode::kUnsupported,
        fmt::format("the schema of {} is version {}, this weir knows versions up to {}",
                    database.dialect().url(), version, newest),
        "use the newer weir that wrote it; there is no way back");
  for (const Migration& step : steps) {
    if (step.version <= version) continue;
    WEIR_TRY(while_doing(
        database.write([&](Session& session) { return apply(database, session, step, clock); }),
        fmt::format("bringing the schema of the catalog to version {} ({})", step.version,
                    step.name)));
  }
  return {};
}

}  // namespace weir::catalog
