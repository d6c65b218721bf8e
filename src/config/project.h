#pragma once

/// A project folder: weir.yaml and the files of flows/, read into a configuration with the place of
/// every word. It checks what a file says by itself and that no name is given twice; whether names
/// that refer to others make sense is lint.h's. `${VAR}` is left as it stands (resolve.h).

#include <map>
#include <string>
#include <vector>

#include "config/places.h"
#include "config/yaml.h"
#include "model/configuration.h"
#include "storage/storage.h"

namespace weir::config {

struct Project {
  model::Configuration configuration;
  std::string catalog;                    ///< As written; empty where weir.yaml does not say.
  std::vector<std::string> environments;  ///< Names that --env takes.
  Places places;
};

struct LoadOptions {
  std::string environment;  ///< Name under `environments:`; empty: none.
  /// False: template files are not read, and what rows say of their digests stands.
  bool reads_templates = true;
  /// False: weir.yaml alone, and no flow. Who asks for the catalog asks often, of large projects
  /// too, and a fault in some flow's file is not his.
  bool reads_flows = true;
};

/// Reads `weir.yaml` and every `flows/**/*.yaml` and `.yml`, in order of their names. A document
/// with `flow:` is a flow, that with `project:` the project; any other holds more layers, datasets,
/// connections, templates, pools, calendars or notifications. The configuration is sorted as
/// model::Configuration says. kNotFound where there is no weir.yaml; else all faults
/// (kInvalidConfig), and what the folder's store says.
Checked<Project> load_project(storage::Storage& folder, const LoadOptions& options = {});

/// The same from texts by file name; names that do not end in .yaml or .yml are left out.
Checked<Project> read_project(const std::map<std::string, std::string>& files,
                              const LoadOptions& options = {});

/// YAML that reads back to an equal configuration: `weir.yaml` and one file a flow, commented, by
/// file name. `catalog` as it is to stand in weir.yaml.
std::map<std::string, std::string> export_project(const model::Configuration& configuration,
                                                  const std::string& catalog);

}  // namespace weir::config
