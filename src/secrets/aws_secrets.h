#pragma once

/// Secrets in AWS Secrets Manager.

#include <memory>
#include <string>

#include "net/aws_json.h"
#include "secrets/secrets.h"

namespace weir::secrets {

struct ManagerOptions {
  std::string region;
  std::string endpoint;  ///< Empty: the region's own.
  std::string prefix;    ///< Before each id: `weir/prod/`.
};

/// The version in force (AWSCURRENT) at each fetch; list() tells the ids below the prefix, without
/// it. A binary secret is its bytes.
std::unique_ptr<Keeper> make_secrets_manager_keeper(ManagerOptions options, net::AwsGround ground);

}  // namespace weir::secrets
