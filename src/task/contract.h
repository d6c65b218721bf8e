#pragma once

/// What every template keeps, whoever wrote it: the builtin ones and those of a program of one's
/// own.

#include <span>
#include <vector>

#include "task/template.h"

namespace weir::task {

/// Succeeds where name, sentences, parameters, examples and the way it acts are as everything that
/// is derived from a template (list, lint, reference page, JSON Schema) expects. kInvalidConfig
/// names the template and what it breaks.
Status check_contract(const Template& made);

/// Both lists in one, in order of names. Every one of `own` keeps the contract and has a name that
/// nobody else has, or the result is kInvalidConfig.
Result<std::vector<Template>> join_templates(std::span<const Template> builtin,
                                             std::span<const Template> own);

}  // namespace weir::task
