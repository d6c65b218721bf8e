#include <ostream>

#include "cli/commands.h"
#include "cli/project.h"
#include "cli/result_view.h"
#include "cli/table_text.h"
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

/// Reads a DuckDB warehouse as it is; it is opened read-only and locked, so nothing can be written.
Result<int> query_connection(Session& session, const std::string& id,
                             const std::string& statement) {
  WEIR_ASSIGN(const auto configuration, resolved_configuration(session));
  const model::Connection* connection = configuration.find_connection(id);
  if (connection == nullptr)
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("there is no connection '{}'", id),
                          "`weir connection list` shows them");
  if (connection->kind != "duckdb")
    return fail(ErrorCode::kUnsupported, "connection '{}' is of kind {}, not duckdb", id,
                connection->kind);
  sql::SessionOptions options;
  options.database = inputs::absolute_uri(session.folder(), connection->options.value("path", ""));
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
