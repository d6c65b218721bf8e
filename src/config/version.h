#pragma once

/// Configuration versions: what a run sees, for ever. A flow and all that it can see of the head of
/// the tables is resolved, expanded and taken together with the content of every file that it
/// names; its hash is its name. A file that is edited in the middle of a run has no effect on it,
/// and a change of another flow leaves its version as it is.

#include <map>
#include <span>
#include <string>

#include "catalog/catalog.h"
#include "config/common_rows.h"
#include "config/resolve.h"
#include "storage/storage.h"

namespace weir::config {

struct Version {
  std::string hash;
  std::string flow_id;                       ///< Empty: of a whole project, as once was.
  model::Configuration configuration;        ///< Resolved and expanded.
  std::map<std::string, std::string> files;  ///< path → content
  Json content;                              ///< As stored: connections with their `${}`.
};

struct VersionInputs {
  storage::Storage* folder = nullptr;  ///< Of the project.
  Variables variables;
  std::span<const task::Template> builtin;
  const Places* places = nullptr;  ///< Of the YAML, where there is one.
};

/// What a run of the flow pins. Pure but for reading the files. All faults: variables that are not
/// set, what lint refuses, files that are not there, are no UTF-8 or larger than 4 MiB.
Checked<Version> make_version(const CommonRows& common, model::Flow flow,
                              const VersionInputs& inputs);

/// Whether a task of the flow asks about all flows, as proofs of custody do: then a run of it sees
/// the project.
Checked<bool> sees_project(const CommonRows& common, const model::Flow& flow,
                           const VersionInputs& inputs);

/// What a run of such a flow pins: all flows, datasets and files, none of which may have a fault.
Checked<Version> make_project_version(const model::Configuration& head, const std::string& flow_id,
                                      const VersionInputs& inputs);

/// A whole configuration, each of whose flows can have a version: resolved and expanded. All
/// faults, as above.
Checked<model::Configuration> check_configuration(const model::Configuration& head,
                                                  const VersionInputs& inputs);

/// What the patterns of a version meant.
FoundValues found_in(const Json& content);

/// Keeps the version in the catalog unless it is there. `reason`: `apply` or `sql`.
Status pin(catalog::Catalog& catalog, const Version& version, const std::string& author,
           const std::string& reason);

/// A version that was pinned. kNotFound; kCorrupt where its content is not what its hash says.
/// Connections are resolved now: their secrets are not part of a version.
Result<Version> read_version(catalog::Catalog& catalog, const std::string& hash,
                             const Variables& variables);

}  // namespace weir::config
