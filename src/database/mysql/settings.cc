#include <array>
#include <map>

#include "base/option_reader.h"
#include "database/mysql.h"

namespace weir::database {
namespace {

std::unexpected<Error> refuse(std::string why, std::string hint = "") {
  return fail_with_hint(ErrorCode::kInvalidConfig, std::move(why), std::move(hint));
}

OptionReader into_c_text(std::string& to) {
  return [&to](const Json& value) -> Status {
    WEIR_TRY(into_text(to)(value));
    // The client library would end it there.
    if (to.find('\0') != std::string::npos) return refuse("it holds a NUL character");
    return {};
  };
}

OptionReader into_sslmode(std::string& to) {
  return [&to](const Json& value) -> Status {
    constexpr std::array kModes = {"disable", "require", "verify-full"};
    if (value == "allow" || value == "prefer")
      return refuse(
          fmt::format("{} goes on without encryption, and says nothing", dump_json(value)),
          "write verify-full; or disable, where the way to the server is safe without");
    if (value == "verify-ca")
      return refuse("the client library checks the host's name or nothing: there is no verify-ca",
                    "write verify-full, and as host a name that the certificate has");
    if (std::ranges::none_of(kModes, [&](const char* mode) { return value == mode; }))
      return refuse(fmt::format("{} is not known", dump_json(value)),
                    fmt::format("write one of: {}", fmt::join(kModes, ", ")));
    to = value.get<std::string>();
    return {};
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
      {"sslmode", into_sslmode(settings.sslmode)},
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
