#include "base/option_reader.h"

#include <charconv>
#include <vector>

#include "base/instant.h"
#include "base/nearest.h"

namespace weir {

OptionReader into_text(std::string& to) {
  return [&to](const Json& value) -> Status {
    if (!value.is_string()) return fail(ErrorCode::kInvalidConfig, "it is no text");
    to = value.get<std::string>();
    return {};
  };
}

OptionReader into_flag(bool& to) {
  return [&to](const Json& value) -> Status {
    if (value != true && value != false && value != "true" && value != "false")
      return fail(ErrorCode::kInvalidConfig, "it is neither true nor false");
    to = value == true || value == "true";
    return {};
  };
}

std::optional<int64_t> whole_number(const Json& value) {
  if (value.is_number_integer()) return value.get<int64_t>();
  if (!value.is_string()) return std::nullopt;
  const auto text = value.get<std::string>();
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

OptionReader into_port(int64_t& to) {
  return [&to](const Json& value) -> Status {
    const auto port = whole_number(value);
    if (!port || *port < 1 || *port > 65'535)
      return fail(ErrorCode::kInvalidConfig, "it is no port from 1 to 65535");
    to = *port;
    return {};
  };
}

OptionReader into_duration(int64_t& to) {
  return [&to](const Json& value) -> Status {
    if (!value.is_string())
      return fail_with_hint(ErrorCode::kInvalidConfig, "it is no duration",
                            "write it like 5m or 90s");
    WEIR_ASSIGN(to, parse_duration_ms(value.get<std::string>()));
    return {};
  };
}

Status read_options(std::string_view kind, const Json& options,
                    const std::map<std::string, OptionReader>& readers) {
  for (const auto& [key, value] : options.items()) {
    const auto reader = readers.find(key);
    if (reader == readers.end()) {
      std::vector<std::string> known;
      for (const auto& [name, unused] : readers) known.push_back(name);
      const std::string guess = did_you_mean(key, known);
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("a connection of kind '{}' has no option '{}'", kind, key),
          guess.empty() ? fmt::format("options are: {}", fmt::join(known, ", ")) : guess);
    }
    Status read = reader->second(value);
    if (!read) {
      Error error = std::move(read).error();
      error.message = fmt::format("option '{}': {}", key, error.message);
      return std::unexpected(std::move(error));
    }
  }
  return {};
}

}  // namespace weir
