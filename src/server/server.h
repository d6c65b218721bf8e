#pragma once

/// The HTTP side of `weir serve`: the routes of route.h over one catalog, for people, programs and
/// Prometheus. It starts no flow by itself: what changes something is done by the Actions that it
/// was given.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "server/actions.h"
#include "task/template.h"

namespace weir::server {

struct ServerOptions {
  std::string address = "127.0.0.1";  ///< An IP address.
  int64_t port = 0;                   ///< 0: a free one.
  std::string tls_certificate = {};   ///< PEM file with the chain; empty: no TLS.
  std::string tls_key = {};           ///< PEM file.
  /// Another address than loopback without TLS: for who has a proxy with TLS in front.
  bool may_be_plain = false;
  /// Whether somebody asked, since it was last called, to read the certificate again; may be empty:
  /// then it is read again when its files change, alone.
  std::function<bool()> wants_new_files = {};
  int64_t max_connections = 1000;
  int64_t worker_count = 8;
  int64_t head_timeout_ms = 10'000;  ///< For the head of a request, all of it.
  int64_t body_timeout_ms = 60'000;
  int64_t write_timeout_ms = 30'000;  ///< For an answer, or a piece of a stream.
  int64_t stream_interval_ms = 500;
  int64_t max_streams = 100;
};

/// What the server stands on. All outlive it.
struct ServerGround {
  catalog::Catalog* catalog = nullptr;  ///< Nothing: open() follows, once it can be had.
  Clock* clock = nullptr;
  Random* random = nullptr;
  Log* log = nullptr;
  std::span<const task::Template> templates;
  std::string version;
  std::string engine_version;
};

/// Answers from threads of its own. Safe to use from many threads at once.
class Server {
 public:
  virtual ~Server() = default;  ///< stop(0).
  virtual int64_t port() const = 0;
  virtual std::string url() const = 0;  ///< `http://127.0.0.1:8080`
  /// Of a server that was started without a catalog: until now it answered health, readiness (no)
  /// and 503. Call it once.
  virtual Status open(catalog::Catalog& catalog, Actions actions) = 0;
  /// From now on `/readyz` says no, new connections are refused and streams end. Returns once all
  /// requests are answered, or after `drain_ms`, when what is left is cut off.
  virtual void stop(int64_t drain_ms) = 0;
};

/// kInvalidConfig for options that do not go together, kDenied or kUnavailable where the port
/// cannot be had, kNotFound or kInvalidConfig for certificates that cannot be used.
Result<std::unique_ptr<Server>> start_server(const ServerOptions& options,
                                             const ServerGround& ground, Actions actions);

}  // namespace weir::server
