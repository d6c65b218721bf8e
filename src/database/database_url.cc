#include "database/database_url.h"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "base/redact.h"

namespace weir::database {
namespace {

constexpr std::string_view kSqlite = "sqlite:";

struct Scheme {
  std::string_view text;
  std::string_view kind;
};
constexpr std::array<Scheme, 4> kSchemes = {{{"postgresql://", "postgres"},
                                             {"postgres://", "postgres"},
                                             {"mysql://", "mysql"},
                                             {"mariadb://", "mysql"}}};

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

bool is_url(std::string_view text) { return text.contains("://") || text.starts_with(kSqlite); }

Result<Json> options_of_url(std::string_view url) {
  if (url.starts_with(kSqlite)) {
    const std::string path(url.substr(kSqlite.size()));
    if (path.empty() || path.starts_with("//"))
      return refuse("the URL names no file", "write sqlite:data/shop.db");
    return Json{{"kind", "sqlite"}, {"path", path}};
  }
  const auto scheme = std::ranges::find_if(
      kSchemes, [&](const Scheme& each) { return url.starts_with(each.text); });
  if (scheme == kSchemes.end())
    return fail_with_hint(ErrorCode::kUnsupported,
                          fmt::format("a URL '{}…' is of no database that can be read",
                                      url.substr(0, url.find("://") + 3)),
                          "write postgresql://, mysql:// or sqlite:");
  const std::string form = fmt::format("write {}user@host/database", scheme->text);
  // The rest is written the same way for all of them.
  const std::string text = "postgresql://" + std::string(url.substr(scheme->text.size()));
  char* why = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> parsed(PQconninfoParse(text.c_str(), &why));
  // What libpq says of a URL may hold a piece of it, and that may be a password.
  if (why != nullptr) PQfreemem(why);
  if (parsed == nullptr) return refuse("the URL of the database cannot be read", form);
  Json options = {{"kind", scheme->kind}};
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
