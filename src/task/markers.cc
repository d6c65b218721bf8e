#include "task/markers.h"

#include "storage/storage.h"

namespace weir::task {
namespace {

constexpr std::string_view kName = "{name}";
constexpr std::string_view kStem = "{stem}";

/// In one pass: a name may hold braces itself.
std::string filled(std::string_view marker, std::string_view name, std::string_view stem) {
  std::string text;
  while (!marker.empty()) {
    const bool is_name = marker.starts_with(kName);
    const bool is_stem = marker.starts_with(kStem);
    text += is_name ? name : is_stem ? stem : marker.substr(0, 1);
    marker.remove_prefix(is_name ? kName.size() : is_stem ? kStem.size() : 1);
  }
  return text;
}

}  // namespace

bool is_marker_of_each(std::string_view marker) {
  return marker.find(kName) != std::string_view::npos ||
         marker.find(kStem) != std::string_view::npos;
}

Status check_marker(std::string_view marker) {
  if (marker.empty()) return {};
  const std::string example = marker_of(marker, "orders.csv");
  if (example != "orders.csv" && storage::check_object_name(example) &&
      example.find_first_of("{}*?") == std::string::npos)
    return {};
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("'{}' names no marker", marker),
                        "write '{name}.done', '{stem}.ok', or the name of one for the folder");
}

std::string marker_of(std::string_view marker, std::string_view name) {
  const auto slash = name.rfind('/');
  const auto folder = name.substr(0, slash == std::string_view::npos ? 0 : slash + 1);
  const auto leaf = name.substr(folder.size());
  const auto dot = leaf.rfind('.');
  const auto stem = leaf.substr(0, dot == std::string_view::npos || dot == 0 ? leaf.size() : dot);
  return std::string(folder) + filled(marker, leaf, stem);
}

}  // namespace weir::task
