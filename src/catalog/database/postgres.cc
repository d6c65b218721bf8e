#include <algorithm>
#include <map>

#include <soci/postgresql/soci-postgresql.h>

#include "base/this_machine.h"
#include "catalog/database/dialect.h"

// PostgreSQL under READ COMMITTED: what must not move is locked by row (FOR UPDATE) or by name (an
// advisory lock of the transaction). Its own clock decides when a lease runs out, so hosts whose
// clocks differ agree. Whether a transaction whose COMMIT had no answer is over is asked of the
// server by its number.

namespace weir::catalog {
namespace {

constexpr Words kWords = {
    .begin_write = "BEGIN",
    .begin_read = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    .for_update = " FOR UPDATE",
    .lock = "SELECT pg_advisory_xact_lock(hashtextextended(:name, 1987208562))",
    .now_us = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
    // By their names from before version 13, which later ones know too.
    .transaction = "txid_current_if_assigned()",
    .outcome = "txid_status(:id)",
    .table_names = "FROM information_schema.tables WHERE table_schema = current_schema()",
    .json_rows = "json_array_elements(CAST(:rows AS json)) AS items(value)",
};

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

/// What libpq takes from PGHOST, PGSSLMODE and their like, where it is not what it does anyway.
std::map<std::string, std::string> options_of_environment() {
  std::map<std::string, std::string> options;
  const std::unique_ptr<PQconninfoOption, FreeOptions> defaults(PQconndefaults());
  for (const auto* each = defaults.get(); each != nullptr && each->keyword != nullptr; ++each) {
    const std::string_view compiled = each->compiled != nullptr ? each->compiled : "";
    if (each->val != nullptr && each->val != compiled) options[each->keyword] = each->val;
  }
  return options;
}

std::string conninfo_text(std::string_view value) {
  std::string text = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') text += '\\';
    text += c;
  }
  return text + "'";
}

/// Whether the line leaves this machine: then the server's certificate and name are checked, unless
/// somebody says otherwise. libpq by itself would take any, or none.
bool is_remote(std::string_view hosts) {
  while (!hosts.empty()) {
    const std::string_view host = hosts.substr(0, hosts.find(','));
    if (!host.empty() && !host.starts_with('/') && !names_this_machine(host)) return true;
    hosts.remove_prefix(std::min(host.size() + 1, hosts.size()));
  }
  return false;
}

PGconn* handle(soci::session& session) {
  return static_cast<soci::postgresql_session_backend*>(session.get_backend())->conn_;
}

class PostgresDialect : public Dialect {
 public:
  PostgresDialect(std::string url, std::string connect_string, int64_t busy_timeout_ms)
      : url_(std::move(url)),
        connect_string_(std::move(connect_string)),
        busy_timeout_ms_(busy_timeout_ms) {}

  const std::string& url() const override { return url_; }
  const Words& words() const override { return kWords; }
  bool has_one_writer() const override { return false; }
  bool has_boolean() const override { return true; }

  Result<std::unique_ptr<soci::session>> connect() const override {
    std::unique_ptr<soci::session> session;
    try {
      session = std::make_unique<soci::session>(soci::postgresql, connect_string_);
      *session << "SET default_transaction_isolation = 'read committed'";
      *session << "SET client_encoding = 'UTF8'";
      // A host that vanished must not keep its locks for ever, and a lock that is never given back
      // must become an error.
      *session << fmt::format("SET lock_timeout = {}", busy_timeout_ms_);
      *session << "SET idle_in_transaction_session_timeout = '5min'";
      return session;
    } catch (const std::exception& problem) {
      if (session == nullptr) return std::unexpected(explain_no_connection(problem));
      return std::unexpected(explain(problem, session.get()));
    }
  }

  Error explain(const std::exception& problem, soci::session* session) const override {
    const std::string state = state_of(problem);
    const std::string text = brief(problem);
    if (session != nullptr && is_lost(*session))
      return say(ErrorCode::kUnavailable, "lost the connection: " + text, "");
    if (state == "23505") return say(ErrorCode::kAlreadyExists, text, "");
    if (state.starts_with("23")) return say(ErrorCode::kInvalidConfig, text, "");
    if (state.starts_with("22")) return say(ErrorCode::kInvalidData, text, "");
    if (state == "55P03")
      return say(ErrorCode::kUnavailable, "stayed locked by another session: " + text,
                 "look for it in pg_stat_activity");
    if (state.starts_with("40") || state.starts_with("57") || state.starts_with("08"))
      return say(ErrorCode::kUnavailable, text, "");
    if (state == "42501")
      return say(ErrorCode::kDenied, text, "GRANT the rights on weir's tables to this user");
    if (state == "25006") return say(ErrorCode::kDenied, text, "name the primary, not a replica");
    if (state.starts_with("53")) return say(ErrorCode::kResourceExhausted, text, "");
    if (state == "XX001" || state == "XX002") return say(ErrorCode::kCorrupt, text, "");
    return say(ErrorCode::kInternal, text, "");
  }

  bool is_lost(soci::session& session) const override {
    return PQstatus(handle(session)) != CONNECTION_OK;
  }

  bool is_deadlock(const std::exception& problem) const override {
    return state_of(problem).starts_with("40");
  }

  std::string expand(std::string_view ddl) const override {
    return fill_placeholders(ddl, [](std::string_view word) -> std::string {
      if (word == "identity") return "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY";
      if (word.starts_with("int:")) return "TRUE";
      if (word == "touch")
        return "CREATE OR REPLACE FUNCTION weir_touch_configuration() RETURNS trigger LANGUAGE "
               "plpgsql AS 'BEGIN UPDATE config_revision SET revision = revision + 1; RETURN NULL; "
               "END';";
      if (word.starts_with("touch:"))
        return fmt::format(
            "CREATE TRIGGER touch_configuration AFTER INSERT OR UPDATE OR DELETE ON {} FOR EACH "
            "STATEMENT EXECUTE FUNCTION weir_touch_configuration();",
            word.substr(word.find(':') + 1));
      return fmt::format("({0} IS NULL OR CAST({0} AS jsonb) IS NOT NULL)",
                         word.substr(word.find(':') + 1));
    });
  }

 private:
  static std::string state_of(const std::exception& problem) {
    const auto* fault = dynamic_cast<const soci::postgresql_soci_error*>(&problem);
    return fault != nullptr ? fault->sqlstate() : "";
  }

  /// The server's words on one line, without SOCI's before them and without the row at fault: its
  /// key stands in our own message.
  static std::string brief(const std::exception& problem) {
    const auto* fault = dynamic_cast<const soci::soci_error*>(&problem);
    std::string text = fault != nullptr ? fault->get_error_message() : problem.what();
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    for (char& c : text) {
      if (c == '\n') c = ' ';
    }
    for (const std::string_view prefix : {"ERROR:  ", "connection to the database. "}) {
      const auto start = text.find(prefix);
      if (start != std::string::npos) text.erase(0, start + prefix.size());
    }
    if (const auto row = text.find(" DETAIL:  Failing row"); row != std::string::npos)
      text.erase(row);
    return text;
  }

  /// libpq gives no code for these, only the server's words.
  Error explain_no_connection(const std::exception& problem) const {
    const std::string text = brief(problem);
    const auto says = [&](std::string_view words) { return text.find(words) != std::string::npos; };
    if (says("FATAL:  database"))
      return say(ErrorCode::kNotFound, text, "create it: createdb NAME");
    if (says("authentication failed") || says("no password supplied") || says("pg_hba.conf") ||
        says("FATAL:  role"))
      return say(
          ErrorCode::kDenied, text,
          "check the user and its password (PGPASSWORD or ~/.pgpass keep it out of the URL)");
    if (says("SSL") || says("certificate"))
      return say(ErrorCode::kDenied, text,
                 "on lines to other machines the server's certificate is checked: name its CA with "
                 "sslrootcert=FILE in the URL, or say another sslmode there");
    return say(ErrorCode::kUnavailable, text, "check that the server runs and can be reached");
  }

  Error say(ErrorCode code, const std::string& what, std::string hint) const {
    return Error{
        code, fmt::format("catalog {}: {}", url_, what), {}, std::move(hint), std::nullopt};
  }

  const std::string url_;
  const std::string connect_string_;
  const int64_t busy_timeout_ms_;
};

}  // namespace

Result<std::unique_ptr<Dialect>> make_postgres_dialect(const std::string& url,
                                                       int64_t busy_timeout_ms) {
  char* problem = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> options(
      PQconninfoParse(url.c_str(), &problem));
  if (options == nullptr) {
    std::string text = problem != nullptr ? problem : "out of memory";
    PQfreemem(problem);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return fail_with_hint(ErrorCode::kInvalidConfig, "the URL of the catalog: " + text,
                          "write postgresql://user@host:5432/database");
  }
  std::map<std::string, std::string> given = {{"connect_timeout", "10"},
                                              {"application_name", "weir"},
                                              {"keepalives_idle", "30"},
                                              {"tcp_user_timeout", "60000"}};
  for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) given[option->keyword] = option->val;
  }
  const auto by_environment = options_of_environment();
  const auto said = [&](const char* name) -> std::string {
    for (const auto* each : {&std::as_const(given), &by_environment})
      if (const auto found = each->find(name); found != each->end()) return found->second;
    return {};
  };
  if (said("sslmode").empty() && (is_remote(said("host")) || is_remote(said("hostaddr")))) {
    given["sslmode"] = "verify-full";
    if (said("sslrootcert").empty()) given["sslrootcert"] = system_ca_file();
  }
  std::string connect_string;
  for (const auto& [name, value] : given) connect_string += name + "=" + conninfo_text(value) + " ";
  const auto part = [&](const char* name) { return given.contains(name) ? given[name] : ""; };
  const std::string user = part("user").empty() ? "" : part("user") + "@";
  const std::string port = part("port").empty() ? "" : ":" + part("port");
  const std::string shown =
      fmt::format("postgresql://{}{}{}/{}", user, part("host"), port, part("dbname"));
  return std::make_unique<PostgresDialect>(shown, connect_string, busy_timeout_ms);
}

}  // namespace weir::catalog
