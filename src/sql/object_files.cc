#include "sql/object_files.h"

#include <charconv>

namespace weir::sql {
namespace {

/// A name as part of a URI that DuckDB takes for what it is: no pattern (`*?[`), no partition of
/// Hive's (`=`), nothing that ends a line.
std::string readable(std::string_view name) {
  std::string text;
  for (const char c : name) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '/';
    if (is_plain)
      text += c;
    else
      text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return text;
}

}  // namespace

Result<std::string> ObjectFiles::path_of(storage::Storage& store, const std::string& name) {
  if (store.capabilities().readable_by_engine) {
    auto path = store.engine_uri(name);
    // A name that the engine would take for a pattern is read through the store, too.
    if (path || path.error().code != ErrorCode::kUnsupported) return path;
  }
  const std::pair key(&store, name);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = uris_.find(key); found != uris_.end()) return found->second;
  }
  WEIR_ASSIGN(storage::Entry entry, store.stat(name));
  const std::lock_guard lock(mutex_);
  auto& uri = uris_[key];
  if (uri.empty()) {
    uri = fmt::format("{}{}/{}", kObjectScheme, files_.size(), readable(name));
    files_.push_back({&store, std::move(entry)});
  }
  return uri;
}

std::optional<ObjectFiles::File> ObjectFiles::find(std::string_view uri) const {
  if (!uri.starts_with(kObjectScheme)) return std::nullopt;
  const auto rest = uri.substr(kObjectScheme.size());
  size_t number = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  const std::lock_guard lock(mutex_);
  if (error != std::errc() || number >= files_.size()) return std::nullopt;
  const File& file = files_[number];
  const std::string whole =
      fmt::format("{}{}/{}", kObjectScheme, number, readable(file.entry.name));
  if (whole != uri) return std::nullopt;
  return file;
}

}  // namespace weir::sql
