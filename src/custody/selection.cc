// Which datasets and tables a chain is made of, and what is recorded of them.

#include <algorithm>
#include <set>

#include "base/nearest.h"
#include "custody/chain.h"
#include "inputs/locations.h"

namespace weir::custody {
namespace {

using model::Configuration;
using model::DatasetName;

struct Collected {
  std::set<DatasetName> datasets;
  std::set<std::pair<std::string, std::string>> tables;

  Selection selection() const {
    return {{datasets.begin(), datasets.end()}, {tables.begin(), tables.end()}};
  }
};

std::string text_param(const model::Task& task, const char* name) {
  if (!task.params.is_object()) return {};
  const auto found = task.params.find(name);
  return found != task.params.end() && found->is_string() ? found->get<std::string>() : "";
}

/// By the names of parameters that every template shares: `to`; `connection` and `table`, which a
/// task that writes a dataset reads.
void add_written(const Configuration& configuration, const model::Flow& flow, Collected& into) {
  for (const auto& task : flow.tasks) {
    const std::string to = text_param(task, "to");
    const auto name = model::parse_dataset_name(to);
    if (name && configuration.find_layer(name->layer) != nullptr) into.datasets.insert(*name);
    const std::string connection = text_param(task, "connection");
    const std::string table = text_param(task, "table");
    if (to.empty() && !table.empty() && configuration.find_connection(connection) != nullptr)
      into.tables.insert({connection, table});
  }
}

}  // namespace

Selection written_by(const Configuration& configuration, const model::Flow& flow) {
  Collected found;
  add_written(configuration, flow, found);
  return found.selection();
}

Selection everything(const Configuration& configuration) {
  Collected found;
  for (const auto& dataset : configuration.datasets) found.datasets.insert(dataset.name);
  for (const auto& flow : configuration.flows) add_written(configuration, flow, found);
  return found.selection();
}

Result<Selection> select(const Configuration& configuration,
                         const std::vector<std::string>& names) {
  const Selection all = everything(configuration);
  Collected found;
  for (const auto& name : names) {
    const auto dot = name.find('.');
    const std::string prefix = name.substr(0, dot);
    const auto dataset = model::parse_dataset_name(name);
    const bool is_dataset =
        dataset && std::ranges::find(all.datasets, *dataset) != all.datasets.end();
    const std::pair table(prefix, dot == std::string::npos ? "" : name.substr(dot + 1));
    if (is_dataset) {
      found.datasets.insert(*dataset);
    } else if (std::ranges::find(all.tables, table) != all.tables.end()) {
      found.tables.insert(table);
    } else {
      std::vector<std::string> known;
      for (const auto& each : all.datasets) known.push_back(each.text());
      for (const auto& [connection, each] : all.tables) known.push_back(connection + "." + each);
      const std::string guess = did_you_mean(name, known);
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("'{}' is no dataset and no table of the project", name),
          guess.empty() ? fmt::format("there are: {}", fmt::join(known, ", ")) : guess);
    }
  }
  return found.selection();
}

Status put_in_place(const Configuration& configuration, const std::string& base_folder,
                    Chain& chain) {
  for (auto& link : chain.datasets) {
    WEIR_ASSIGN(link.uri, inputs::dataset_uri(configuration, base_folder, link.dataset));
    WEIR_ASSIGN(link.rejected_uri,
                inputs::dataset_uri(configuration, base_folder, link.dataset.rejected()));
  }
  for (auto& table : chain.tables) {
    WEIR_ASSIGN(table.connection_options,
                inputs::connection_options(configuration, base_folder, table.connection_id));
  }
  return {};
}

Result<Chain> describe(const Configuration& configuration, const std::string& base_folder,
                       const Selection& selection, const Records& records) {
  Chain chain;
  for (const auto& name : selection.datasets) {
    Link link;
    link.dataset = name;
    WEIR_ASSIGN(link.recorded, records.publications(name));
    WEIR_ASSIGN(link.recorded_rejected, records.publications(name.rejected()));
    chain.datasets.push_back(std::move(link));
  }
  for (const auto& [connection, table] : selection.tables) {
    LoadedTable loaded;
    loaded.connection_id = connection;
    loaded.table = table;
    WEIR_ASSIGN(loaded.token, records.newest_load(connection, table));
    chain.tables.push_back(std::move(loaded));
  }
  WEIR_TRY(put_in_place(configuration, base_folder, chain));
  return chain;
}

namespace {

Json list_of(const std::vector<model::Publication>& publications) {
  Json list = Json::array();
  for (const auto& publication : publications) {
    Json json = model::to_json(publication);
    json.erase("schema");  // no hop is judged by it, and it is most of the text
    list.push_back(std::move(json));
  }
  return list;
}

Result<std::vector<model::Publication>> publications_from(const Json& json, const char* key) {
  std::vector<model::Publication> publications;
  WEIR_ASSIGN(const Json list, json_field_or<Json>(json, key, Json::array()));
  for (const auto& each : list) {
    WEIR_ASSIGN(publications.emplace_back(), model::publication_from_json(each));
  }
  return publications;
}

}  // namespace

Json to_json(const Chain& chain) {
  Json datasets = Json::array();
  for (const auto& link : chain.datasets)
    datasets.push_back({{"dataset", link.dataset.text()},
                        {"uri", link.uri},
                        {"rejected_uri", link.rejected_uri},
                        {"recorded", list_of(link.recorded)},
                        {"recorded_rejected", list_of(link.recorded_rejected)}});
  Json tables = Json::array();
  for (const auto& table : chain.tables)
    tables.push_back({{"connection_id", table.connection_id},
                      {"table", table.table},
                      {"connection_options", table.connection_options},
                      {"token", table.token}});
  return {{"datasets", std::move(datasets)}, {"tables", std::move(tables)}};
}

Result<Chain> chain_from_json(const Json& json) {
  Chain chain;
  WEIR_ASSIGN(const Json datasets, json_field_or<Json>(json, "datasets", Json::array()));
  for (const auto& item : datasets) {
    Link link;
    WEIR_ASSIGN(const std::string dataset, json_field<std::string>(item, "dataset"));
    WEIR_ASSIGN(link.dataset, model::parse_dataset_name(dataset));
    WEIR_ASSIGN(link.uri, json_field<std::string>(item, "uri"));
    WEIR_ASSIGN(link.rejected_uri, json_field<std::string>(item, "rejected_uri"));
    WEIR_ASSIGN(link.recorded, publications_from(item, "recorded"));
    WEIR_ASSIGN(link.recorded_rejected, publications_from(item, "recorded_rejected"));
    chain.datasets.push_back(std::move(link));
  }
  WEIR_ASSIGN(const Json tables, json_field_or<Json>(json, "tables", Json::array()));
  for (const auto& item : tables) {
    LoadedTable table;
    WEIR_ASSIGN(table.connection_id, json_field<std::string>(item, "connection_id"));
    WEIR_ASSIGN(table.table, json_field<std::string>(item, "table"));
    WEIR_ASSIGN(table.connection_options, json_field<Json>(item, "connection_options"));
    WEIR_ASSIGN(table.token, json_field_or<std::string>(item, "token", ""));
    chain.tables.push_back(std::move(table));
  }
  return chain;
}

}  // namespace weir::custody
