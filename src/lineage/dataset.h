#pragma once

/// What datasets are called in OpenLineage, so that what one producer writes is what another reads:
/// the store is the namespace, the place within it the name (the specification's Naming.md). Pure.

#include <optional>
#include <string>

#include "base/json.h"

namespace weir::lineage {

struct DatasetId {
  std::string name_space;  ///< `file`, `s3://bucket`, `postgres://host:port`
  std::string name;
  auto operator<=>(const DatasetId&) const = default;
};

/// A folder or object: an absolute path, or a URI with a scheme.
DatasetId dataset_at(const std::string& uri);

/// A table behind a connection, by its options with their kind and absolute paths. Nothing where
/// they do not say which server it is (a reference to a secret).
std::optional<DatasetId> table_of(const Json& options, const std::string& table);

/// What a connection of kind `http` answers at that path.
std::optional<DatasetId> answer_of(const Json& options, const std::string& path);

/// `namespace` and `name` as one URI.
std::string uri_of(const DatasetId& id);

}  // namespace weir::lineage
