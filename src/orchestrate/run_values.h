#pragma once

/// What a run gives to its tasks: parameters, the files that started it, its times. A run has these
/// values from its start, in its row; each attempt puts them into the texts of its task here. Pure.

#include <memory>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "config/run_reference.h"
#include "model/configuration.h"
#include "task/template.h"

namespace weir::orchestrate {

/// The values that a run of the flow has when it is given these: converted to the types that the
/// flow declares, defaults filled in; `trigger.file` and the like pass. kInvalidConfig names the
/// parameter that is unknown (with did-you-mean), missing or of another type.
Result<Json> checked_params(const model::Flow& flow, const Json& given);

/// Gives a run that is about to start its values, and the data interval of the flow's schedule
/// where it has none of its own, and the release of the time zones that say it. Parameters of a
/// file trigger may speak of its files
/// (`${trigger.key.day}`). Errors as checked_params.
Status give_values(const model::Flow& flow, const Json& given, catalog::FlowRun& run);

/// What the run of a row puts into the tasks of its flow, both of which outlive this.
class RunValues {
 public:
  RunValues(const model::Flow& flow, const catalog::FlowRun& run) : flow_(flow), run_(run) {}

  /// The parameters of a task as its attempts have them. The name of a file that arrived means that
  /// file alone also where a glob is asked for. kInvalidConfig names what has no value, and the way
  /// out.
  Result<Json> params_of(const model::Task& task, const task::Template& made) const;
  /// The same of SQL: values are within quoted texts.
  Result<std::string> sql_of(const std::string& path, const std::string& sql) const;

 private:
  Result<Json> value_of(const config::RunReference& reference) const;
  Result<Json> found(const config::RunReference& reference) const;
  Result<Json> formatted(const config::RunReference& reference, const Json& value) const;
  std::unexpected<Error> missing(const config::RunReference& reference) const;

  const model::Flow& flow_;
  const catalog::FlowRun& run_;
};

}  // namespace weir::orchestrate
