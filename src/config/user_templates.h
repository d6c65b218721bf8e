#pragma once

/// Templates that users add as rows: `sql` (a file with typed parameters) and `composite` (a named
/// list of tasks). Both become tasks of builtin templates before anything runs, by replacing
/// `{{ name }}` once; nothing is evaluated and nothing that was put in is looked through again.

#include <map>
#include <span>
#include <string>
#include <vector>

#include "config/places.h"
#include "model/configuration.h"
#include "task/template.h"

namespace weir::config {

/// The parameters of a template by its name, builtin or a row. kInvalidConfig, with did-you-mean,
/// where there is none of that name or the row's declarations do not read.
Result<std::vector<task::Param>> params_of(const model::Configuration& configuration,
                                           const std::string& template_id,
                                           std::span<const task::Template> builtin);
/// One `{type: text, default: …, doc: …}`. kInvalidConfig names the parameter; whether the default
/// fits the type is not looked at.
Result<task::Param> declared_param(const std::string& name, const Json& declared);
/// The parameters that a row declares; a `sql` template also takes `to`.
Result<std::vector<task::Param>> declared_params(const model::TemplateRow& row);

/// Replaces `{{ name }}` in the texts of a value: alone in a text by the value itself, inside a
/// longer text by its words. Names with a dot (`{{ trigger.file }}`) are those of the run and stay
/// unless `values` has them. kInvalidConfig, with did-you-mean, for an unknown name without one.
Result<Json> substitute(const Json& text, const std::map<std::string, Json>& values);

/// The SQL of a template with each `{{ name }}` as a literal of the parameter's type: texts quoted,
/// datasets and names as identifiers, lists separated by commas. kInvalidConfig for an unknown name
/// and for one inside quotes. Comments stay as they are.
Result<std::string> substitute_sql(std::string_view sql, const std::vector<task::Param>& params,
                                   const Json& values);

struct Expanded {
  model::Configuration configuration;        ///< Only tasks of builtin templates.
  std::map<std::string, std::string> files;  ///< SQL made of `sql` templates, by its path.
};

/// Pure. A task of a composite becomes `<task>.<sub>`: those that need nothing wait for what the
/// task needs, and who needs the task waits for those that nothing else waits for. A task of a
/// `sql` template becomes a `transform`. Bodies must be there (read_templates). All faults.
Checked<Expanded> expand(const model::Configuration& configuration, const Places& places);

}  // namespace weir::config
