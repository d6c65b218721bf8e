#pragma once

/// MySQL and MariaDB on MariaDB's client library: settings of a connection of kind `mysql`, what
/// its errors mean, tables and queries as a Source, and a look at the server. Connections never
/// send local files, and nothing secret over a way that is neither this machine's nor encrypted.

#include <cstdint>
#include <memory>
#include <string>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "database/look.h"
#include "database/source.h"

namespace weir::database {

/// How a server is reached; docs/guide/mysql-source.md.
struct MysqlSettings {
  std::string host;  ///< A name, an address, or the path of a unix socket.
  int64_t port = 3306;
  std::string database;  ///< Where tables are looked for that name no other.
  std::string user;
  std::string password;
  /// `disable`, `require` or `verify-full`. Nothing said: `verify-full`; on this machine (loopback,
  /// socket) encrypted where the server is able to.
  std::string sslmode;
  std::string sslrootcert;           ///< A file; nothing said: the certificates of the system.
  int64_t lock_timeout_ms = 30'000;  ///< Of one lock on a table's definition.
  int64_t statement_timeout_ms = 0;  ///< Of one statement; 0: the server's own.
  int64_t connect_timeout_ms = 10'000;

  /// `mysql://user@host:port/database`, for messages.
  std::string text() const;
};

/// Reads the options of a connection, with secrets resolved. kInvalidConfig names what is missing,
/// unknown or of no use.
Result<MysqlSettings> read_mysql_settings(const Json& options);

struct MysqlOptions {
  MysqlSettings settings;
  std::string application_name = "weir";  ///< As others see us: `program_name`.
  Clock* clock = nullptr;
  const Cancel* cancel = nullptr;
};

/// The code for a number of MySQL's or MariaDB's errors, and a hint where there is a way out that
/// holds everywhere.
Error explain_mysql_error(unsigned int number, std::string message);

/// Errors as open_source() says them, and those of connecting: kDenied where the server does not
/// let us in, kNotFound where it has no such database, kUnavailable where it is not reached within
/// connect_timeout, kInvalidConfig where the way to it cannot be made safe.
Result<std::unique_ptr<Source>> open_mysql_source(const MysqlOptions& options,
                                                  SourceRequest request);
Result<std::unique_ptr<Look>> open_mysql_look(const MysqlOptions& options);

}  // namespace weir::database
