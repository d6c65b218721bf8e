#pragma once

/// Whether a configuration makes sense as a whole: every name that refers to something finds it,
/// parameters are what their templates take, tasks have an order. It reads no data and resolves no
/// variables: a value with `${ }` or `{{ }}` in it passes until it is known.

#include <span>

#include "config/places.h"
#include "model/configuration.h"
#include "storage/storage.h"
#include "task/template.h"

namespace weir::config {

struct LintInputs {
  std::span<const task::Template> builtin;
  storage::Storage* folder = nullptr;  ///< Of the project: files that are named must be there.
  /// The configuration before its lists were unrolled: which tasks had a for_each.
  const model::Configuration* written = nullptr;
  /// The configuration is what one flow can see: rules may name other flows and their tasks.
  bool is_of_one_flow = false;
};

/// All faults, in the order of flows and tasks; empty where it is good. Bodies of users' templates
/// are checked where they were read (read_templates).
Faults lint(const model::Configuration& configuration, const LintInputs& inputs,
            const Places& places);

}  // namespace weir::config
