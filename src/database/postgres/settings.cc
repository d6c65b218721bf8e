#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <map>

#include "base/instant.h"
#include "base/nearest.h"
#include "database/postgres.h"

namespace weir::database {
namespace {

using Reader = std::function<Status(const Json&)>;

std::unexpected<Error> refuse(std::string why, std::string hint = "") {
  return fail_with_hint(ErrorCode::kInvalidConfig, std::move(why), std::move(hint));
}

Reader into_text(std::string& to) {
  return [&to](const Json& value) -> Status {
    if (!value.is_string()) return refuse("it is no text");
    to = value.get<std::string>();
    // libpq would end it there.
    if (to.find('\0') != std::string::npos) return refuse("it holds a NUL character");
    return {};
  };
}

/// A variable of the environment brings a number as text.
Reader into_port(int64_t& to) {
  return [&to](const Json& value) -> Status {
    int64_t port = 0;
    if (value.is_number_integer()) {
      port = value.get<int64_t>();
    } else if (value.is_string()) {
      const auto text = value.get<std::string>();
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
      if (error != std::errc() || end != text.data() + text.size()) port = 0;
    }
    if (port < 1 || port > 65'535) return refuse("it is no port", "write port: 5432");
    to = port;
    return {};
  };
}

Reader into_duration(int64_t& to) {
  return [&to](const Json& value) -> Status {
    if (!value.is_string()) return refuse("it is no duration", "write it like 30s or 5m");
    WEIR_ASSIGN(to, parse_duration_ms(value.get<std::string>()));
    return {};
  };
}

Reader into_sslmode(std::string& to) {
  return [&to](const Json& value) -> Status {
    constexpr std::array kModes = {"disable", "require", "verify-ca", "verify-full"};
    if (value == "allow" || value == "prefer")
      return refuse(
          fmt::format("{} goes on without encryption, and says nothing", dump_json(value)),
          "write verify-full; or disable, where the way to the server is safe without");
    if (std::ranges::none_of(kModes, [&](const char* mode) { return value == mode; }))
      return refuse(fmt::format("{} is not known", dump_json(value)),
                    fmt::format("write one of: {}", fmt::join(kModes, ", ")));
    to = value.get<std::string>();
    return {};
  };
}

std::map<std::string, Reader> readers_of(PostgresSettings& settings) {
  return {{"host", into_text(settings.host)},
          {"port", into_port(settings.port)},
          {"database", into_text(settings.database)},
          {"user", into_text(settings.user)},
          {"password", into_text(settings.password)},
          {"sslmode", into_sslmode(settings.sslmode)},
          {"sslrootcert", into_text(settings.sslrootcert)},
          {"schema", into_text(settings.schema)},
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
  const auto readers = readers_of(settings);
  for (const auto& [key, value] : options.items()) {
    if (key == "kind") continue;
    const auto reader = readers.find(key);
    if (reader == readers.end()) {
      std::vector<std::string> known;
      for (const auto& [name, unused] : readers) known.push_back(name);
      const std::string guess = did_you_mean(key, known);
      return refuse(fmt::format("a connection of kind 'postgres' has no option '{}'", key),
                    guess.empty() ? fmt::format("options are: {}", fmt::join(known, ", ")) : guess);
    }
    Status read = reader->second(value);
    if (!read) {
      Error error = std::move(read).error();
      error.message = fmt::format("option '{}': {}", key, error.message);
      return std::unexpected(std::move(error));
    }
  }
  WEIR_TRY(check_required(settings));
  return settings;
}

}  // namespace weir::database
