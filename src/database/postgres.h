#pragma once

/// A client of PostgreSQL on libpq: connections, statements, COPY in and out. Every wait ends when
/// the Cancel says so (the server is told, too), and every error has the code that the caller can
/// act on, by SQLSTATE. It knows nothing of loads, receipts or types of columns.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"

namespace weir::database {

/// How a server is reached: the options of a connection of kind `postgres`; docs/guide/postgres.md.
struct PostgresSettings {
  std::string host;  ///< A name, an address, or the folder of a unix socket.
  int64_t port = 5432;
  std::string database;
  std::string user;
  std::string password;  ///< Empty: as libpq finds it, in `~/.pgpass`.
  /// `disable`, `require`, `verify-ca` or `verify-full`. Nothing said: `verify-full`; on this
  /// machine (loopback, socket) `prefer`.
  std::string sslmode;
  std::string sslrootcert;           ///< A file; nothing said: the certificates of the system.
  std::string schema;                ///< First of the search path; empty: the server's.
  int64_t lock_timeout_ms = 30'000;  ///< Of one lock.
  int64_t statement_timeout_ms = 0;  ///< Of one statement; 0: none.
  int64_t connect_timeout_ms = 10'000;

  /// `postgresql://user@host:port/database`, for messages.
  std::string text() const;
};

/// Reads the options of a connection, with secrets resolved. kInvalidConfig names what is missing,
/// unknown or of no use; also `allow` and `prefer`, which give up encryption without a word.
Result<PostgresSettings> read_postgres_settings(const Json& options);

/// One statement's rows as text, the way the server writes it (ISO dates in UTC, hex for bytea).
using PostgresRow = std::vector<std::optional<std::string>>;

struct PostgresAnswer {
  std::vector<std::string> names;
  std::vector<uint32_t> types;     ///< OIDs of the columns' types.
  std::vector<int32_t> modifiers;  ///< Of those types (digits, lengths); −1 where there is none.
  std::vector<PostgresRow> rows;
  int64_t changed = 0;  ///< Rows that the statement wrote.
};

/// Rows on their way into a table. Not for several threads at once; while it lives, its connection
/// serves nothing else.
class CopyIn {
 public:
  /// Without finish() the server drops what came.
  virtual ~CopyIn() = default;
  /// Bytes of the stream, cut anywhere.
  virtual Status append(std::string_view bytes) = 0;
  /// Ends the stream: how many rows the server took. kInvalidData for what did not fit.
  virtual Result<int64_t> finish() = 0;
};

/// Rows on their way out. The same holds.
class CopyOut {
 public:
  /// Before the end: the server is told to stop, which fails a transaction.
  virtual ~CopyOut() = default;
  /// The next row as the server sent it (with a header before the first in binary form); nothing
  /// at the end. The bytes live until the next call.
  virtual Result<std::optional<std::string_view>> next() = 0;
};

/// One connection. Not for several threads at once.
class Postgres {
 public:
  virtual ~Postgres() = default;

  /// Statements without parameters, separated by `;`; results are thrown away.
  virtual Status run(const std::string& statements) = 0;
  /// One statement with `$1`, `$2`, … as text. kResourceExhausted beyond `max_rows`.
  virtual Result<PostgresAnswer> query(const std::string& statement,
                                       const PostgresRow& parameters = {},
                                       int64_t max_rows = 100'000) = 0;
  /// One integer from one row (count and the like).
  virtual Result<int64_t> query_number(const std::string& statement,
                                       const PostgresRow& parameters = {}) = 0;
  /// `COPY … FROM STDIN`.
  virtual Result<std::unique_ptr<CopyIn>> copy_in(const std::string& statement) = 0;
  /// `COPY … TO STDOUT`.
  virtual Result<std::unique_ptr<CopyOut>> copy_out(const std::string& statement) = 0;
  /// Ends the transaction. kOutcomeUnknown where the connection broke before the answer: then only
  /// a look through another connection tells. kInternal where the server rolled back.
  virtual Status commit() = 0;
  /// Ends it, though a wish to stop is there; a broken connection has rolled back by itself.
  virtual void roll_back() noexcept = 0;

  /// The SQLSTATE of the last error, five characters; empty where the server sent none.
  virtual const std::string& sqlstate() const = 0;
  /// The connection is gone; nothing can be done with it.
  virtual bool is_lost() const = 0;
  virtual int server_version() const = 0;  ///< `150004` is 15.4.
  virtual int64_t backend_pid() const = 0;
  virtual const PostgresSettings& settings() const = 0;
};

struct PostgresOptions {
  PostgresSettings settings;
  std::string application_name = "weir";  ///< As others see us in pg_stat_activity.
  Clock* clock = nullptr;
  const Cancel* cancel = nullptr;
};

/// Connects; the session speaks UTF-8, ISO dates in UTC, and lets no lock or statement wait longer
/// than the settings say. kDenied where the server does not let us in, kNotFound where it has no
/// such database, kUnavailable where it is not reached within connect_timeout, kInvalidConfig where
/// its certificate cannot be checked.
Result<std::unique_ptr<Postgres>> open_postgres(const PostgresOptions& options);

/// Rolled back unless committed.
class PostgresTransaction {
 public:
  static Result<PostgresTransaction> begin(Postgres& connection, const std::string& how = "BEGIN");
  PostgresTransaction(PostgresTransaction&& other) noexcept;
  PostgresTransaction& operator=(PostgresTransaction&&) = delete;
  ~PostgresTransaction();
  /// See Postgres::commit.
  Status commit();

 private:
  explicit PostgresTransaction(Postgres& connection) : connection_(&connection) {}
  Postgres* connection_;
};

/// The code for a SQLSTATE and a hint where there is a way out that holds everywhere.
Error explain_sqlstate(std::string_view sqlstate, std::string message);

}  // namespace weir::database
