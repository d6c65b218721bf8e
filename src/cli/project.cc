#include "cli/project.h"

#include <algorithm>
#include <set>

#include <fmt/ranges.h>

#include "base/nearest.h"
#include "cli/found_values.h"
#include "config/lint.h"
#include "config/plan.h"
#include "config/project.h"
#include "config/resolve.h"
#include "config/template_files.h"
#include "config/user_templates.h"
#include "config/version.h"
#include "orchestrate/settings.h"

namespace weir::cli {
namespace {

/// A good value, or all its faults as one error.
template <typename T>
Result<T> one(config::Checked<T> checked) {
  if (!checked) return std::unexpected(config::as_one(checked.error()));
  return *std::move(checked);
}

enum class Files { kAll, kYamlAlone, kProjectAlone };

Result<config::Project> load_yaml(Session& session, Files files = Files::kAll) {
  WEIR_ASSIGN(storage::Storage * folder, session.files());
  config::LoadOptions options;
  options.reads_templates = files == Files::kAll;
  options.reads_flows = files != Files::kProjectAlone;
  options.environment = session.flags().environment;
  return one(config::load_project(*folder, options));
}

/// The URL of the catalog as weir.yaml says it.
Result<std::string> catalog_of(Session& session, const config::Project& project) {
  WEIR_ASSIGN(const auto variables, variables_of(session));
  auto url = config::resolve_text(project.catalog, variables);
  if (url) return url;
  Error fault =
      config::fault_of(project.places, {"project", {project.configuration.project}, {"catalog"}},
                       url.error().message, url.error().hint);
  return std::unexpected(std::move(fault));
}

/// What a run asks of a task's settings: that they read, and that there is such an engine and it
/// serves the task. A fault of defaults is told for the first task that has it.
config::Faults check_settings(Session& session, const model::Configuration& configuration,
                              const config::Places& places) {
  config::Faults faults;
  std::set<std::string> told;
  const auto check = [&](const model::Flow& flow, const model::Task& task) -> Status {
    WEIR_ASSIGN(const auto settings, orchestrate::task_settings(configuration, flow, task));
    WEIR_ASSIGN(const engine::Engine* const engine, session.wiring().engine(settings.engine));
    const auto& templates = session.wiring().templates;
    const auto made = std::ranges::find(templates, task.template_id, &task::Template::name);
    if (made == templates.end() || !made->operation) return {};
    return engine::check_served(*engine, *made->operation, task.params);
  };
  for (const auto& flow : configuration.flows)
    for (const auto& task : flow.tasks) {
      const Status status = check(flow, task);
      if (status || !told.insert(status.error().message).second) continue;
      Error fault = config::fault_of(places, {"task", {flow.flow_id, task.task_id}, {"engine"}},
                                     status.error().message, status.error().hint);
      fault.trail = status.error().trail;
      faults.push_back(std::move(fault));
    }
  return faults;
}

orchestrate::Pinned pinned_of(config::Version version) {
  return {std::move(version.hash), std::move(version.configuration), std::move(version.files), {}};
}

/// What a run of the flow pins, as a version that is kept.
Result<orchestrate::Pinned> pin(Session& session, const config::CommonRows& common,
                                const model::Flow& flow, const config::Places& places,
                                const RunToBe& run, const std::string& reason);

}  // namespace

Result<config::Variables> variables_of(Session& session) {
  config::Variables variables;
  variables.environment = session.wiring().environment;
  WEIR_ASSIGN(variables.given, session.variables());
  return variables;
}

// It reads no file that the configuration names: to open those it may be what is asked for.
Result<model::Configuration> resolved_connections(Session& session) {
  model::Configuration configuration;
  config::Places places;
  if (session.has_yaml()) {
    WEIR_ASSIGN(auto project, load_yaml(session, Files::kYamlAlone));
    configuration = std::move(project.configuration);
    places = std::move(project.places);
  } else {
    WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
    WEIR_ASSIGN(configuration, catalog->load_configuration());
  }
  WEIR_ASSIGN(const auto variables, variables_of(session));
  return one(config::resolve(std::move(configuration), variables, places,
                             session.wiring().templates, config::Scope::kConnections));
}

Result<std::string> project_catalog(Session& session) {
  WEIR_ASSIGN(const auto project, load_yaml(session, Files::kProjectAlone));
  return catalog_of(session, project);
}

Result<OpenProject> open_configuration(Session& session) {
  OpenProject open;
  if (session.has_yaml()) {
    WEIR_ASSIGN(auto project, load_yaml(session));
    WEIR_ASSIGN(storage::Storage * folder, session.files());
    open.is_from_yaml = true;
    open.places = std::move(project.places);
    WEIR_ASSIGN(open.configuration, one(config::read_templates(std::move(project.configuration),
                                                               *folder, open.places)));
    return open;
  }
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(open.configuration, catalog->load_configuration());
  return open;
}

Result<model::Configuration> resolved_configuration(Session& session, Unseen unseen) {
  WEIR_ASSIGN(auto open, open_configuration(session));
  WEIR_ASSIGN(auto variables, variables_of(session));
  WEIR_ASSIGN(variables.found, found_as_seen(session, open.configuration, unseen));
  WEIR_ASSIGN(auto resolved, one(config::resolve(std::move(open.configuration), variables,
                                                 open.places, session.wiring().templates)));
  // What composites write belongs to the lake too; a template at fault is told by who runs it.
  WEIR_ASSIGN(storage::Storage * folder, session.files());
  auto with_bodies = config::read_templates(resolved, *folder, open.places);
  if (!with_bodies) return resolved;
  auto expanded = config::expand(*with_bodies, open.places);
  return expanded ? std::move(expanded->configuration) : std::move(resolved);
}

Result<std::vector<Error>> check_project(Session& session) {
  WEIR_ASSIGN(storage::Storage * folder, session.files());
  config::LoadOptions options;
  options.environment = session.flags().environment;
  model::Configuration configuration;
  config::Places places;
  if (session.has_yaml()) {
    auto project = config::load_project(*folder, options);
    if (!project) return project.error();
    const auto url = catalog_of(session, *project);
    if (!url && !session.names_catalog()) return std::vector<Error>{url.error()};
    configuration = std::move(project->configuration);
    places = std::move(project->places);
  } else {
    WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
    WEIR_ASSIGN(configuration, catalog->load_configuration());
  }
  auto read = config::read_templates(std::move(configuration), *folder, places);
  if (!read) return read.error();
  auto faults = config::lint(*read, {session.wiring().templates, folder}, places);
  if (!faults.empty()) return faults;
  WEIR_ASSIGN(const auto variables, variables_of(session));
  const auto expanded =
      config::check_configuration(*read, {folder, variables, session.wiring().templates, &places});
  if (!expanded) return expanded.error();
  return check_settings(session, *expanded, places);
}

Result<config::Plan> plan_project(Session& session, bool prune) {
  WEIR_ASSIGN(const auto faults, check_project(session));
  if (!faults.empty()) return std::unexpected(config::as_one(faults));
  WEIR_ASSIGN(const auto open, open_configuration(session));
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog());
  WEIR_ASSIGN(const auto head, catalog->config_rows());
  return config::make_plan(head, open.configuration, {prune});
}

Status apply_plan(Session& session, const config::Plan& plan) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog());
  return config::apply(*catalog, plan, session.wiring().environment->get("USER").value_or(""));
}

namespace {

Result<orchestrate::Pinned> pin(Session& session, const config::CommonRows& common,
                                const model::Flow& flow, const config::Places& places,
                                const RunToBe& run, const std::string& reason) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog());
  WEIR_ASSIGN(storage::Storage * folder, session.files());
  WEIR_ASSIGN(auto variables, variables_of(session));
  config::VersionInputs inputs{folder, std::move(variables), session.wiring().templates, &places};
  WEIR_ASSIGN(const bool sees_project, one(config::sees_project(common, flow, inputs)));
  model::Configuration seen;
  if (sees_project) {
    WEIR_ASSIGN(seen, catalog->load_configuration());
  } else {
    seen = common.around(flow);
  }
  WEIR_ASSIGN(auto looked_up, look_up_patterns(session, seen, places, run));
  inputs.variables.found = std::move(looked_up.found);
  WEIR_ASSIGN(auto version,
              one(sees_project ? config::make_project_version(seen, flow.flow_id, inputs)
                               : config::make_version(common, flow, inputs)));
  const auto faults = check_settings(session, version.configuration, places);
  if (!faults.empty()) return std::unexpected(config::as_one(faults));
  WEIR_TRY(config::pin(*catalog, version, session.wiring().environment->get("USER").value_or(""),
                       reason));
  auto pinned = pinned_of(std::move(version));
  pinned.warnings = std::move(looked_up.warnings);
  return pinned;
}

}  // namespace

Result<orchestrate::Pinned> pin_head(Session& session, const RunToBe& run, bool applies_first) {
  WEIR_TRY(session.catalog());
  config::Places places;
  std::string reason = "sql";
  if (session.has_yaml()) {
    WEIR_ASSIGN(const auto plan, plan_project(session, false));
    if (!plan.is_empty() && !applies_first)
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            "the YAML files say more than the catalog:\n" + config::to_text(plan),
                            "`weir apply` makes these changes; `weir run --apply` does both");
    if (!plan.is_empty()) {
      WEIR_TRY(apply_plan(session, plan));
    }
    WEIR_ASSIGN(auto open, open_configuration(session));
    places = std::move(open.places);
    reason = "apply";
  }
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog());
  // Somebody may apply another configuration between the two: then both are read again.
  while (true) {
    WEIR_ASSIGN(auto head, catalog->load_head());
    WEIR_ASSIGN(const auto found, catalog->load_flow(run.flow_id));
    if (found.revision != head.revision) continue;
    if (!found.flow) return std::unexpected(no_such_flow(head.configuration, run.flow_id));
    const config::CommonRows common(std::move(head.configuration));
    return pin(session, common, *found.flow, places, run, reason);
  }
}

Result<orchestrate::Pinned> pin_flow(Session& session, const config::CommonRows& common,
                                     const model::Flow& flow, const RunToBe& run) {
  return pin(session, common, flow, {}, run, "sql");
}

Error no_such_flow(const model::Configuration& configuration, const std::string& flow_id) {
  constexpr size_t kMostListed = 12;
  std::vector<std::string> names;
  for (const auto& each : configuration.flows) names.push_back(each.flow_id);
  std::string hint = did_you_mean(flow_id, names);
  if (hint.empty()) {
    const bool are_more = names.size() > kMostListed;
    names.resize(std::min(names.size(), kMostListed));
    hint = fmt::format("flows are: {}{}", fmt::join(names, ", "), are_more ? ", …" : "");
  }
  return Error{ErrorCode::kInvalidConfig,
               fmt::format("there is no flow '{}'", flow_id),
               {},
               std::move(hint),
               {}};
}

Result<orchestrate::Pinned> pin_version(Session& session, const std::string& hash) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto variables, variables_of(session));
  WEIR_ASSIGN(auto version, config::read_version(*catalog, hash, variables));
  return pinned_of(std::move(version));
}

}  // namespace weir::cli
