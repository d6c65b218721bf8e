#include "config/project.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "config/declarations.h"
#include "config/environment_overrides.h"
#include "config/template_files.h"

namespace weir::config {
namespace {

constexpr std::string_view kProjectFile = "weir.yaml";
constexpr std::string_view kFlowsFolder = "flows/";
constexpr size_t kMostFiles = 10'000;

Error missing_project(const std::string& folder) {
  return Error{ErrorCode::kNotFound,
               fmt::format("no weir.yaml in '{}'", folder),
               {},
               "`weir init` writes one; --project names another folder",
               std::nullopt};
}

bool is_yaml_file(std::string_view name) {
  return name.ends_with(".yaml") || name.ends_with(".yml");
}

/// Everything that is read of a project, before it is sorted.
class Loader {
 public:
  Faults faults;
  Project project;

  void take_files(const std::map<std::string, std::string>& files) {
    // weir.yaml first: it names the project, whatever the other files are called.
    if (const auto main = files.find(std::string(kProjectFile)); main != files.end())
      take_file(main->first, main->second);
    for (const auto& [file, text] : files)
      if (file != kProjectFile && is_yaml_file(file)) take_file(file, text);
  }

  /// Flows are not asked for.
  void drop_flows() {
    flow_nodes_.clear();
    has_flows_ = false;
  }

  void override_by(const std::string& environment) {
    if (!project_node_) return;
    const Node* all = project_node_->find("environments");
    if (all != nullptr)
      for (const auto& entry : all->entries) project.environments.push_back(entry.key.text);
    if (environment.empty()) return;
    const Node* chosen = all == nullptr ? nullptr : all->find(environment);
    if (chosen == nullptr) {
      const std::string guess = did_you_mean(environment, project.environments);
      faults.push_back(Error{ErrorCode::kInvalidConfig,
                             fmt::format("no environment '{}' in weir.yaml", environment),
                             {},
                             guess.empty() ? "name it under environments:" : guess,
                             place_of(all == nullptr ? *project_node_ : *all)});
      return;
    }
    Node overrides = *chosen;
    if (!has_flows_)
      std::erase_if(overrides.entries, [](const auto& entry) { return entry.key.text == "flows"; });
    apply_environment(overrides, *project_node_, flow_nodes_, faults);
  }

  void read_documents() {
    if (project_node_) read_rows(*project_node_, project_keys());
    for (const auto& node : more_nodes_) read_rows(node, rows_keys());
    for (const auto& node : flow_nodes_) read_flow(node);
    sort();
  }

 private:
  void take_file(const std::string& file, const std::string& text) {
    auto documents = parse_yaml(text, file);
    if (!documents) {
      faults.insert(faults.end(), documents.error().begin(), documents.error().end());
      return;
    }
    for (auto& document : *documents) take_document(std::move(document), file == kProjectFile);
    if (file == kProjectFile && !project_node_ && documents->empty())
      faults.push_back(Error{ErrorCode::kInvalidConfig,
                             "weir.yaml is empty",
                             {},
                             "start with `project: <name>`",
                             Place{file, 1, 1, {}, 1}});
  }

  void take_document(Node document, bool is_main) {
    if (document.find("flow") != nullptr) {
      flow_nodes_.push_back(std::move(document));
    } else if (document.find("project") != nullptr || (is_main && !project_node_)) {
      if (project_node_) {
        const Place first = place_of(*project_node_);
        faults.push_back(Error{ErrorCode::kInvalidConfig,
                               "two documents say 'project'",
                               {},
                               fmt::format("the first stands in {}:{}", first.file, first.line),
                               place_of(document)});
        return;
      }
      project_node_ = std::move(document);
    } else {
      more_nodes_.push_back(std::move(document));
    }
  }

  void read_rows(const Node& node, const Keys<ProjectDocument>& keys) {
    Reader reader;
    ProjectDocument document;
    keys.read(reader, node, document);
    faults.insert(faults.end(), reader.faults.begin(), reader.faults.end());
    auto& into = project.configuration;
    if (!document.project.empty()) into.project = document.project;
    if (!document.catalog.empty()) project.catalog = document.catalog;
    if (!document.defaults.empty()) into.defaults = document.defaults;
    if (document.lineage != model::Lineage()) into.lineage = document.lineage;
    if (const Node* defaults = node.find("defaults"))
      project.places.add({"project", {into.project}, {"defaults"}}, *defaults);
    if (const Node* lineage = node.find("lineage"))
      project.places.add({"project", {into.project}, {"lineage"}}, *lineage);
    if (const Node* catalog = node.find("catalog"))
      project.places.add({"project", {into.project}, {"catalog"}}, *catalog);
    for (const auto& list : named_lists()) note_rows(node, list, {});
    take_layers(document.layers);
    take_datasets(document.datasets, node);
    for (auto& connection : document.connections) {
      unwrap_options(connection);
      into.connections.push_back(std::move(connection));
    }
    std::ranges::move(document.templates, std::back_inserter(into.templates));
    std::ranges::move(document.pools, std::back_inserter(into.pools));
    std::ranges::move(document.calendars, std::back_inserter(into.calendars));
    for (auto& rule : document.notifications) {
      // What a rule tells of where it says nothing.
      if (rule.events == std::vector<std::string>{"failed"} && rule.severities.empty())
        rule.events.clear();
      into.notifications.push_back(std::move(rule));
    }
  }

  void take_layers(std::vector<LayerEntry>& layers) {
    for (auto& layer : layers) {
      const auto next = static_cast<int64_t>(project.configuration.layers.size());
      layer.position = layer.said_position.value_or(next);
      project.configuration.layers.push_back(layer);
    }
  }

  void take_datasets(std::vector<DatasetEntry>& datasets, const Node& document) {
    for (size_t i = 0; i < datasets.size(); ++i) {
      DatasetEntry& dataset = datasets[i];
      const auto name = model::parse_dataset_name(dataset.full_name);
      const Node* node = document.find("datasets");
      const Node* at = node == nullptr ? nullptr : node->items[i].find("name");
      if (name) {
        dataset.name = *name;
      } else if (at != nullptr) {
        faults.push_back(Error{
            ErrorCode::kInvalidConfig, name.error().message, {}, name.error().hint, place_of(*at)});
      }
      project.configuration.datasets.push_back(dataset);
    }
  }

  /// Options that would be read as other keys stand under `options:`.
  static void unwrap_options(model::Connection& connection) {
    const auto found = connection.options.find("options");
    if (found == connection.options.end() || !found->is_object() || connection.options.size() != 1)
      return;
    connection.options = Json(*found);
  }

  void read_flow(const Node& node) {
    Reader reader;
    model::Flow flow;
    flow_keys().read(reader, node, flow);
    faults.insert(faults.end(), reader.faults.begin(), reader.faults.end());
    if (flow.flow_id.empty()) return;
    if (!note({"flow", {flow.flow_id}, {}}, node, "flow")) return;
    for (const auto& list : named_lists())
      if (list.key == "tasks") note_rows(node, list, {flow.flow_id});
    for (auto& task : flow.tasks) {
      task.flow_id = flow.flow_id;
      std::ranges::sort(task.needs);
      const auto same = std::ranges::unique(task.needs);
      task.needs.erase(same.begin(), same.end());
    }
    project.configuration.flows.push_back(std::move(flow));
  }

  /// Remembers where the rows of one list stand, and refuses a name that is given twice.
  void note_rows(const Node& document, const NamedList& list, const std::vector<std::string>& of) {
    const Node* items = document.find(list.key);
    if (items == nullptr) return;
    for (const auto& item : items->items) {
      const Node* name = item.find(list.identity);
      if (name == nullptr || !name->is_scalar()) continue;
      std::vector<std::string> key = of;
      key.push_back(name->text);
      note({list.table, key, {}}, item, list.identity);
    }
  }

  bool note(const Subject& subject, const Node& node, const std::string& identity) {
    if (const auto first = project.places.in_file(subject.in(identity))) {
      faults.push_back(Error{ErrorCode::kInvalidConfig,
                             fmt::format("{} stands twice", label_of(subject)),
                             {},
                             fmt::format("the first stands in {}:{}", first->file, first->line),
                             place_of(*node.find(identity))});
      return false;
    }
    project.places.add(subject, node);
    return true;
  }

  void sort() {
    auto& c = project.configuration;
    std::ranges::stable_sort(c.layers, [](const model::Layer& a, const model::Layer& b) {
      return std::tie(a.position, a.name) < std::tie(b.position, b.name);
    });
    std::ranges::stable_sort(c.datasets, {}, &model::Dataset::name);
    std::ranges::stable_sort(c.connections, {}, &model::Connection::connection_id);
    std::ranges::stable_sort(c.templates, {}, &model::TemplateRow::template_id);
    std::ranges::stable_sort(c.flows, {}, &model::Flow::flow_id);
    std::ranges::stable_sort(c.pools, {}, &model::Pool::name);
    std::ranges::stable_sort(c.calendars, {}, &model::Calendar::calendar_id);
    std::ranges::stable_sort(c.notifications, {}, &model::NotificationRule::rule_id);
    for (auto& flow : c.flows) std::ranges::stable_sort(flow.tasks, {}, &model::Task::task_id);
  }

  std::optional<Node> project_node_;
  std::vector<Node> more_nodes_;
  std::vector<Node> flow_nodes_;
  bool has_flows_ = true;
};

}  // namespace

Checked<Project> read_project(const std::map<std::string, std::string>& files,
                              const LoadOptions& options) {
  if (!files.contains(std::string(kProjectFile)))
    return std::unexpected(Faults{missing_project(".")});
  Loader loader;
  loader.take_files(files);
  if (!options.reads_flows) loader.drop_flows();
  loader.override_by(options.environment);
  loader.read_documents();
  if (!loader.faults.empty()) return std::unexpected(std::move(loader.faults));
  return std::move(loader.project);
}

Checked<Project> load_project(storage::Storage& folder, const LoadOptions& options) {
  const auto one = [](Error error) { return std::unexpected(Faults{std::move(error)}); };
  std::map<std::string, std::string> files;
  auto main = folder.read(kProjectFile, storage::Range::all());
  if (!main && main.error().code == ErrorCode::kNotFound) return one(missing_project(folder.uri()));
  if (!main) return one(std::move(main).error());
  files.emplace(kProjectFile, *std::move(main));
  if (!options.reads_flows) return read_project(files, options);
  const auto entries = storage::list_all(folder, kFlowsFolder);
  if (!entries) return one(entries.error());
  for (const auto& entry : *entries) {
    if (!is_yaml_file(entry.name)) continue;
    if (files.size() > kMostFiles)
      return one(Error{ErrorCode::kInvalidConfig,
                       fmt::format("more than {} files under flows/", kMostFiles),
                       {},
                       {},
                       std::nullopt});
    auto text = folder.read(entry.name, storage::Range::all());
    if (!text) return one(std::move(text).error().while_doing("reading the project's files"));
    files.emplace(entry.name, *std::move(text));
  }
  auto project = read_project(files, options);
  if (!project || !options.reads_templates) return project;
  auto with_bodies = read_templates(project->configuration, folder, project->places);
  if (!with_bodies) return std::unexpected(std::move(with_bodies).error());
  for (auto& row : project->configuration.templates)
    row.sha256 = with_bodies->find_template(row.template_id)->sha256;
  return project;
}

}  // namespace weir::config
