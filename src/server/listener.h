#pragma once

/// The sockets of a server, on Boost.Beast: one thread moves bytes and never waits for anything but
/// them, a few others do what the requests ask for. So a thousand silent connections cost a
/// thousand sockets and nothing else. What is read is limited in size and in time, a head before
/// its body, and at the limit of connections whoever has waited longest for its first request goes.

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "server/gate.h"
#include "server/metrics.h"
#include "server/server.h"

namespace weir::server {

class Listener {
 public:
  virtual ~Listener() = default;
  virtual int64_t port() const = 0;
  /// Runs on the workers, each time so long after it ended.
  virtual void repeat(int64_t interval_ms, std::function<void()> work) = 0;
  virtual void stop(int64_t drain_ms) = 0;
};

/// What a listener calls. All outlive it.
struct ListenerGround {
  Gate* gate = nullptr;
  Metrics* metrics = nullptr;
  Log* log = nullptr;
  Clock* clock = nullptr;
};

/// Codes as start_server.
Result<std::unique_ptr<Listener>> start_listener(const ServerOptions& options,
                                                 const ListenerGround& ground);

}  // namespace weir::server
