#include "config/first_project.h"

#include "config/declarations.h"
#include "config/flow_writer.h"
#include "model/configuration.h"

namespace weir::config {
namespace {

bool keeps_history(const FoundSource& source) {
  return !source.as_of.empty() && !source.key.empty();
}

DatasetEntry dataset(std::string layer, const FoundSource& source) {
  DatasetEntry entry;
  entry.name = {std::move(layer), source.name};
  entry.full_name = entry.name.text();
  return entry;
}

ProjectDocument document_of(const FirstProject& first) {
  ProjectDocument document;
  document.project = first.name;
  document.catalog = "${WEIR_CATALOG:-sqlite:weir.db}";
  const auto layer = [&](std::string name, std::string uri) {
    document.layers.push_back({model::Layer{std::move(name), std::move(uri), 0}, std::nullopt});
  };
  layer("landing", first.landing);
  layer("raw", "data/raw");
  layer("stage", "data/stage");
  layer("presentation", "data/presentation");
  document.connections.push_back(
      {"warehouse", "duckdb", Json{{"path", "data/warehouse.duckdb"}}, ""});
  for (const auto& source : first.sources) {
    DatasetEntry raw = dataset("raw", source);
    raw.columns = source.columns;
    if (!source.as_of.empty()) raw.identity = model::Identity::kAsOfAndContent;
    document.datasets.push_back(std::move(raw));
    if (!keeps_history(source)) continue;
    DatasetEntry stage = dataset("stage", source);
    stage.key = source.key;
    document.datasets.push_back(std::move(stage));
  }
  document.defaults = Json{{"retries", 2}, {"retry_delay", "10s"}, {"timeout", "1h"}};
  return document;
}

std::string project_text(const FirstProject& first) {
  Node node = project_keys().write(document_of(first));
  node.comment =
      "The project: where data lives, and what is known of it.\n"
      "`weir validate` checks it, `weir plan` shows what `weir apply` would change,\n"
      "`weir schema` prints a JSON Schema for your editor.";
  const auto comment = [&](const char* key, const char* words) {
    if (Node* found = node.find(key)) found->comment = words;
  };
  comment("catalog", "Configuration and runs; postgresql://… for more than one machine.");
  comment("layers", "Any number, any names. A uri is a folder, from the project's.");
  comment("datasets",
          "Types were inferred from the files: look through them before the first load.\n"
          "`key` names the columns that tell one row from another.");
  comment("defaults", "For every task that says nothing else.");
  return write_yaml(node);
}

model::Task ingest_task(const FoundSource& source) {
  model::Task task;
  task.task_id = "ingest";
  task.template_id = "ingest_files";
  task.params = Json{{"from", "landing/" + source.pattern}, {"to", "raw." + source.name}};
  if (!source.as_of.empty()) task.params["as_of"] = source.as_of;
  if (!source.format.empty()) task.params["format"] = source.format;
  return task;
}

model::Task history_task(const FoundSource& source) {
  model::Task task;
  task.task_id = "history";
  task.template_id = "merge_history";
  task.needs = {"ingest"};
  task.params = Json{{"from", "raw." + source.name},
                     {"to", "stage." + source.name},
                     {"mode", "snapshot"},
                     {"deletes", "by_absence"}};
  return task;
}

std::string flow_text(const FoundSource& source) {
  model::Flow flow;
  flow.flow_id = source.name;
  flow.tasks.push_back(ingest_task(source));
  if (keeps_history(source)) flow.tasks.push_back(history_task(source));
  Node node = flow_node(flow);
  node.comment = fmt::format(
      "`weir run {}` brings new files in; a run without new files does nothing.", source.name);
  Node* tasks = node.find("tasks");
  tasks->items[0].comment =
      "Every file once: what cannot be read goes to the dataset's __rejected.";
  if (keeps_history(source))
    tasks->items[1].comment = "Each snapshot by its date; a key that is gone from one is closed.";
  else if (!source.as_of.empty())
    node.comment += "\nTo keep history: name the key of stage." + source.name +
                    " in weir.yaml and add a merge_history task.";
  return write_yaml(node);
}

}  // namespace

std::map<std::string, std::string> write_first_project(const FirstProject& first) {
  FirstProject project = first;
  if (project.sources.empty()) {
    FoundSource example;
    example.name = "example";
    example.pattern = "example-*.csv";
    example.as_of = R"(example-(?<as_of>\d{8}))";
    example.format = Json{{"csv", {{"header", true}}}};
    project.sources.push_back(std::move(example));
  }
  std::map<std::string, std::string> files;
  files["weir.yaml"] = project_text(project);
  for (const auto& source : project.sources)
    files["flows/" + source.name + ".yaml"] = flow_text(source);
  files[".gitignore"] = "# What weir makes.\ndata/\nweir.db*\n";
  return files;
}

}  // namespace weir::config
