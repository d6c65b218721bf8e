#pragma once

/// Every channel that this program serves, by the kind of its connection.

#include <memory>
#include <string>

#include "app/stores.h"
#include "model/configuration.h"
#include "notify/channel.h"
#include "secrets/secrets.h"

namespace weir::app {

/// Opens the channel, with the values of the secrets that its options refer to. Paths count from
/// `base_folder`. kInvalidConfig names the option at fault; else as secrets say.
Result<std::unique_ptr<notify::Channel>> make_channel(const model::Connection& connection,
                                                      const std::string& base_folder,
                                                      secrets::Secrets& secrets,
                                                      const StoresGround& ground);

}  // namespace weir::app
