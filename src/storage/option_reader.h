#pragma once

/// Reads the options of a connection, each by what it says, so that what is unknown or of another
/// type is named. It knows no kind of connection.

#include <array>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace weir::storage {

using OptionReader = std::function<Status(const Json&)>;

OptionReader into_text(std::string& to);
OptionReader into_flag(bool& to);
/// `5m`, `90s`.
OptionReader into_duration(int64_t& to);

template <typename Enum, size_t kSize>
OptionReader into_choice(Enum& to,
                         const std::array<std::pair<std::string_view, Enum>, kSize>& choices) {
  return [&to, choices](const Json& value) -> Status {
    std::string all;
    for (const auto& [word, meaning] : choices) {
      if (value == word) {
        to = meaning;
        return {};
      }
      all += (all.empty() ? "" : ", ") + std::string(word);
    }
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("{} is not known", dump_json(value)), "write one of: " + all);
  };
}

template <typename Integer>
OptionReader into_number(Integer& to, Integer least) {
  return [&to, least](const Json& value) -> Status {
    if (!value.is_number_integer() || value.get<int64_t>() < least ||
        value.get<int64_t>() > std::numeric_limits<Integer>::max())
      return fail(ErrorCode::kInvalidConfig, "it is no whole number from {}", least);
    to = value.get<Integer>();
    return {};
  };
}

/// kInvalidConfig names the option that is unknown, of another type or of a value that nobody
/// knows.
Status read_options(std::string_view kind, const Json& options,
                    const std::map<std::string, OptionReader>& readers);

}  // namespace weir::storage
