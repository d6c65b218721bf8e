#include "cli/found_values.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/ranges.h>

#include "base/glob.h"
#include "base/nearest.h"
#include "base/printable.h"
#include "cli/database_tables.h"
#include "cli/project.h"
#include "config/for_each.h"
#include "config/resolve.h"
#include "config/version.h"
#include "inputs/locations.h"
#include "model/file_trigger.h"
#include "storage/object_name.h"
#include "storage/storage.h"

namespace weir::cli {
namespace {

using config::FoundValues;
using config::TablePattern;

/// One that does not read counts: whoever looks it up says what is wrong.
bool has_pattern(const model::Task& task) {
  const auto tables = config::table_pattern(task);
  const auto files = config::file_pattern(task);
  return !tables || *tables || !files || *files;
}

Result<FoundValues> seen_by(catalog::Catalog& catalog, const std::string& flow_id,
                            const std::string& hash) {
  WEIR_ASSIGN(const auto version, catalog.config_version(hash));
  FoundValues found = config::found_in(version.content);
  std::erase_if(found, [&](const auto& each) { return each.first.first != flow_id; });
  return found;
}

/// What the newest run of the flow that got as far as a configuration saw.
Result<FoundValues> seen_by_newest_run(catalog::Catalog& catalog, const std::string& flow_id) {
  WEIR_ASSIGN(const auto runs, catalog.flow_runs(flow_id, 1));
  if (runs.empty()) return FoundValues{};
  return seen_by(catalog, flow_id, runs.front().config_hash);
}

/// Looks up the patterns of one flow; each database is asked once.
class TableLookup {
 public:
  TableLookup(Session& session, const model::Configuration& configuration,
              const config::Variables& variables, const config::Places& places)
      : session_(session), configuration_(configuration), variables_(variables), places_(places) {}

  Result<std::vector<Json>> find(const model::Task& task, TablePattern pattern) {
    for (auto* texts : {&pattern.like, &pattern.except})
      for (auto& text : *texts) {
        WEIR_ASSIGN(text, config::resolve_text(text, variables_));
      }
    WEIR_ASSIGN(pattern.connection, config::resolve_text(pattern.connection, variables_));
    const std::string doing = fmt::format("looking up the tables of task '{}'", task.task_id);
    const auto all = tables_of(pattern.connection);
    if (!all) return std::unexpected(Error(all.error()).while_doing(doing));
    std::vector<Json> found;
    for (const auto& table : **all)
      if (is_taken(pattern, table)) found.push_back(each_of_table(table));
    if (!found.empty()) return found;
    Error none = config::fault_of(
        places_, {"task", {task.flow_id, task.task_id}, {"for_each", "tables", "like"}},
        fmt::format("no table of connection '{}' fits {}", pattern.connection,
                    fmt::join(pattern.like, ", ")),
        hint(pattern, **all));
    none.code = ErrorCode::kNotFound;
    return std::unexpected(std::move(none));
  }

 private:
  static bool is_taken(const TablePattern& pattern, const database::TableLook& table) {
    const bool is_view = table.kind != "table" && table.kind != "partitioned table";
    return (pattern.takes_views || !is_view) && config::is_meant(pattern, table.table);
  }

  static std::string hint(const TablePattern& pattern,
                          const std::vector<database::TableLook>& all) {
    constexpr size_t kMostListed = 8;
    if (all.empty()) return "the database shows no table to this user";
    std::vector<std::string> names;
    for (const auto& table : all) names.push_back(table.table);
    if (names.size() > kMostListed) {
      names.resize(kMostListed);
      names.emplace_back("…");
    }
    const bool is_sql =
        std::ranges::any_of(pattern.like, [](const auto& glob) { return glob.contains('%'); });
    return fmt::format("{}there are: {}", is_sql ? "write * for any letters, not %; " : "",
                       fmt::join(names, ", "));
  }

  Result<const std::vector<database::TableLook>*> tables_of(const std::string& connection_id) {
    if (const auto known = asked_.find(connection_id); known != asked_.end()) return &known->second;
    auto resolved =
        config::resolve(configuration_, variables_, places_, {}, config::Scope::kConnections);
    if (!resolved) return std::unexpected(config::as_one(resolved.error()));
    WEIR_ASSIGN(const Json connection,
                inputs::connection_options(*resolved, session_.folder(), connection_id));
    auto tables = while_doing(tables_of_database(session_, connection),
                              fmt::format("opening connection '{}'", connection_id));
    if (!tables) return std::unexpected(std::move(tables).error());
    return &(asked_[connection_id] = *std::move(tables));
  }

  Session& session_;
  const model::Configuration& configuration_;
  const config::Variables& variables_;
  const config::Places& places_;
  std::map<std::string, std::vector<database::TableLook>> asked_;
};

/// Finds the files that patterns mean.
class FileLookup {
 public:
  FileLookup(Session& session, const model::Configuration& configuration,
             const config::Variables& variables, const RunToBe& run)
      : session_(session), configuration_(configuration), variables_(variables), run_(run) {}

  Result<std::vector<Json>> find(const model::Task& task, config::FilePattern pattern,
                                 std::vector<orchestrate::Pinned::Warning>& warnings) {
    const std::string doing = fmt::format("looking up the files of task '{}'", task.task_id);
    WEIR_ASSIGN(const auto files, while_doing(files_of(pattern), doing));
    std::vector<Json> found;
    for (const auto& file : files) {
      WEIR_ASSIGN(auto value, config::each_of_file(pattern, file));
      if (value)
        found.push_back(*std::move(value));
      else
        warnings.push_back({task.task_id, fmt::format("'{}' is left out: the key of for_each does "
                                                      "not fit its name",
                                                      printable(file))});
      if (std::ssize(found) > pattern.max_files) break;  // resolve says that it is too many
    }
    return found;
  }

 private:
  Result<std::vector<std::string>> files_of(config::FilePattern& pattern) {
    if (pattern.of_trigger) {
      const auto given = run_.params.find(pattern.of_trigger->name);
      if (given != run_.params.end()) return names_of(*given);
      if (pattern.pattern.empty())
        return fail_with_hint(
            ErrorCode::kInvalidConfig,
            fmt::format("'${{{}}}' has no value: no file started the run",
                        pattern.of_trigger->words),
            fmt::format("say what stands in: ${{{}:-landing/*.csv}}", pattern.of_trigger->name));
    }
    WEIR_ASSIGN(pattern.pattern, config::resolve_text(pattern.pattern, variables_));
    return listed(pattern.pattern);
  }

  static Result<std::vector<std::string>> names_of(const Json& given) {
    std::vector<std::string> names;
    for (const auto& item : given.is_array() ? given : Json::array({given})) {
      const std::string name = item.is_string() ? item.get<std::string>() : "";
      if (!model::split_glob(name))
        return fail_with_hint(ErrorCode::kInvalidData,
                              fmt::format("{} is no file of a layer", printable(dump_json(item))),
                              "write layer/name");
      names.push_back(name);
    }
    return names;
  }

  Result<std::vector<std::string>> listed(const std::string& pattern) {
    WEIR_ASSIGN(const auto parts, model::split_glob(pattern));
    const auto* layer = configuration_.find_layer(parts.first);
    if (layer == nullptr)
      return std::unexpected(
          inputs::layer_uri(configuration_, session_.folder(), parts.first).error());
    WEIR_ASSIGN(const std::string written, config::resolve_text(layer->uri, variables_));
    const std::string uri = inputs::absolute_uri(session_.folder(), written);
    WEIR_ASSIGN(const Glob glob, Glob::compile(parts.second));
    WEIR_ASSIGN(storage::Storage * store, session_.stores().open(uri));
    WEIR_ASSIGN(const auto entries, storage::list_all(*store, glob_prefix(parts.second)));
    std::vector<std::string> names;
    for (const auto& entry : entries) {
      if (entry.name.starts_with(storage::kOwnFolder)) continue;
      WEIR_ASSIGN(const bool fits, glob.matches(entry.name));
      if (fits) names.push_back(parts.first + "/" + entry.name);
    }
    return names;
  }

  Session& session_;
  const model::Configuration& configuration_;
  const config::Variables& variables_;
  const RunToBe& run_;
};

/// Tables that are not there any more; their datasets keep what they have.
void warn_of_gone(const std::string& task_id, const std::vector<Json>& before,
                  const std::vector<Json>& now,
                  std::vector<orchestrate::Pinned::Warning>& warnings) {
  std::set<std::string> there;
  for (const auto& table : now) there.insert(table.value("id", ""));
  for (const auto& table : before) {
    const std::string id = table.value("id", "");
    if (there.contains(id)) continue;
    warnings.push_back({config::each_task_id(task_id, id),
                        fmt::format("table {} of the run before is not found any more: it is not "
                                    "read, and what it brought stays",
                                    table.value("name", id))});
  }
}

}  // namespace

bool has_pattern(const model::Flow& flow) {
  return std::ranges::any_of(flow.tasks, [](const model::Task& task) { return has_pattern(task); });
}

Result<FoundValues> found_as_seen(Session& session, const model::Configuration& configuration,
                                  Unseen unseen) {
  FoundValues found;
  for (const auto& flow : configuration.flows) {
    if (!has_pattern(flow)) continue;
    FoundValues seen;
    // A project that was never applied has no catalog, and no run that saw anything.
    if (const auto catalog = session.catalog(false)) {
      WEIR_ASSIGN(seen, seen_by_newest_run(**catalog, flow.flow_id));
    }
    for (const auto& task : flow.tasks) {
      if (!has_pattern(task)) continue;
      const std::pair id(flow.flow_id, task.task_id);
      if (const auto known = seen.find(id); known != seen.end())
        found[id] = std::move(known->second);
      else if (unseen == Unseen::kNothing)
        found[id] = {};
    }
  }
  return found;
}

Result<LookedUp> look_up_patterns(Session& session, const model::Configuration& configuration,
                                  const config::Places& places, const RunToBe& run) {
  LookedUp looked;
  WEIR_ASSIGN(looked.found, found_as_seen(session, configuration));
  const model::Flow* flow = configuration.find_flow(run.flow_id);
  if (flow == nullptr || !has_pattern(*flow)) return looked;  // whoever runs it says what is wrong
  FoundValues earlier;
  if (!run.lists_of_hash.empty()) {
    WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
    WEIR_ASSIGN(earlier, seen_by(*catalog, run.flow_id, run.lists_of_hash));
  }
  WEIR_ASSIGN(const auto variables, variables_of(session));
  TableLookup tables(session, configuration, variables, places);
  FileLookup files(session, configuration, variables, run);
  for (const auto& task : flow->tasks) {
    auto& list = looked.found[{run.flow_id, task.task_id}];
    if (const auto known = earlier.find({run.flow_id, task.task_id}); known != earlier.end()) {
      list = std::move(known->second);
      continue;
    }
    WEIR_ASSIGN(const auto of_tables, config::table_pattern(task));
    WEIR_ASSIGN(const auto of_files, config::file_pattern(task));
    if (of_tables) {
      WEIR_ASSIGN(auto now, tables.find(task, *of_tables));
      warn_of_gone(task.task_id, list, now, looked.warnings);
      list = std::move(now);
    } else if (of_files) {
      WEIR_ASSIGN(list, files.find(task, *of_files, looked.warnings));
    } else {
      looked.found.erase({run.flow_id, task.task_id});
    }
  }
  return looked;
}

}  // namespace weir::cli
