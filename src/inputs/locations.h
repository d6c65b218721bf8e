#pragma once

/// Where datasets lie: a pure function of the configuration and the project folder.

#include <string>
#include <vector>

#include "base/result.h"
#include "model/configuration.h"

namespace weir::inputs {

/// Relative paths count from `base_folder`; URIs with a scheme stay.
std::string absolute_uri(const std::string& base_folder, const std::string& uri);

/// The root of a layer. kInvalidConfig where there is no such layer, with did-you-mean.
Result<std::string> layer_uri(const model::Configuration& configuration,
                              const std::string& base_folder, const std::string& layer);
/// The root of a dataset: `<layer>/<name>`.
Result<std::string> dataset_uri(const model::Configuration& configuration,
                                const std::string& base_folder, const model::DatasetName& name);

/// The options of a connection, with its kind, and with its paths made absolute. kInvalidConfig
/// where there is no such connection.
Result<Json> connection_options(const model::Configuration& configuration,
                                const std::string& base_folder, const std::string& id);

/// The connections by which stores are reached, of kinds `s3`, `sftp` and `aws_secrets_manager`,
/// with what they name of the project's files made absolute.
std::vector<model::Connection> buckets(const model::Configuration& configuration,
                                       const std::string& base_folder);

}  // namespace weir::inputs
