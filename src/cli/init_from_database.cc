#include "cli/init_from_database.h"

#include <algorithm>
#include <filesystem>

#include <fmt/ranges.h>

#include "base/nearest.h"
#include "cli/database_tables.h"
#include "cli/project.h"
#include "config/database_project.h"
#include "config/for_each.h"
#include "database/database_url.h"
#include "inputs/locations.h"

namespace weir::cli {
namespace {

using database::TableLook;

bool is_view(const TableLook& table) {
  return table.kind != "table" && table.kind != "partitioned table";
}

/// What the connection is called: as its database, and as no layer, in letters that an id of a
/// secret and the name of a file can have.
std::string connection_name(const std::string& database) {
  std::string name;
  for (const char c : database) {
    const bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '_' || c == '-';
    name += is_word ? c : '_';
  }
  const bool is_layer = name == "raw" || name == "stage" || name == "presentation";
  return is_layer || name.find_first_not_of("_-") == std::string::npos ? name + "_db" : name;
}

/// The connection of a URL; with the reference to its password where a keeper has one.
Result<model::Connection> connection_of_url(Session& session, const std::string& url) {
  if (session.has_yaml())
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("there is a project in {} already", session.folder()),
        "add the database to its connections and name that: `weir init --from-db CONNECTION`");
  model::Connection connection;
  WEIR_ASSIGN(connection.options, database::options_of_url(url));
  connection.kind = connection.options.at("kind").get<std::string>();
  connection.options.erase("kind");
  const std::filesystem::path file = connection.options.value("path", "");
  connection.connection_id =
      connection_name(connection.options.value("database", file.stem().string()));
  if (connection.kind == "sqlite") return connection;
  const std::string secret = connection.connection_id + "-db";
  WEIR_ASSIGN(const auto secrets, session.secrets());
  const auto password = secrets->value({secret, ""}, *session.wiring().cancel);
  if (password)
    connection.options["password"] = "secret://" + secret;
  else if (password.error().code != ErrorCode::kNotFound)
    return std::unexpected(password.error());
  return connection;
}

/// A connection of the project; its flow writes into the layers that a first project has.
Result<model::Connection> connection_of_project(Session& session, const std::string& id) {
  if (!session.has_yaml())
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("'{}' is no URL, and there is no project in {}", id, session.folder()),
        "write --from-db postgresql://user@host:5432/database, mysql://… or sqlite:FILE");
  WEIR_ASSIGN(const auto configuration, resolved_configuration(session));
  const auto* connection = configuration.find_connection(id);
  if (connection == nullptr) {
    std::vector<std::string> known;
    for (const auto& each : configuration.connections) known.push_back(each.connection_id);
    const std::string guess = did_you_mean(id, known);
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("there is no connection '{}'", id),
                          guess.empty() ? "`weir connection list` shows them" : guess);
  }
  for (const char* layer : {"raw", "stage"})
    if (configuration.find_layer(layer) == nullptr)
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("the project has no layer '{}'", layer),
                            "add the layers raw and stage, or write the flow yourself: "
                            "docs/guide/for-each.md");
  if (configuration.find_flow(id) != nullptr)
    return fail_with_hint(ErrorCode::kAlreadyExists,
                          fmt::format("the project has a flow '{}' already", id),
                          "nothing is written over");
  return *connection;
}

Result<std::vector<TableLook>> tables_behind(Session& session,
                                             const model::Connection& connection) {
  model::Configuration alone;
  alone.connections.push_back(connection);
  WEIR_ASSIGN(const Json options,
              inputs::connection_options(alone, session.folder(), connection.connection_id));
  auto tables =
      while_doing(tables_of_database(session, options),
                  fmt::format("looking at the database of '{}'", connection.connection_id));
  if (!tables && tables.error().code == ErrorCode::kDenied && !options.contains("password"))
    tables.error().hint = fmt::format(
        "`weir secret set {0}-db` keeps a password (typed, unseen), and so does ~/.pgpass; then "
        "again",
        connection.connection_id);
  return tables;
}

/// Parts the tables; a pattern that means none is told.
Status choose(const FromDatabase& request, std::vector<TableLook> all,
              config::DatabaseProject& project) {
  for (const auto& glob : request.tables) {
    const config::TablePattern pattern{"", {glob}, {}, true};
    const bool fits = std::ranges::any_of(
        all, [&](const auto& table) { return config::is_meant(pattern, table.table); });
    if (fits) continue;
    std::vector<std::string> names;
    for (const auto& table : all) names.push_back(table.table);
    const std::string guess = did_you_mean(glob, names);
    return fail_with_hint(ErrorCode::kNotFound, fmt::format("no table fits '{}'", glob),
                          !guess.empty() ? guess
                          : names.empty()
                              ? "the database shows no table to this user"
                              : fmt::format("names are schema.table, such as {}", names.front()));
  }
  const config::TablePattern pattern{"", request.tables, {}, true};
  // A database that does not tell of columns tells of none.
  const bool tells_columns =
      std::ranges::any_of(all, [](const auto& table) { return !table.columns.empty(); });
  for (auto& table : all) {
    const bool is_named = std::ranges::find(request.tables, table.table) != request.tables.end();
    if (!request.tables.empty() && !config::is_meant(pattern, table.table)) continue;
    const bool is_bare = tells_columns && table.columns.empty();
    if (!table.is_readable || is_bare || (is_view(table) && !is_named)) {
      project.left_out.push_back(std::move(table));
      continue;
    }
    std::string cursor = change_column(table);
    project.tables.push_back({std::move(table), std::move(cursor)});
  }
  if (!project.tables.empty()) return {};
  return fail_with_hint(
      ErrorCode::kNotFound, "there is no table that can be read",
      project.left_out.empty()
          ? "the database shows no table to this user"
          : fmt::format("left out: {}{}; views are taken by their whole name",
                        project.left_out.front().table, project.left_out.size() > 1 ? ", …" : ""));
}

void say_what_was_chosen(Session& session, const config::DatabaseProject& project) {
  const auto count = [&](auto is_one) { return std::ranges::count_if(project.tables, is_one); };
  const auto increments = count([](const auto& table) { return !table.cursor.empty(); });
  const auto keyless = count([](const auto& table) { return table.look.key.empty(); });
  const auto total = std::ssize(project.tables);
  session.say(fmt::format("{} table{}: {} by increments, {} whole each time; {} without a key",
                          total, total == 1 ? "" : "s", increments, total - increments, keyless));
  for (const auto& table : project.left_out)
    if (!table.is_readable) session.log().warning("left out, denied: {}", table.table);
}

}  // namespace

Result<std::map<std::string, std::string>> project_of_database(Session& session,
                                                               const FromDatabase& request) {
  config::DatabaseProject project;
  project.name = std::filesystem::path(session.folder()).filename().string();
  project.has_project = !database::is_url(request.from);
  if (project.has_project) {
    WEIR_ASSIGN(project.connection, connection_of_project(session, request.from));
  } else {
    WEIR_ASSIGN(project.connection, connection_of_url(session, request.from));
  }
  WEIR_ASSIGN(auto tables, tables_behind(session, project.connection));
  WEIR_TRY(choose(request, std::move(tables), project));
  WEIR_ASSIGN(auto files, config::write_database_project(project));
  say_what_was_chosen(session, project);
  return files;
}

}  // namespace weir::cli
