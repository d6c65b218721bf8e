#include <algorithm>
#include <set>

#include "config/declarations.h"
#include "config/flow_writer.h"
#include "config/project.h"
#include "config/template_files.h"

namespace weir::config {
namespace {

constexpr size_t kLongestStem = 80;

/// Letters, digits, '-' and '_' stay; a name that another flow's file has gets a number.
std::string file_name(const std::string& flow_id, std::set<std::string>& taken) {
  std::string stem;
  for (const char c : flow_id.substr(0, kLongestStem)) {
    const bool is_kept = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
    stem += is_kept ? c : '_';
  }
  std::string name = stem;
  // Folders of some systems fold case.
  const auto folded = [](std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
  };
  for (int i = 2; !taken.insert(folded(name)).second; ++i) name = fmt::format("{}_{}", stem, i);
  return "flows/" + name + ".yaml";
}

LayerEntry entry_of(const model::Layer& layer, bool says_position) {
  LayerEntry entry{layer, std::nullopt};
  if (says_position) entry.said_position = layer.position;
  return entry;
}

ProjectDocument document_of(const model::Configuration& configuration, const std::string& catalog) {
  ProjectDocument document;
  document.project = configuration.project;
  document.catalog = catalog;
  document.connections = configuration.connections;
  document.templates = without_file_bodies(configuration).templates;
  document.pools = configuration.pools;
  document.calendars = configuration.calendars;
  document.notifications = configuration.notifications;
  document.defaults = configuration.defaults;
  document.lineage = configuration.lineage;
  bool says_positions = false;
  for (size_t i = 0; i < configuration.layers.size(); ++i)
    says_positions |= configuration.layers[i].position != static_cast<int64_t>(i);
  for (const auto& layer : configuration.layers)
    document.layers.push_back(entry_of(layer, says_positions));
  for (const auto& dataset : configuration.datasets)
    document.datasets.push_back({dataset, dataset.name.text()});
  for (auto& connection : document.connections) {
    const bool clashes = std::ranges::any_of(
        std::initializer_list<const char*>{"connection_id", "kind", "secret_id", "options"},
        [&](const char* key) { return connection.options.contains(key); });
    if (clashes) connection.options = Json{{"options", connection.options}};
  }
  return document;
}

void comment(Node& document, const std::string& key, const std::string& words) {
  if (Node* node = document.find(key)) node->comment = words;
}

std::string project_text(const model::Configuration& configuration, const std::string& catalog) {
  Node document = project_keys().write(document_of(configuration, catalog));
  document.comment =
      "The project: where data lives, and what is known of it.\n"
      "`weir validate` checks it, `weir plan` shows what `weir apply` would change.";
  comment(document, "catalog", "Configuration and runs.");
  comment(document, "layers", "From source files to what analysts see.");
  comment(document, "connections",
          "Warehouses and other systems. Secrets stay outside: secret_id.");
  comment(document, "datasets", "Keys, types and contracts. What is not said is inferred once.");
  comment(document, "templates", "Templates of this project, beside the builtin ones.");
  comment(document, "pools", "How many tasks may share something.");
  comment(document, "calendars", "Days on which business is done.");
  comment(document, "notifications", "Who is told of what.");
  comment(document, "defaults", "For every task that says nothing else.");
  comment(document, "lineage", "Where events of OpenLineage go.");
  return write_yaml(document);
}

}  // namespace

std::map<std::string, std::string> export_project(const model::Configuration& configuration,
                                                  const std::string& catalog) {
  std::map<std::string, std::string> files;
  files["weir.yaml"] = project_text(configuration, catalog);
  std::set<std::string> taken;
  for (const auto& flow : configuration.flows)
    files[file_name(flow.flow_id, taken)] = write_yaml(flow_node(flow));
  return files;
}

}  // namespace weir::config
