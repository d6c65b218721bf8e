#pragma once

/// The project that a command works on: YAML where there is a weir.yaml, the catalog's rows
/// otherwise; and the version that a run pins.

#include <vector>

#include "cli/found_values.h"
#include "cli/session.h"
#include "config/common_rows.h"
#include "config/places.h"
#include "config/plan.h"
#include "config/resolve.h"
#include "orchestrate/services.h"

namespace weir::cli {

struct OpenProject {
  model::Configuration configuration;  ///< As written: variables are not resolved.
  config::Places places;
  bool is_from_yaml = false;
};

/// All faults of the YAML as one error (the first, the others in its hint).
Result<OpenProject> open_configuration(Session& session);

/// The configuration of a project with its variables resolved, for commands that read the lake.
Result<model::Configuration> resolved_configuration(Session& session,
                                                    Unseen unseen = Unseen::kNothing);

/// The connections of a project with their variables resolved; all else as written.
Result<model::Configuration> resolved_connections(Session& session);

/// The catalog that weir.yaml names, its variables resolved; empty where it does not say.
Result<std::string> project_catalog(Session& session);

/// All faults of the project, with their places; empty where it is good.
Result<std::vector<Error>> check_project(Session& session);

/// What apply would change, for a project that has no faults; and making those changes.
Result<config::Plan> plan_project(Session& session, bool prune);
Status apply_plan(Session& session, const config::Plan& plan);

/// Values of `--var` over the environment.
Result<config::Variables> variables_of(Session& session);

/// What a new run of a flow pins, the flow and what it can see: the head of the catalog (for a YAML
/// project nothing must be unapplied: kInvalidConfig shows the plan), checked, recorded as a config
/// version, resolved and expanded; tables and files by pattern as they are now.
Result<orchestrate::Pinned> pin_head(Session& session, const RunToBe& run, bool applies_first);
/// The same of rows that were read already: what a server runs is what was applied.
Result<orchestrate::Pinned> pin_flow(Session& session, const config::CommonRows& common,
                                     const model::Flow& flow, const RunToBe& run);
/// What it says where a flow is asked for that is not there.
Error no_such_flow(const model::Configuration& configuration, const std::string& flow_id);
/// The same of a version that an earlier run pinned.
Result<orchestrate::Pinned> pin_version(Session& session, const std::string& hash);

}  // namespace weir::cli
