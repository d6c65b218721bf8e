#include "cli/project_files.h"

namespace weir::cli {

Result<ProjectFiles::Place> ProjectFiles::place_of(std::string_view name) {
  if (!is_uri(name)) return Place{&folder_, std::string(name)};
  const auto authority = name.find("://") + 3;
  const auto slash = name.rfind('/');
  if (slash == std::string_view::npos || slash <= authority || slash + 1 == name.size())
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("'{}' names no file", name),
                          "write s3://bucket/folder/file.sql");
  WEIR_ASSIGN(storage::Storage * store,
              while_doing(stores_.open(std::string(name.substr(0, slash))),
                          fmt::format("opening the folder of {}", name)));
  return Place{store, std::string(name.substr(slash + 1))};
}

Result<std::string> ProjectFiles::read(std::string_view name, storage::Range range) {
  WEIR_ASSIGN(const Place place, place_of(name));
  return place.store->read(place.name, range);
}

Result<storage::Entry> ProjectFiles::stat(std::string_view name) {
  WEIR_ASSIGN(const Place place, place_of(name));
  return place.store->stat(place.name);
}

}  // namespace weir::cli
