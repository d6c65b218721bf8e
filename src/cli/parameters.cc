#include "cli/parameters.h"

#include "base/nearest.h"

namespace weir::cli {
namespace {

/// A text where the default is one, or is not said.
Result<Json> read_value(const std::string& name, const std::string& text, const Json& by_default) {
  if (by_default.is_string() || by_default.is_null()) return Json(text);
  auto value = parse_json(text);
  const bool are_numbers = value && value->is_number() && by_default.is_number() &&
                           (by_default.is_number_float() || !value->is_number_float());
  const bool is_alike = value && (are_numbers || value->type() == by_default.type());
  if (!is_alike)
    return fail_with_hint(
        ErrorCode::kInvalidConfig, fmt::format("parameter '{}' cannot be '{}'", name, text),
        fmt::format("it is of the kind of its default, {}", dump_json(by_default)));
  return value;
}

}  // namespace

Result<Json> read_parameters(const model::Configuration& configuration, const std::string& flow_id,
                             const std::vector<std::string>& words) {
  Json params = Json::object();
  const model::Flow* flow = configuration.find_flow(flow_id);
  if (flow == nullptr) return params;  // Whoever starts it says so.
  std::vector<std::string> names;
  for (const auto& [name, value] : flow->params.items()) names.push_back(name);
  for (const auto& word : words) {
    const auto sign = word.find('=');
    if (sign == std::string::npos || sign == 0)
      return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("'{}' is no parameter", word),
                            "--param name=value");
    const std::string name = word.substr(0, sign);
    const auto known = flow->params.find(name);
    if (known == flow->params.end()) {
      const std::string guess = did_you_mean(name, names);
      return fail_with_hint(
          ErrorCode::kInvalidConfig, fmt::format("flow '{}' has no parameter '{}'", flow_id, name),
          !guess.empty()  ? guess
          : names.empty() ? "its key `params` declares them, with their defaults"
                          : fmt::format("its parameters are: {}", fmt::join(names, ", ")));
    }
    WEIR_ASSIGN(params[name], read_value(name, word.substr(sign + 1), *known));
  }
  return params;
}

}  // namespace weir::cli
