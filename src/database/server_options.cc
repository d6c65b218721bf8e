#include "database/server_options.h"

#include <algorithm>

#include <fmt/ranges.h>

namespace weir::database {
namespace {

std::unexpected<Error> refuse(std::string why, std::string hint = "") {
  return fail_with_hint(ErrorCode::kInvalidConfig, std::move(why), std::move(hint));
}

}  // namespace

OptionReader into_c_text(std::string& to) {
  return [&to](const Json& value) -> Status {
    WEIR_TRY(into_text(to)(value));
    if (to.find('\0') != std::string::npos) return refuse("it holds a NUL character");
    return {};
  };
}

OptionReader into_sslmode(std::string& to, std::vector<std::string> modes) {
  return [&to, modes = std::move(modes)](const Json& value) -> Status {
    if (value == "allow" || value == "prefer")
      return refuse(
          fmt::format("{} goes on without encryption, and says nothing", dump_json(value)),
          "write verify-full; or disable, where the way to the server is safe without");
    if (std::ranges::none_of(modes, [&](const std::string& mode) { return value == mode; }))
      return refuse(fmt::format("{} is not known", dump_json(value)),
                    fmt::format("write one of: {}", fmt::join(modes, ", ")));
    to = value.get<std::string>();
    return {};
  };
}

}  // namespace weir::database
