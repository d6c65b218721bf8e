#include "cli/parameters.h"

namespace weir::cli {

Result<Json> read_parameters(const std::vector<std::string>& words) {
  Json params = Json::object();
  for (const auto& word : words) {
    const auto sign = word.find('=');
    if (sign == std::string::npos || sign == 0)
      return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("'{}' is no parameter", word),
                            "--param name=value");
    params[word.substr(0, sign)] = word.substr(sign + 1);
  }
  return params;
}

}  // namespace weir::cli
