#include <array>
#include <map>

#include "base/option_reader.h"
#include "database/mysql.h"
#include "database/server_options.h"

namespace weir::database {
namespace {

std::unexpected<Error> refuse(std::string why, std::string hint = "") {
  return fail_with_hint(ErrorCode::kInvalidConfig, std::move(why), std::move(hint));
}

OptionReader into_sslmode_of_mysql(std::string& to) {
  return [&to](const Json& value) -> Status {
    if (value == "verify-ca")
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          "the client library checks the host's name or nothing: there is no verify-ca",
          "write verify-full, and as host a name that the certificate has");
    return into_sslmode(to, {"disable", "require", "verify-full"})(value);
  };
}

}  // namespace

std::string MysqlSettings::text() const {
  return fmt::format("mysql://{}@{}:{}/{}", user, host, port, database);
}

Result<MysqlSettings> read_mysql_settings(const Json& options) {
  MysqlSettings settings;
  Json own = options;
  own.erase("kind");
  const std::map<std::string, OptionReader> readers = {
      {"host", into_c_text(settings.host)},
      {"port", into_port(settings.port)},
      {"database", into_c_text(settings.database)},
      {"user", into_c_text(settings.user)},
      {"password", into_c_text(settings.password)},
      {"sslmode", into_sslmode_of_mysql(settings.sslmode)},
      {"sslrootcert", into_c_text(settings.sslrootcert)},
      {"lock_timeout", into_duration(settings.lock_timeout_ms)},
      {"statement_timeout", into_duration(settings.statement_timeout_ms)},
      {"connect_timeout", into_duration(settings.connect_timeout_ms)}};
  WEIR_TRY(read_options("mysql", own, readers));
  const std::array<std::pair<const char*, const std::string*>, 3> required = {
      {{"host", &settings.host}, {"database", &settings.database}, {"user", &settings.user}}};
  for (const auto& [name, value] : required)
    if (value->empty())
      return refuse(fmt::format("a connection of kind 'mysql' needs a {}", name),
                    "give it host, database and user; password: secret://… where it has one");
  return settings;
}

}  // namespace weir::database
