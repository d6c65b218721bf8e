#pragma once

/// The files that a configuration names: those of the project folder by their paths, and others
/// where they are, by URI (`s3://bucket/templates/latest.sql`).

#include <string>
#include <string_view>

#include "storage/storage.h"

namespace weir::cli {

/// Reads anywhere; writes, lists and removes in the folder alone.
class ProjectFiles final : public storage::Storage {
 public:
  /// Both outlive it.
  ProjectFiles(storage::Storage& folder, storage::Stores& stores)
      : folder_(folder), stores_(stores) {}

  storage::Capabilities capabilities() const override { return folder_.capabilities(); }
  Result<std::string> read(std::string_view name, storage::Range range) override;
  Result<storage::Entry> stat(std::string_view name) override;
  Result<std::unique_ptr<storage::Writer>> create(std::string_view name) override {
    return folder_.create(name);
  }
  Result<storage::Page> list(std::string_view prefix, std::string_view after) override {
    return folder_.list(prefix, after);
  }
  Status remove(std::string_view name) override { return folder_.remove(name); }
  Result<std::string> engine_uri(std::string_view name) const override {
    return folder_.engine_uri(name);
  }
  const std::string& uri() const override { return folder_.uri(); }

 private:
  struct Place {
    storage::Storage* store = nullptr;
    std::string name;
  };
  /// kInvalidConfig for a URI that names no object.
  Result<Place> place_of(std::string_view name);

  storage::Storage& folder_;
  storage::Stores& stores_;
};

/// Whether a file is named by URI, and so not of the folder.
inline bool is_uri(std::string_view name) { return name.find("://") != std::string_view::npos; }

}  // namespace weir::cli
