#include "cli/found_tables.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/ranges.h>

#include "base/nearest.h"
#include "cli/database_tables.h"
#include "cli/project.h"
#include "config/resolve.h"
#include "config/version.h"
#include "inputs/locations.h"

namespace weir::cli {
namespace {

using config::FoundTables;
using config::TablePattern;

bool has_pattern(const model::Flow& flow) {
  return std::ranges::any_of(flow.tasks, [](const model::Task& task) {
    const auto pattern = config::table_pattern(task);
    return !pattern || *pattern;
  });
}

/// What the newest run of the flow that got as far as a configuration saw.
Result<FoundTables> seen_by_newest_run(catalog::Catalog& catalog, const std::string& flow_id) {
  WEIR_ASSIGN(const auto runs, catalog.flow_runs(flow_id, 1));
  if (runs.empty()) return FoundTables{};
  WEIR_ASSIGN(const auto version, catalog.config_version(runs.front().config_hash));
  FoundTables tables = config::tables_of(version.content);
  std::erase_if(tables, [&](const auto& each) { return each.first.first != flow_id; });
  return tables;
}

/// Looks up the patterns of one flow; each database is asked once.
class Lookup {
 public:
  Lookup(Session& session, const model::Configuration& configuration,
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

Result<FoundTables> tables_as_seen(Session& session, const model::Configuration& configuration) {
  FoundTables tables;
  for (const auto& flow : configuration.flows) {
    if (!has_pattern(flow)) continue;
    FoundTables seen;
    // A project that was never applied has no catalog, and no run that saw anything.
    if (const auto catalog = session.catalog(false)) {
      WEIR_ASSIGN(seen, seen_by_newest_run(**catalog, flow.flow_id));
    }
    for (const auto& task : flow.tasks) {
      const auto pattern = config::table_pattern(task);
      if (pattern && *pattern) tables[{flow.flow_id, task.task_id}] = {};
    }
    for (auto& [task, values] : seen)
      if (tables.contains(task)) tables[task] = std::move(values);
  }
  return tables;
}

std::set<std::string> flows_with_patterns(const model::Configuration& configuration) {
  std::set<std::string> flows;
  for (const auto& flow : configuration.flows)
    if (has_pattern(flow)) flows.insert(flow.flow_id);
  return flows;
}

Result<LookedUp> look_up_tables(Session& session, const model::Configuration& configuration,
                                const config::Places& places, const std::string& flow_id) {
  LookedUp found;
  WEIR_ASSIGN(found.tables, tables_as_seen(session, configuration));
  const model::Flow* flow = configuration.find_flow(flow_id);
  if (flow == nullptr) return found;  // whoever runs it says so
  WEIR_ASSIGN(const auto variables, variables_of(session));
  Lookup lookup(session, configuration, variables, places);
  for (const auto& task : flow->tasks) {
    WEIR_ASSIGN(const auto pattern, config::table_pattern(task));
    if (!pattern) continue;
    auto& tables = found.tables[{flow_id, task.task_id}];
    WEIR_ASSIGN(auto now, lookup.find(task, *pattern));
    warn_of_gone(task.task_id, tables, now, found.warnings);
    tables = std::move(now);
  }
  return found;
}

}  // namespace weir::cli
