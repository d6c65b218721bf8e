#include "database/postgres_url.h"

#include <libpq-fe.h>

#include <array>
#include <map>
#include <memory>

#include "base/redact.h"

namespace weir::database {
namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

std::unexpected<Error> refuse(std::string message, std::string hint) {
  return fail_with_hint(ErrorCode::kInvalidConfig, std::move(message), std::move(hint));
}

/// Names of libpq and of our options.
const std::map<std::string, std::string>& known_options() {
  static const std::map<std::string, std::string> kKnown = {{"host", "host"},
                                                            {"hostaddr", "host"},
                                                            {"port", "port"},
                                                            {"user", "user"},
                                                            {"dbname", "database"},
                                                            {"sslmode", "sslmode"},
                                                            {"sslrootcert", "sslrootcert"}};
  return kKnown;
}

}  // namespace

bool is_postgres_url(std::string_view text) {
  return text.starts_with("postgresql://") || text.starts_with("postgres://");
}

Result<Json> options_of_postgres_url(std::string_view url) {
  const std::string form = "write postgresql://user@host:5432/database";
  if (!is_postgres_url(url)) return refuse("it is no URL of PostgreSQL", form);
  char* why = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> parsed(
      PQconninfoParse(std::string(url).c_str(), &why));
  // What libpq says of a URL may hold a piece of it, and that may be a password.
  if (why != nullptr) PQfreemem(why);
  if (parsed == nullptr) return refuse("the URL of the database cannot be read", form);
  Json options = Json::object();
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr || *option->val == '\0') continue;
    const std::string name = option->keyword;
    const std::string value = option->val;
    if (name == "password") {
      process_redactor().remember(value);
      return refuse("the URL holds a password, and others see a command line",
                    "take it out of the URL; `weir secret set ID` or a variable keeps it");
    }
    const auto known = known_options().find(name);
    if (known == known_options().end())
      return refuse(fmt::format("a connection takes no '{}'", name),
                    "a URL says user, host, port, database, sslmode and sslrootcert");
    if (known->second != "port") {
      options[known->second] = value;
      continue;
    }
    const auto port = parse_json(value);
    if (!port || !port->is_number_integer()) return refuse(fmt::format("port '{}'", value), form);
    options["port"] = *port;
  }
  for (const char* name : {"host", "database", "user"})
    if (!options.contains(name)) return refuse(fmt::format("the URL says no {}", name), form);
  return options;
}

}  // namespace weir::database
