#include <filesystem>

#include "catalog/migrations/migrations.h"
#include "catalog/store/store.h"

namespace weir::catalog {
namespace {

Result<std::unique_ptr<Dialect>> dialect_of(const CatalogOptions& options) {
  constexpr std::string_view kSqlite = "sqlite:";
  const std::string& url = options.url;
  if (url.starts_with(kSqlite)) {
    const std::filesystem::path path = url.substr(kSqlite.size());
    const bool is_placed = path.is_absolute() || options.base_folder.empty() || path.empty();
    const auto placed = is_placed ? path : std::filesystem::path(options.base_folder) / path;
    return make_sqlite_dialect(placed.string(), options.may_create, options.busy_timeout_ms);
  }
  if (url.starts_with("postgresql://") || url.starts_with("postgres://"))
    return make_postgres_dialect(url, options.busy_timeout_ms);
  const auto scheme = url.substr(0, url.find(':'));  // What follows may hold a password.
  return fail_with_hint(ErrorCode::kInvalidConfig,
                        fmt::format("'{}' is no kind of catalog", scheme),
                        "write sqlite:weir.db or postgresql://user@host/database");
}

}  // namespace

Result<std::unique_ptr<Catalog>> open_catalog_with(const CatalogOptions& options, Clock& clock,
                                                   StatementHook hook) {
  WEIR_ASSIGN(auto dialect, dialect_of(options));
  auto database = std::make_unique<Database>(std::move(dialect), std::move(hook));
  WEIR_TRY(migrate(*database, all_migrations(), options.may_create, clock));
  database->mark_transactions();
  database->wait_for_server(options.patience_ms, options.cancel);
  return std::make_unique<SqlCatalog>(std::move(database), clock);
}

Result<std::unique_ptr<Catalog>> open_catalog(const CatalogOptions& options, Clock& clock,
                                              Random& /*random*/) {
  return open_catalog_with(options, clock, nullptr);
}

}  // namespace weir::catalog
