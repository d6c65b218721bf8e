#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>

#include "base/check.h"
#include "storage/storage.h"

namespace weir::storage {
namespace {

/// The scheme of a URI, or empty for a path: `s3` of `s3://bucket/raw`.
std::string_view scheme_of(std::string_view uri) {
  const auto colon = uri.find(':');
  if (colon == std::string_view::npos || colon < 2) return {};
  const auto scheme = uri.substr(0, colon);
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '-' || c == '.';
  };
  return std::ranges::all_of(scheme, is_plain) ? scheme : std::string_view();
}

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

/// The path of a `file:` URI (RFC 8089), its percent signs decoded.
Result<std::string> path_of_file_uri(const std::string& uri) {
  std::string_view rest = std::string_view(uri).substr(std::string_view("file:").size());
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    const auto slash = std::min(rest.find('/'), rest.size());
    const auto host = rest.substr(0, slash);
    if (!host.empty() && host != "localhost")
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("'{}' names the host '{}'", uri, host),
                            "write file:///folder, or a path");
    rest.remove_prefix(slash);
  }
  std::string path;
  for (size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] != '%') {
      path += rest[i];
      continue;
    }
    const auto high = i + 2 < rest.size() ? hex_digit(rest[i + 1]) : std::nullopt;
    const auto low = i + 2 < rest.size() ? hex_digit(rest[i + 2]) : std::nullopt;
    if (!high || !low)
      return fail(ErrorCode::kInvalidConfig, "'{}' has a '%' without two hex digits", uri);
    path += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return path;
}

class LocalStores final : public Stores {
 public:
  explicit LocalStores(std::string base_folder) : base_folder_(std::move(base_folder)) {}

  Result<Storage*> open(const std::string& uri) override {
    const std::lock_guard lock(mutex_);
    if (const auto found = stores_.find(uri); found != stores_.end()) return found->second.get();
    WEIR_ASSIGN(auto store, make(uri));
    return (stores_[uri] = std::move(store)).get();
  }

 private:
  Result<std::unique_ptr<Storage>> make(const std::string& uri) const {
    const auto scheme = scheme_of(uri);
    if (scheme == "memory") return make_memory_storage(uri);
    std::string path = uri;
    if (scheme == "file") {
      WEIR_ASSIGN(path, path_of_file_uri(uri));
    } else if (!scheme.empty()) {
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("no storage serves the scheme '{}' of '{}'", scheme, uri),
                            "give a path, a file: URI, or memory:");
    }
    if (path.empty() || path.find('\0') != std::string::npos)
      return fail(ErrorCode::kInvalidConfig, "'{}' names no folder", uri);
    const auto whole = (std::filesystem::path(base_folder_) / path).lexically_normal();
    return make_local_storage(whole.string(), uri);
  }

  std::string base_folder_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Storage>> stores_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Stores> make_local_stores(std::string base_folder) {
  return std::make_unique<LocalStores>(std::move(base_folder));
}

}  // namespace weir::storage
