#include "lineage/dataset.h"

#include <algorithm>

#include "base/redact.h"

namespace weir::lineage {
namespace {

/// Empty where it is not said, or said by a secret only.
std::string option(const Json& options, const char* name) {
  const auto found = options.find(name);
  if (found == options.end()) return {};
  std::string text;
  if (found->is_string()) text = found->get<std::string>();
  if (found->is_number_integer()) text = std::to_string(found->get<int64_t>());
  return refers_to_secret(text) ? std::string() : text;
}

std::string without_slashes_at_the_end(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

/// A table of a server: `database.schema.table`, or `database.table` where it has no schemas.
std::optional<DatasetId> table_of_server(const Json& options, const std::string& table,
                                         const std::string& scheme, const std::string& port) {
  const std::string host = option(options, "host");
  const std::string database = option(options, "database");
  if (host.empty()) return std::nullopt;
  const std::string given = option(options, "port");
  DatasetId id;
  id.name_space = fmt::format("{}://{}:{}", scheme, host, given.empty() ? port : given);
  const bool has_schema = table.contains('.');
  if (scheme != "postgres") {
    if (!has_schema && database.empty()) return std::nullopt;
    id.name = has_schema ? table : database + "." + table;
    return id;
  }
  if (database.empty()) return std::nullopt;
  const std::string schema = option(options, "schema");
  id.name = database + ".";
  if (!has_schema) id.name += (schema.empty() ? "public" : schema) + ".";
  id.name += table;
  return id;
}

}  // namespace

DatasetId dataset_at(const std::string& uri) {
  const auto scheme = uri.find("://");
  if (scheme == std::string::npos) return {"file", without_slashes_at_the_end(uri)};
  const auto slash = uri.find('/', scheme + 3);
  std::string authority = uri.substr(0, slash);
  // Who reads there is no part of what is there; nor is the password, whatever stands in it.
  if (const auto at = authority.rfind('@'); at != std::string::npos)
    authority.erase(scheme + 3, at - scheme - 2);
  const bool has_port = authority.rfind(':') >= scheme + 3 && !authority.ends_with(']');
  if (authority.starts_with("sftp://") && !has_port) authority += ":22";
  std::string path = slash == std::string::npos ? "/" : uri.substr(slash);
  path = without_slashes_at_the_end(path);
  if (authority == "file://") return {"file", path};
  // Names of objects begin with no slash; paths of a server do.
  if (authority.starts_with("s3://") && path.size() > 1) path.erase(0, 1);
  return {authority, path};
}

std::optional<DatasetId> table_of(const Json& options, const std::string& table) {
  const std::string kind = option(options, "kind");
  if (table.empty()) return std::nullopt;
  if (kind == "postgres") return table_of_server(options, table, kind, "5432");
  if (kind == "mysql" || kind == "mariadb") return table_of_server(options, table, "mysql", "3306");
  if (kind != "duckdb" && kind != "sqlite") return std::nullopt;
  const std::string path = option(options, "path");
  if (path.empty()) return std::nullopt;
  return DatasetId{fmt::format("{}://{}", kind, path),
                   kind == "duckdb" && !table.contains('.') ? "main." + table : table};
}

std::optional<DatasetId> answer_of(const Json& options, const std::string& path) {
  const std::string url = option(options, "url");
  if (url.empty()) return std::nullopt;
  // What stands behind ? may be a key, and says which part of it is wanted.
  const std::string all =
      without_slashes_at_the_end(url) + (path.starts_with('/') ? "" : "/") + path;
  return dataset_at(all.substr(0, all.find_first_of("?#")));
}

std::string uri_of(const DatasetId& id) {
  if (id.name_space == "file") return "file://" + id.name;
  return id.name_space + (id.name.starts_with('/') ? "" : "/") + id.name;
}

}  // namespace weir::lineage
