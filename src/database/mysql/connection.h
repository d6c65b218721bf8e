#pragma once

/// One connection to MySQL or MariaDB. Rows come over the binary protocol, one at a time: a FLOAT
/// is itself there and not six digits of it, and nothing is kept of a result but the row at hand.

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <mariadb/mysql.h>

#include "base/cancel.h"
#include "base/result.h"
#include "database/cell.h"
#include "database/mysql.h"

namespace weir::database::mysql {

/// A column of a result, as the protocol describes it.
struct Field {
  std::string name;
  enum_field_types type = MYSQL_TYPE_STRING;
  unsigned int flags = 0;
  unsigned int charset = 0;
  unsigned int decimals = 0;
  uint64_t length = 0;
  std::string data_type;  ///< MariaDB's name of a type that the protocol does not know: `uuid`
};

class Connection;

/// The rows of one statement. While it lives its connection serves nothing else.
class Rows {
 public:
  ~Rows();
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  const std::vector<Field>& fields() const { return fields_; }
  /// The next row, a cell for each field; nothing at the end. Lives until the next call.
  Result<std::optional<std::span<const Cell>>> next();

 private:
  friend class Connection;
  /// Where the values of one column arrive.
  struct Slot {
    int64_t whole = 0;
    float single = 0;
    double floating = 0;
    MYSQL_TIME time{};
    std::vector<char> bytes;
    unsigned long length = 0;
    my_bool is_null = 0;
    my_bool is_cut = 0;
  };
  Rows(Connection& connection, MYSQL_STMT* statement)
      : connection_(connection), statement_(statement) {}
  Status bind();
  MYSQL_BIND binding(size_t column);
  Status take_cut_values();
  void fill(size_t column);
  Error explain() const;

  Connection& connection_;
  MYSQL_STMT* statement_;
  std::vector<Field> fields_;
  std::vector<Slot> slots_;
  std::vector<MYSQL_BIND> bindings_;
  std::vector<Cell> cells_;
  bool is_open_ = false;  ///< There may be rows to come.
};

struct Answer {
  std::vector<std::string> names;
  std::vector<std::vector<std::optional<std::string>>> rows;
};

/// Not for several threads at once. Every wait ends when the Cancel says so; the server is told.
class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const MysqlOptions& options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// One statement without rows.
  Status run(const std::string& statement);
  /// A small result as text. kResourceExhausted beyond 100 000 rows.
  Result<Answer> query(const std::string& statement);
  Result<std::unique_ptr<Rows>> stream(const std::string& statement);

  /// A text literal, whatever the session's sql_mode says of backslashes.
  std::string quoted(std::string_view text) const;

  bool is_mariadb() const;
  int server_version() const;       ///< `101119` is 10.11.19.
  std::string server_text() const;  ///< `MariaDB 10.11.19`
  std::string tls() const;          ///< `TLSv1.3`, or empty.
  const MysqlSettings& settings() const { return options_.settings; }
  const Cancel& cancel() const { return *options_.cancel; }

  /// For rows that nobody wants: nothing can be asked any more.
  void give_up();
  /// What went wrong, or that it was to stop.
  Error explain(unsigned int number, const char* words) const;
  /// The same of the connection's own last error.
  Error explain_last() const;

 private:
  explicit Connection(const MysqlOptions& options) : options_(options) {}
  Status connect();
  Status prepare_session();
  void watch();
  void tell_to_stop() const;
  MYSQL* make_handle(unsigned int timeout_s) const;

  const MysqlOptions options_;
  MYSQL* handle_ = nullptr;
  int listener_ = -1;
  bool is_connected_ = false;
  std::atomic<bool> was_stopped_ = false;
};

/// A name in backticks.
std::string quoted_name(std::string_view name);

}  // namespace weir::database::mysql
