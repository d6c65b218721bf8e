#pragma once

/// The lake of a project, with its configuration kept alive.

#include <memory>

#include "cli/session.h"
#include "lake/tables.h"

namespace weir::cli {

struct OpenLake {
  model::Configuration configuration;
  lake::Lake lake;
};

Result<std::unique_ptr<OpenLake>> open_lake(Session& session);

/// A lake without a project: tables by their roots alone.
std::unique_ptr<OpenLake> lake_without_project(Session& session);

}  // namespace weir::cli
