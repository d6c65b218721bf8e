#pragma once

/// The parameters that a flow declares, `params: {day: {type: date, doc: …}, region: eu}`, and the
/// values that a run is given for them.

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/configuration.h"
#include "task/template.h"

namespace weir::config {

/// By name. A value that is no map is a default, and its type follows from it (a text is a text,
/// not a date). kInvalidConfig, naming the parameter, for a declaration that does not read and for
/// a default that does not fit.
Result<std::vector<task::Param>> flow_params(const model::Flow& flow);

/// Faults of the declarations, each with the steps from `params` to what is at fault.
struct FlowParamFault {
  std::vector<std::string> path;
  Error error;
};
std::vector<FlowParamFault> check_flow_params(const model::Flow& flow);

/// What a run is given under names that no flow declares: `trigger.file` and so on, of the files
/// that started it.
bool is_trigger_value(std::string_view name);

/// The values of a run: each converted to its parameter's type (a text `7` is a number where the
/// parameter is one, `a, b` a list), defaults filled in. kInvalidConfig names the parameter: one
/// that the flow has not (with did-you-mean), one that is missing, a value that does not fit.
Result<Json> checked_params(const model::Flow& flow, const Json& given);

/// The same for some of the values, those of a schedule or of a trigger, by the name at fault;
/// variables of the configuration pass.
std::map<std::string, Error> check_some_params(const std::vector<task::Param>& params,
                                               const model::Flow& flow, const Json& given);

}  // namespace weir::config
