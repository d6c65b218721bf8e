#pragma once

/// The maps of a project's YAML files: every key a user may write, its type and its meaning, said
/// once. Reader, writer and JSON Schema come from these (keys.h); nothing is read or checked here.

#include <optional>
#include <string>
#include <vector>

#include "config/keys.h"
#include "model/configuration.h"

namespace weir::config {

/// A layer whose place in the list is its position unless it says another.
struct LayerEntry : model::Layer {
  std::optional<int64_t> said_position;
};

struct DatasetEntry : model::Dataset {
  std::string full_name;
};

/// A document of weir.yaml, or of any file with more rows (then without project and catalog).
struct ProjectDocument {
  std::string project;
  std::string catalog;
  std::vector<LayerEntry> layers;
  std::vector<model::Connection> connections;
  std::vector<DatasetEntry> datasets;
  std::vector<model::TemplateRow> templates;
  std::vector<model::Pool> pools;
  std::vector<model::Calendar> calendars;
  std::vector<model::NotificationRule> notifications;
  Json defaults = Json::object();
  model::Lineage lineage;
  Json environments = Json::object();  ///< Checked only; applied to nodes before they are read.
};

const Keys<ProjectDocument>& project_keys();
/// What stands in other documents than that of the project.
const Keys<ProjectDocument>& rows_keys();
const Keys<model::Flow>& flow_keys();
/// A task inside a composite template.
const Keys<model::Task>& task_keys();
/// The file of a composite template: `tasks:`.
struct CompositeBody {
  Json tasks = Json::array();
};
const Keys<CompositeBody>& composite_keys();

/// Lists of a project whose items an environment overrides by name, and the key that is the name.
struct NamedList {
  std::string key;       ///< `layers`
  std::string table;     ///< `layer`
  std::string identity;  ///< `name`
};
const std::vector<NamedList>& named_lists();

}  // namespace weir::config
