#pragma once

/// A PostgreSQL server of a test's own: initdb in a temporary folder, a unix socket in it and a
/// free port of 127.0.0.1, trust for everybody. Stopped and removed with the object. Where the
/// server's programs are not installed the test skips.

#include <memory>
#include <string>

#include "base/result.h"

namespace weir::testing {

/// Not for use from several threads at once.
class PostgresServer {
 public:
  virtual ~PostgresServer() = default;

  /// A new, empty database, as `postgresql://postgres@127.0.0.1:<port>/<name>`.
  virtual Result<std::string> create_database() = 0;
  /// The name of the folder with the unix socket: `host=` of a connection by socket.
  virtual const std::string& socket_folder() const = 0;
  virtual int port() const = 0;
  /// Ends the server at once, as a crash would (SIGQUIT), and starts it again on the same data.
  virtual Status crash() = 0;
  virtual Status start() = 0;
};

/// kNotFound where PostgreSQL 15 is not installed: print it and skip.
Result<std::unique_ptr<PostgresServer>> start_postgres_server();

}  // namespace weir::testing
