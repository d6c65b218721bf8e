#pragma once

/// From the target of a request to a route and its parameters. Strict: a text that could be read in
/// two ways is refused, not mended.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "server/route.h"

namespace weir::server {

struct Match {
  const Route* route = nullptr;
  std::map<std::string, std::string> path;
  std::map<std::string, Json> query;
};

/// kNotFound for no such path; kUnsupported where it is there with other methods, which `allowed`
/// lists then; kInvalidData for what cannot be decoded, and for a query that the route does not
/// take. HEAD is answered by GET.
Result<Match> find_route(std::string_view method, std::string_view target, std::string& allowed);

/// What percent-encoding stands for: UTF-8 without control characters. kInvalidData.
Result<std::string> decode(std::string_view text);

}  // namespace weir::server
