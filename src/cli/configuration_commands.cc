#include <algorithm>
#include <filesystem>
#include <ostream>

#include "base/redact.h"
#include "cli/commands.h"
#include "cli/init_from_database.h"
#include "cli/project.h"
#include "config/first_project.h"
#include "config/for_each_patterns.h"
#include "config/json_schema.h"
#include "config/project.h"
#include "lake/first_look.h"

namespace weir::cli {
namespace {

/// What no command without a database can check.
Status say_patterns(Session& session) {
  WEIR_ASSIGN(const auto open, open_configuration(session));
  for (const auto& flow : open.configuration.flows)
    for (const auto& task : flow.tasks) {
      const auto tables = config::table_pattern(task);
      if (tables && *tables)
        session.say(fmt::format(
            "flow {}, task {}: tables of '{}' like {} are looked up when a run starts",
            flow.flow_id, task.task_id, (*tables)->connection, fmt::join((*tables)->like, ", ")));
      const auto files = config::file_pattern(task);
      if (files && *files)
        session.say(fmt::format("flow {}, task {}: files {} are looked up when a run starts",
                                flow.flow_id, task.task_id, config::words_of(**files)));
    }
  return {};
}

Result<int> validate(Session& session) {
  WEIR_ASSIGN(auto faults, check_project(session));
  for (auto& fault : faults) fault = without_secrets(std::move(fault));
  if (faults.empty()) {
    session.say("the project is good");
    WEIR_TRY(say_patterns(session));
    session.give({{"faults", Json::array()}});
    return 0;
  }
  if (session.wants_json()) {
    Json list = Json::array();
    for (const auto& fault : faults) {
      Json item = {{"code", to_text(fault.code)}, {"message", fault.message}, {"hint", fault.hint}};
      if (fault.place)
        item["place"] = {{"file", fault.place->file},
                         {"line", fault.place->line},
                         {"column", fault.place->column}};
      list.push_back(std::move(item));
    }
    session.give({{"faults", std::move(list)}});
  } else {
    for (const auto& fault : faults) *session.wiring().err << to_terminal(fault) << "\n";
    *session.wiring().err << fmt::format("{} fault{}\n", faults.size(),
                                         faults.size() == 1 ? "" : "s");
  }
  return exit_status(faults.front().code);
}

Status needs_yaml(Session& session) {
  if (session.has_yaml()) return {};
  return fail_with_hint(ErrorCode::kNotFound,
                        fmt::format("there is no weir.yaml in {}", session.folder()),
                        "`weir init` makes one; --project names another folder");
}

Result<int> plan(Session& session, bool prune) {
  WEIR_TRY(needs_yaml(session));
  WEIR_ASSIGN(const auto made, plan_project(session, prune));
  if (session.wants_json())
    session.give(config::to_json(made));
  else
    *session.wiring().out << config::to_text(made);
  WEIR_TRY(say_patterns(session));
  return 0;
}

Result<int> apply(Session& session, bool prune) {
  WEIR_TRY(needs_yaml(session));
  WEIR_ASSIGN(const auto made, plan_project(session, prune));
  if (session.wants_json())
    session.give(config::to_json(made));
  else if (!session.flags().is_quiet)
    *session.wiring().out << config::to_text(made);
  WEIR_TRY(apply_plan(session, made));
  return 0;
}

/// Writes a file that is not there yet.
Status write_new(Session& session, const std::string& folder, const std::string& name,
                 const std::string& text) {
  WEIR_ASSIGN(storage::Storage * store, session.stores().open(folder));
  auto written = storage::put(*store, name, text, storage::Put::kIfAbsent);
  if (!written && written.error().code == ErrorCode::kAlreadyExists)
    return fail_with_hint(ErrorCode::kAlreadyExists,
                          fmt::format("{}/{} is there already", folder, name),
                          "nothing is written over; name another folder");
  if (!written) return std::unexpected(std::move(written).error());
  session.say(fmt::format("wrote {}", name));
  return {};
}

Result<int> export_rows(Session& session, const std::string& to) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto configuration, catalog->load_configuration());
  WEIR_ASSIGN(const std::string url, session.catalog_url());
  const auto files = config::export_project(configuration, url);
  if (to.empty()) {
    for (const auto& [name, text] : files)
      *session.wiring().out << "# " << name << "\n" << text << "\n";
    return 0;
  }
  const auto folder =
      (std::filesystem::path(session.wiring().working_directory) / to).lexically_normal().string();
  for (const auto& [name, text] : files) {
    WEIR_TRY(write_new(session, folder, name, text));
  }
  return 0;
}

/// A project of rows alone: the tables, and no file.
Result<int> init_rows(Session& session) {
  std::error_code problem;
  std::filesystem::create_directories(session.folder(), problem);  // else opening says why not
  WEIR_ASSIGN(const catalog::Catalog* catalog, session.catalog(true));
  session.say(fmt::format("the tables are in {}", catalog->url()));
  session.say(
      "next: insert rows (docs/format/catalog.md), then `weir validate` and `weir run FLOW`");
  return 0;
}

Result<int> init(Session& session, const std::string& from_folder) {
  config::FirstProject first;
  first.name = std::filesystem::path(session.folder()).filename().string();
  if (!from_folder.empty()) {
    const auto folder = (std::filesystem::path(session.wiring().working_directory) / from_folder)
                            .lexically_normal()
                            .string();
    std::error_code ignored;
    if (!std::filesystem::is_directory(folder, ignored))
      return fail_with_hint(ErrorCode::kNotFound, fmt::format("there is no folder {}", folder),
                            "name a folder that has files `.csv`");
    WEIR_ASSIGN(storage::Storage * store, session.stores().open(folder));
    WEIR_ASSIGN(const auto found, lake::look_at_folder(*store));
    first.landing = folder;
    for (const auto& problem : found.problems)
      session.log().warning("left out: {}, {}", problem.message, fmt::join(problem.trail, ", "));
    for (const auto& source : found.sources)
      first.sources.push_back(
          {source.name, source.glob, source.as_of, source.columns, source.key, source.format});
  }
  for (const auto& [name, text] : config::write_first_project(first)) {
    WEIR_TRY(write_new(session, session.folder(), name, text));
  }
  session.say("next: `weir validate`, then `weir run FLOW --apply`");
  return 0;
}

Result<int> init_from_database(Session& session, const FromDatabase& request) {
  WEIR_ASSIGN(const auto files, project_of_database(session, request));
  for (const auto& [name, text] : files) {
    WEIR_TRY(write_new(session, session.folder(), name, text));
  }
  const std::string flow = files.begin()->first.starts_with("flows/")
                               ? files.begin()->first
                               : std::next(files.begin())->first;
  const std::string id = std::filesystem::path(flow).stem().string();
  session.say(fmt::format("next: look through {}, then `weir validate` and `weir run {} --apply`",
                          flow, id));
  return 0;
}

}  // namespace

void add_configuration_commands(CLI::App& app, Chosen& chosen) {
  auto* init_command = app.add_subcommand("init", "Write a first project");
  auto folder = std::make_shared<std::string>();
  init_command->add_option("--from-folder", *folder,
                           "CSV files to start from: schemas are inferred");
  auto is_rows = std::make_shared<bool>(false);
  init_command->add_flag("--rows", *is_rows,
                         "The catalog's tables alone, for a project of rows without YAML");
  auto request = std::make_shared<FromDatabase>();
  auto* from_database = init_command->add_option(
      "--from-db", request->from,
      "Database to start from, postgresql://user@host/database, mysql://…, sqlite:FILE or a "
      "connection of the project: "
      "its tables, with keys and what tells changes");
  init_command
      ->add_option("--tables", request->tables,
                   "Those alone: schema.table, or globs such as 'sales.*'")
      ->needs(from_database);
  init_command->callback([&chosen, folder, is_rows, request] {
    chosen.action = [=](Session& s) {
      if (!request->from.empty()) return init_from_database(s, *request);
      return *is_rows ? init_rows(s) : init(s, *folder);
    };
  });

  app.add_subcommand("validate", "Check the project; every fault with its place")
      ->callback([&chosen] { chosen.action = validate; });
  auto prune = std::make_shared<bool>(false);
  for (const auto& [name, about, action] :
       {std::tuple("plan", "What apply would change in the catalog", &plan),
        std::tuple("apply", "Make the catalog say what the YAML files say", &apply)}) {
    auto* command = app.add_subcommand(name, about);
    command->add_flag("--prune", *prune, "Rows that others made, too");
    command->callback([&chosen, prune, action = action] {
      chosen.action = [=](Session& s) { return action(s, *prune); };
    });
  }
  auto to = std::make_shared<std::string>();
  auto* export_command = app.add_subcommand("export", "The catalog's configuration as YAML");
  export_command->add_option("--to", *to, "Folder for the files (default: print them)");
  export_command->callback(
      [&chosen, to] { chosen.action = [to](Session& s) { return export_rows(s, *to); }; });

  app.add_subcommand("schema", "JSON Schema of the YAML files, for editors")->callback([&chosen] {
    chosen.action = [](Session& s) -> Result<int> {
      *s.wiring().out << dump_json_pretty(config::json_schema(s.wiring().templates)) << "\n";
      return 0;
    };
  });
}

}  // namespace weir::cli
