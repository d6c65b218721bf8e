#pragma once

/// Every queue that tells of files, by the kind of its connection.

#include <memory>
#include <string>

#include "app/stores.h"
#include "arrivals/queue.h"
#include "model/configuration.h"
#include "secrets/secrets.h"

namespace weir::app {

/// Opens the queue, with the values of the secrets that its options refer to. Paths count from
/// `base_folder`. kInvalidConfig names the option at fault, or a kind that is no queue; else as
/// secrets say.
Result<std::unique_ptr<arrivals::Queue>> make_queue(const model::Connection& connection,
                                                    const std::string& base_folder,
                                                    secrets::Secrets& secrets,
                                                    const StoresGround& ground);

}  // namespace weir::app
