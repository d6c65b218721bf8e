#include <ostream>

#include "base/nearest.h"
#include "cli/commands.h"
#include "cli/database_tables.h"
#include "cli/project.h"
#include "cli/result_view.h"
#include "cli/table_text.h"
#include "database/look.h"
#include "inputs/locations.h"
#include "sql/session.h"

namespace weir::cli {
namespace {

Result<int> list_connections(Session& session) {
  WEIR_ASSIGN(const auto configuration, resolved_configuration(session));
  std::vector<std::vector<std::string>> rows;
  Json list = Json::array();
  for (const auto& connection : configuration.connections) {
    rows.push_back(
        {connection.connection_id, connection.kind, connection.options.value("path", "")});
    list.push_back({{"connection_id", connection.connection_id}, {"kind", connection.kind}});
  }
  if (session.wants_json())
    session.give({{"connections", std::move(list)}});
  else
    *session.wiring().out << table_text({"connection", "kind", "path"}, rows);
  return 0;
}

Result<model::Connection> find_connection(Session& session, const std::string& id) {
  WEIR_ASSIGN(const auto configuration, resolved_configuration(session));
  if (const auto* found = configuration.find_connection(id)) return *found;
  std::vector<std::string> known;
  for (const auto& each : configuration.connections) known.push_back(each.connection_id);
  const std::string meant = did_you_mean(id, known);
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("there is no connection '{}'", id),
                        meant.empty() ? "`weir connection list` shows them" : meant);
}

Result<std::unique_ptr<database::Look>> open_database(Session& session, const std::string& id) {
  WEIR_ASSIGN(const auto connection, find_connection(session, id));
  if (!database::is_source_kind(connection.kind))
    return fail_with_hint(
        ErrorCode::kUnsupported,
        fmt::format("connection '{}' is of kind {}, which is none of: {}", id, connection.kind,
                    fmt::join(database::source_kinds(), ", ")),
        connection.kind == "duckdb" ? "`weir connection query` reads a DuckDB warehouse" : "");
  WEIR_ASSIGN(const auto configuration, resolved_configuration(session));
  WEIR_ASSIGN(const Json options, inputs::connection_options(configuration, session.folder(), id));
  return while_doing(open_look(session, options), fmt::format("opening connection '{}'", id));
}

/// Connects and says what it finds: what a person asks before a first run.
Result<int> test_connection(Session& session, const std::string& id) {
  WEIR_ASSIGN(const auto connection, open_database(session, id));
  WEIR_ASSIGN(const auto look, connection->server());
  std::string way = look.tls.empty() ? "not encrypted" : look.tls;
  if (look.is_file) way = "a file";
  const std::string user = look.user.empty() ? "" : fmt::format("as {} ", look.user);
  session.give({{"connection_id", id},
                {"version", look.version},
                {"user", look.user.empty() ? Json() : Json(look.user)},
                {"database", look.database},
                {"tls", look.tls.empty() ? Json() : Json(look.tls)},
                {"is_standby", look.is_standby},
                {"readable_tables", look.readable_tables},
                {"denied_tables", look.denied_tables}});
  session.say(fmt::format("{}: {}{}, {}in {}, {}; {} table{} can be read, {} cannot", id,
                          look.version, look.is_standby ? " (standby)" : "", user, look.database,
                          way, look.readable_tables, look.readable_tables == 1 ? "" : "s",
                          look.denied_tables));
  return 0;
}

/// The tables behind a connection, with what a task that reads them has to be told.
Result<int> discover_connection(Session& session, const std::string& id) {
  WEIR_ASSIGN(const auto connection, open_database(session, id));
  WEIR_ASSIGN(const auto tables, connection->tables());
  std::vector<std::vector<std::string>> rows;
  Json list = Json::array();
  for (const auto& table : tables) {
    rows.push_back({table.table, table.is_readable ? table.kind : table.kind + ", denied",
                    table.rows ? fmt::format("{}", *table.rows) : "?",
                    fmt::format("{}", fmt::join(table.key, ", ")),
                    fmt::format("{}", fmt::join(table.cursors, ", "))});
    list.push_back({{"table", table.table},
                    {"kind", table.kind},
                    {"rows", table.rows ? Json(*table.rows) : Json()},
                    {"is_readable", table.is_readable},
                    {"key", table.key},
                    {"cursors", table.cursors}});
  }
  if (session.wants_json())
    session.give({{"tables", std::move(list)}});
  else
    *session.wiring().out << table_text({"table", "kind", "rows, about", "key", "may be a cursor"},
                                        rows);
  return 0;
}

/// Reads a DuckDB warehouse as it is; it is opened read-only and locked, so nothing can be written.
Result<int> query_connection(Session& session, const std::string& id,
                             const std::string& statement) {
  WEIR_ASSIGN(const auto connection, find_connection(session, id));
  if (connection.kind != "duckdb")
    return fail(ErrorCode::kUnsupported, "connection '{}' is of kind {}, not duckdb", id,
                connection.kind);
  sql::SessionOptions options;
  options.database = inputs::absolute_uri(session.folder(), connection.options.value("path", ""));
  options.is_read_only = true;
  options.temp_folder = session.wiring().environment->get("TMPDIR").value_or("/tmp");
  WEIR_ASSIGN(auto opened, sql::open_session(options, *session.wiring().cancel));
  WEIR_TRY(opened->lock({}));
  WEIR_ASSIGN(const auto result, opened->query(statement));
  give_result(session, result);
  return 0;
}

}  // namespace

void add_connection_commands(CLI::App& app, Chosen& chosen) {
  auto* group = app.add_subcommand("connection", "Warehouses and other systems");
  group->require_subcommand(1);
  group->add_subcommand("list", "List them")->callback([&chosen] {
    chosen.action = list_connections;
  });
  struct Word {
    const char* word;
    const char* about;
    Result<int> (*action)(Session&, const std::string&);
  };
  for (const auto& [word, about, action] :
       {Word{"test", "Connect, and say what is there", test_connection},
        Word{"discover", "List the tables of a database, with keys and possible cursors",
             discover_connection}}) {
    auto* command = group->add_subcommand(word, about);
    auto named = std::make_shared<std::string>();
    command->add_option("connection", *named, "Connection")->required();
    command->callback([&chosen, named, action] {
      chosen.action = [=](Session& session) { return action(session, *named); };
    });
  }
  auto* query = group->add_subcommand("query", "Read a DuckDB warehouse");
  auto id = std::make_shared<std::string>();
  auto statement = std::make_shared<std::string>();
  query->add_option("connection", *id, "Connection")->required();
  query->add_option("sql", *statement, "One SELECT")->required();
  query->callback([&chosen, id, statement] {
    chosen.action = [=](Session& session) { return query_connection(session, *id, *statement); };
  });
}

}  // namespace weir::cli
