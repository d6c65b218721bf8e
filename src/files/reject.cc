#include "files/reject.h"

#include "base/json.h"

namespace weir::files {
namespace {

constexpr size_t kMostShown = 100;

// In double quotes with what is not printable escaped, cut where it is long.
std::string shown(std::string_view text) {
  const bool is_cut = text.size() > kMostShown;
  if (is_cut) {
    size_t end = kMostShown;
    while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
    text = text.substr(0, end);
  }
  std::string quoted = dump_json(Json(std::string(text)));
  if (is_cut) quoted.insert(quoted.size() - 1, "…");
  return quoted;
}

}  // namespace

std::string message_of(std::string_view reason, std::string_view text,
                       const model::DataType& type) {
  const std::string name = model::to_text(type);
  if (reason == "scale_overflow") {
    return fmt::format("{} has more digits after the point than {} keeps", shown(text), name);
  }
  if (reason == "finer_than_microsecond") {
    return fmt::format("{} is finer than a microsecond", shown(text));
  }
  if (reason == "out_of_range") return fmt::format("{} does not fit {}", shown(text), name);
  if (reason == "nonexistent_time") {
    return fmt::format("{} does not exist in the declared time zone", shown(text));
  }
  return fmt::format("{} is no {}", shown(text), name);
}

}  // namespace weir::files
