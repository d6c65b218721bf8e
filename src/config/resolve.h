#pragma once

/// `${VAR}` and `${VAR:-default}` in what users wrote. It stays as it is in files and rows; here it
/// gets its value, at plan (checked) and at run start (pinned). `$${` is the text `${`. Values come
/// from --var, then from the environment; they are not looked through again.

#include <map>
#include <span>
#include <string>

#include "base/environment.h"
#include "config/for_each.h"
#include "config/places.h"
#include "model/configuration.h"
#include "task/template.h"

namespace weir::config {

struct Variables {
  const Environment* environment = nullptr;  ///< May be nullptr: none.
  std::map<std::string, std::string> given;  ///< --var name=value
  FoundValues found = {};                    ///< What patterns of for_each mean at this moment.

  std::optional<std::string> get(const std::string& name) const;
};

/// One text. kInvalidConfig naming a variable that is not set, or what is no variable.
Result<std::string> resolve_text(std::string_view text, const Variables& variables);

/// Which part of a configuration is resolved.
enum class Scope {
  kAll,
  kConnections,  ///< Their values may be secrets: resolved when they are opened, never pinned.
  kAllButConnections,
};

/// Every text of the configuration but names and locations. A parameter that is a number or a
/// boolean to its template becomes one. A task with `for_each` becomes one a value (for_each.h),
/// but for a pattern that nobody has looked up: that one stays as written; where no file was
/// found, one that stands in for it. What a run puts in
/// (`${params.day}`, run_reference.h) stays in the `with` of tasks and is refused elsewhere. All
/// faults: variables that are not set, with the place in the file or the table, key and column of
/// the row.
Checked<model::Configuration> resolve(model::Configuration configuration,
                                      const Variables& variables, const Places& places,
                                      std::span<const task::Template> builtin,
                                      Scope scope = Scope::kAll);

}  // namespace weir::config
