#include "inputs/locations.h"

#include "base/nearest.h"

namespace weir::inputs {

std::string absolute_uri(const std::string& base_folder, const std::string& uri) {
  const bool has_scheme = uri.find("://") != std::string::npos || uri.starts_with("memory:");
  if (has_scheme || uri.starts_with('/') || base_folder.empty()) return uri;
  return base_folder + "/" + uri;
}

Result<std::string> layer_uri(const model::Configuration& configuration,
                              const std::string& base_folder, const std::string& layer) {
  const model::Layer* found = configuration.find_layer(layer);
  if (found == nullptr) {
    std::vector<std::string> names;
    for (const auto& each : configuration.layers) names.push_back(each.name);
    const std::string guess = did_you_mean(layer, names);
    return fail_with_hint(
        ErrorCode::kInvalidConfig, fmt::format("there is no layer '{}'", layer),
        guess.empty() ? fmt::format("layers are: {}", fmt::join(names, ", ")) : guess);
  }
  std::string uri = absolute_uri(base_folder, found->uri);
  while (uri.size() > 1 && uri.ends_with('/')) uri.pop_back();
  return uri;
}

Result<std::string> dataset_uri(const model::Configuration& configuration,
                                const std::string& base_folder, const model::DatasetName& name) {
  WEIR_ASSIGN(const std::string root, layer_uri(configuration, base_folder, name.layer));
  return root + "/" + name.name;
}

Result<Json> connection_options(const model::Configuration& configuration,
                                const std::string& base_folder, const std::string& id) {
  const model::Connection* connection = configuration.find_connection(id);
  if (connection == nullptr)
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("there is no connection '{}'", id),
                          "add it under `connections:` in weir.yaml");
  Json options = connection->options;
  options["kind"] = connection->kind;
  for (const char* name : {"path", "sslrootcert"}) {
    const auto path = options.find(name);
    if (path != options.end() && path->is_string())
      *path = absolute_uri(base_folder, path->get<std::string>());
  }
  return options;
}

std::vector<model::Connection> buckets(const model::Configuration& configuration,
                                       const std::string& base_folder) {
  std::vector<model::Connection> found;
  for (const auto& connection : configuration.connections) {
    if (connection.kind != "s3" && connection.kind != "sftp" &&
        connection.kind != "aws_secrets_manager")
      continue;
    auto& bucket = found.emplace_back(connection);
    for (const char* const name : {"ca_file", "known_hosts", "private_key_file"}) {
      const auto file = bucket.options.find(name);
      if (file != bucket.options.end() && file->is_string())
        *file = absolute_uri(base_folder, file->get<std::string>());
    }
  }
  return found;
}

}  // namespace weir::inputs
