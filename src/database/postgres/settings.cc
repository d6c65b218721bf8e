#include <algorithm>
#include <array>
#include <map>

#include "base/option_reader.h"
#include "database/postgres.h"
#include "database/server_options.h"

namespace weir::database {
namespace {

std::unexpected<Error> refuse(std::string why, std::string hint = "") {
  return fail_with_hint(ErrorCode::kInvalidConfig, std::move(why), std::move(hint));
}

std::map<std::string, OptionReader> readers_of(PostgresSettings& settings) {
  return {{"host", into_c_text(settings.host)},
          {"port", into_port(settings.port)},
          {"database", into_c_text(settings.database)},
          {"user", into_c_text(settings.user)},
          {"password", into_c_text(settings.password)},
          {"sslmode",
           into_sslmode(settings.sslmode, {"disable", "require", "verify-ca", "verify-full"})},
          {"sslrootcert", into_c_text(settings.sslrootcert)},
          {"schema", into_c_text(settings.schema)},
          {"lock_timeout", into_duration(settings.lock_timeout_ms)},
          {"statement_timeout", into_duration(settings.statement_timeout_ms)},
          {"connect_timeout", into_duration(settings.connect_timeout_ms)}};
}

Status check_required(const PostgresSettings& settings) {
  const std::array<std::pair<const char*, const std::string*>, 3> required = {
      {{"host", &settings.host}, {"database", &settings.database}, {"user", &settings.user}}};
  for (const auto& [name, value] : required)
    if (value->empty())
      return refuse(fmt::format("a connection of kind 'postgres' needs a {}", name),
                    "give it host, database and user; password: secret://… where it has one");
  return {};
}

}  // namespace

std::string PostgresSettings::text() const {
  return fmt::format("postgresql://{}@{}:{}/{}", user, host, port, database);
}

Result<PostgresSettings> read_postgres_settings(const Json& options) {
  PostgresSettings settings;
  Json own = options;
  own.erase("kind");
  WEIR_TRY(read_options("postgres", own, readers_of(settings)));
  WEIR_TRY(check_required(settings));
  return settings;
}

}  // namespace weir::database
