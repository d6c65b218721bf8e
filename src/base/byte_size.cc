#include "base/byte_size.h"

#include <array>
#include <cctype>
#include <string>

namespace weir {

Result<int64_t> parse_bytes(std::string_view text) {
  struct Unit {
    std::string_view name;
    int64_t bytes;
  };
  constexpr std::array kUnits = {
      Unit{"kib", 1 << 10},  Unit{"mib", 1 << 20},      Unit{"gib", 1 << 30}, Unit{"kb", 1'000},
      Unit{"mb", 1'000'000}, Unit{"gb", 1'000'000'000}, Unit{"b", 1},         Unit{"", 1}};
  size_t digits = 0;
  int64_t number = 0;
  while (digits < text.size() && digits < 15 && text[digits] >= '0' && text[digits] <= '9')
    number = number * 10 + (text[digits++] - '0');
  std::string unit;
  for (const char c : text.substr(digits)) {
    if (c != ' ') unit += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  for (const auto& each : kUnits) {
    if (digits > 0 && unit == each.name && number <= (int64_t{1} << 50) / each.bytes)
      return number * each.bytes;
  }
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("'{}' is no size", text),
                        "write 512MB, 2GiB or a number of bytes");
}

}  // namespace weir
