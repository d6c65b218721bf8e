#include "database/source.h"

#include <algorithm>

#include "base/nearest.h"
#include "database/look.h"
#include "database/mysql.h"
#include "database/postgres.h"
#include "database/postgres_look.h"
#include "database/postgres_source.h"
#include "database/sqlite.h"

namespace weir::database {
namespace {

/// What a kind of database brings.
struct Adapter {
  std::vector<std::string> kinds;
  Status (*check)(const Json& options);
  Result<std::unique_ptr<Source>> (*open_source)(const DatabaseOptions& options,
                                                 SourceRequest request);
  Result<std::unique_ptr<Look>> (*open_look)(const DatabaseOptions& options);
};

template <typename Settings, Result<Settings> (*kRead)(const Json&)>
Status check_settings(const Json& options) {
  WEIR_ASSIGN([[maybe_unused]] const auto settings, kRead(options));
  return {};
}

template <typename Options, auto kRead>
Result<Options> options_of(const DatabaseOptions& options) {
  Options own;
  WEIR_ASSIGN(own.settings, kRead(options.connection));
  own.application_name = options.application_name;
  own.clock = options.clock;
  own.cancel = options.cancel;
  return own;
}

class PostgresLook final : public Look {
 public:
  explicit PostgresLook(std::unique_ptr<Postgres> connection)
      : connection_(std::move(connection)) {}
  Result<ServerLook> server() override { return look_at_server(*connection_); }
  Result<std::vector<TableLook>> tables() override { return discover_tables(*connection_); }

 private:
  const std::unique_ptr<Postgres> connection_;
};

constexpr auto kPostgresOptions = options_of<PostgresOptions, read_postgres_settings>;
constexpr auto kMysqlOptions = options_of<MysqlOptions, read_mysql_settings>;
constexpr auto kSqliteOptions = options_of<SqliteOptions, read_sqlite_settings>;

const std::vector<Adapter>& adapters() {
  static const std::vector<Adapter> kAdapters = {
      {{"postgres"},
       check_settings<PostgresSettings, read_postgres_settings>,
       [](const DatabaseOptions& options,
          SourceRequest request) -> Result<std::unique_ptr<Source>> {
         WEIR_ASSIGN(const auto own, kPostgresOptions(options));
         return open_postgres_source(own, std::move(request));
       },
       [](const DatabaseOptions& options) -> Result<std::unique_ptr<Look>> {
         WEIR_ASSIGN(const auto own, kPostgresOptions(options));
         WEIR_ASSIGN(auto connection, open_postgres(own));
         return std::make_unique<PostgresLook>(std::move(connection));
       }},
      {{"mysql", "mariadb"},
       check_settings<MysqlSettings, read_mysql_settings>,
       [](const DatabaseOptions& options,
          SourceRequest request) -> Result<std::unique_ptr<Source>> {
         WEIR_ASSIGN(const auto own, kMysqlOptions(options));
         return open_mysql_source(own, std::move(request));
       },
       [](const DatabaseOptions& options) -> Result<std::unique_ptr<Look>> {
         WEIR_ASSIGN(const auto own, kMysqlOptions(options));
         return open_mysql_look(own);
       }},
      {{"sqlite"},
       check_settings<SqliteSettings, read_sqlite_settings>,
       [](const DatabaseOptions& options,
          SourceRequest request) -> Result<std::unique_ptr<Source>> {
         WEIR_ASSIGN(const auto own, kSqliteOptions(options));
         return open_sqlite_source(own, std::move(request));
       },
       [](const DatabaseOptions& options) -> Result<std::unique_ptr<Look>> {
         WEIR_ASSIGN(const auto own, kSqliteOptions(options));
         return open_sqlite_look(own);
       }},
  };
  return kAdapters;
}

const Adapter* find_adapter(std::string_view kind) {
  for (const auto& adapter : adapters())
    if (std::ranges::find(adapter.kinds, kind) != adapter.kinds.end()) return &adapter;
  return nullptr;
}

Result<const Adapter*> adapter_of(std::string_view kind) {
  if (const Adapter* found = find_adapter(kind)) return found;
  return fail_with_hint(ErrorCode::kUnsupported,
                        fmt::format("it is of kind '{}', which is no database that is read", kind),
                        fmt::format("{}kinds: {}", did_you_mean(std::string(kind), source_kinds()),
                                    fmt::join(source_kinds(), ", ")));
}

}  // namespace

const std::vector<std::string>& source_kinds() {
  static const std::vector<std::string> kKinds = [] {
    std::vector<std::string> kinds;
    for (const auto& adapter : adapters())
      kinds.insert(kinds.end(), adapter.kinds.begin(), adapter.kinds.end());
    return kinds;
  }();
  return kKinds;
}

bool is_source_kind(std::string_view kind) { return find_adapter(kind) != nullptr; }

Status check_source_options(std::string_view kind, const Json& options) {
  WEIR_ASSIGN(const Adapter* adapter, adapter_of(kind));
  return adapter->check(options);
}

Result<std::unique_ptr<Source>> open_source(const DatabaseOptions& options, SourceRequest request) {
  WEIR_ASSIGN(const Adapter* adapter, adapter_of(options.connection.value("kind", "")));
  return adapter->open_source(options, std::move(request));
}

Result<std::unique_ptr<Look>> open_look(const DatabaseOptions& options) {
  WEIR_ASSIGN(const Adapter* adapter, adapter_of(options.connection.value("kind", "")));
  return adapter->open_look(options);
}

}  // namespace weir::database
