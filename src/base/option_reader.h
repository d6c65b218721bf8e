#pragma once

/// Reads the options of a connection, each by what it says, so that what is unknown or of another
/// type is named. It knows no kind of connection. Numbers and flags may come as words, `"8"` and
/// `"true"`: a variable of the environment brings nothing else.

#include <array>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace weir {

using OptionReader = std::function<Status(const Json&)>;

OptionReader into_text(std::string& to);
OptionReader into_flag(bool& to);
OptionReader into_port(int64_t& to);
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

/// Of a JSON number or of a text that is one.
std::optional<int64_t> whole_number(const Json& value);

template <typename Integer>
OptionReader into_number(Integer& to, Integer least) {
  return [&to, least](const Json& value) -> Status {
    const auto number = whole_number(value);
    if (!number || *number < least || *number > std::numeric_limits<Integer>::max())
      return fail(ErrorCode::kInvalidConfig, "it is no whole number from {}", least);
    to = static_cast<Integer>(*number);
    return {};
  };
}

/// kInvalidConfig names the option that is unknown, of another type or of a value that nobody
/// knows.
Status read_options(std::string_view kind, const Json& options,
                    const std::map<std::string, OptionReader>& readers);

}  // namespace weir
