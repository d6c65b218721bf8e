#include "model/names.h"

#include <algorithm>

namespace weir::model {
namespace {

constexpr size_t kLongestName = 200;

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t more = lead < 0x80       ? 0
                        : lead >> 5 == 6  ? 1
                        : lead >> 4 == 14 ? 2
                        : lead >> 3 == 30 ? 3
                                          : 9;
    if (more == 9 || i + more >= text.size()) return false;
    for (size_t j = 1; j <= more; ++j) {
      if ((static_cast<unsigned char>(text[i + j]) & 0xc0) != 0x80) return false;
    }
    i += more + 1;
  }
  return true;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

}  // namespace

bool is_column_name(std::string_view name) {
  if (name.empty() || is_digit(name[0])) return false;
  return std::ranges::all_of(
      name, [](char c) { return is_digit(c) || is_upper(c) || is_lower(c) || c == '_'; });
}

std::string plain_column_name(std::string_view text) {
  std::string name;
  for (const char c : text) {
    if (is_digit(c) || is_lower(c))
      name += c;
    else if (is_upper(c))
      name += static_cast<char>(c + ('a' - 'A'));
    else if (c == '_' || (!name.empty() && name.back() != '_'))
      name += '_';
  }
  while (name.ends_with('_')) name.pop_back();
  if (name.empty()) return "column";
  return is_digit(name[0]) ? "column_" + name : name;
}

Status check_name(std::string_view name, std::string_view what) {
  const auto refuse = [&](std::string_view why) {
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("{} '{}' {}", what, name.substr(0, 60), why),
                          "use letters, digits and '_', at most 200 bytes");
  };
  if (name.empty()) return refuse("is empty");
  if (name.size() > kLongestName)
    return refuse(fmt::format("is {} bytes long, more than {}", name.size(), kLongestName));
  if (name == "." || name == "..") return refuse("is a path, not a name");
  if (!is_utf8(name)) return refuse("is not UTF-8");
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return refuse("has a control character");
    if (c == '/' || c == '\\') return refuse("has a slash");
  }
  return {};
}

Result<DatasetName> parse_dataset_name(std::string_view text) {
  const auto dot = text.find('.');
  if (dot == std::string_view::npos)
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("dataset '{}' has no layer", text),
                          "write layer.name, such as raw.airports");
  DatasetName name{std::string(text.substr(0, dot)), std::string(text.substr(dot + 1))};
  WEIR_TRY(check_name(name.layer, "layer"));
  WEIR_TRY(check_name(name.name, "dataset name"));
  return name;
}

}  // namespace weir::model
