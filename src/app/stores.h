#pragma once

/// Every store that this program serves, by the scheme of its URI; and what the configuration and
/// the environment say of buckets.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/ids.h"
#include "model/configuration.h"
#include "storage/storage.h"

namespace weir::app {

/// Everything outlives the stores.
struct StoresGround {
  const Environment* environment = nullptr;
  Clock* clock = nullptr;
  Random* random = nullptr;
  const Cancel* cancel = nullptr;
};

/// The connections of kinds `s3`, `sftp` and `aws_secrets_manager` of the project that is open;
/// asked when the first bucket or server is opened.
using FindConnections = std::function<Result<std::vector<model::Connection>>()>;

/// Local folders and `memory:`, as make_local_stores says, and `s3://bucket[/prefix]`: with the
/// options of the connection whose `uri` is nearest above, and what the environment says. Its keys
/// are those of its `secret_id`, where it has one; `secrets_file` is where that may be sealed.
/// `sftp://host[:port]/folder` needs such a connection: kInvalidConfig where none is at it or
/// above.
std::unique_ptr<storage::Stores> make_stores(std::string base_folder, std::string secrets_file,
                                             FindConnections connections, StoresGround ground);

}  // namespace weir::app
