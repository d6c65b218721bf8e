#pragma once

/// Connections, transactions and rows over SOCI: the one place that calls it, so that its
/// exceptions end here. It knows SQL and nothing of weir's tables.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/cancel.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/result.h"
#include "catalog/database/dialect.h"

namespace weir::catalog {

using Value = std::variant<std::nullptr_t, bool, int64_t, std::string>;

struct Bind {
  std::string_view name;
  Value value;
};
using Binds = std::vector<Bind>;

/// NULL for 0, which our structs use for "not yet".
inline Value null_if_zero(int64_t value) { return value == 0 ? Value(nullptr) : Value(value); }
inline Value null_if_empty(const std::string& text) {
  return text.empty() ? Value(nullptr) : Value(text);
}
inline Value or_null(const std::optional<int64_t>& value) {
  return value ? Value(*value) : Value(nullptr);
}
inline Value json_value(const Json& json) { return dump_json(json); }

/// Text that both databases take: NUL and broken UTF-8 become U+FFFD. For messages, not for keys.
std::string storable(std::string_view text);

/// One row as text, the way both databases hand it over.
class Row {
 public:
  Row(std::shared_ptr<const std::vector<std::string>> columns,
      std::vector<std::optional<std::string>> values)
      : columns_(std::move(columns)), values_(std::move(values)) {}
  const std::optional<std::string>& at(std::string_view column) const;

 private:
  std::shared_ptr<const std::vector<std::string>> columns_;  // one list for all rows of a query
  std::vector<std::optional<std::string>> values_;
};

/// Reads the columns of a row as values; the first fault stays and names table, row and column.
class RowReader {
 public:
  RowReader(std::string_view table, const Row& row, std::string key)
      : table_(table), row_(row), key_(std::move(key)) {}

  std::string text(std::string_view column);  ///< NULL is empty.
  int64_t integer(std::string_view column);   ///< NULL is 0.
  std::optional<int64_t> maybe_integer(std::string_view column);
  bool boolean(std::string_view column);
  Json json(std::string_view column);  ///< NULL is null.
  /// Takes over a value parsed elsewhere, or its error.
  template <typename T>
  T take(std::string_view column, Result<T> value) {
    if (value) return *std::move(value);
    refuse(column, value.error().message);
    return T{};
  }
  Status status() const;

 private:
  void refuse(std::string_view column, const std::string& why);

  std::string_view table_;
  const Row& row_;
  std::string key_;
  std::optional<Error> error_;
};

/// Each row as what `read` makes of it, in order, or the first fault.
template <typename Read>
auto read_all(const std::vector<Row>& rows, Read&& read)
    -> Result<std::vector<typename std::invoke_result_t<Read&, const Row&>::value_type>> {
  std::vector<typename std::invoke_result_t<Read&, const Row&>::value_type> values;
  values.reserve(rows.size());
  for (const Row& row : rows) {
    WEIR_ASSIGN(auto value, read(row));
    values.push_back(std::move(value));
  }
  return values;
}

/// Called before each statement with its text; a test ends the process there or cuts the line.
using StatementHook = std::function<void(std::string_view)>;

/// One connection within a transaction. Not for use from several threads at once.
class Session {
 public:
  Session(const Dialect& dialect, soci::session& session, const StatementHook& hook)
      : dialect_(dialect), session_(session), hook_(hook) {}

  /// `columns` is a list like "a, b, max(c) AS c": names separated by ", "; `rest` starts at FROM.
  Result<std::vector<Row>> select(std::string_view columns, std::string_view rest,
                                  const Binds& binds = {});
  /// How many rows it changed.
  Result<int64_t> execute(std::string_view sql, const Binds& binds = {});
  /// INSERT INTO table of the binds' names; `suffix` is for ON CONFLICT. How many rows it made.
  Result<int64_t> insert(std::string_view table, const Binds& values, std::string_view suffix = "");
  /// UPDATE table SET of the binds' names; `where` starts at WHERE and has binds of its own.
  Result<int64_t> update(std::string_view table, const Binds& values, std::string_view where,
                         const Binds& where_binds);
  /// Nobody else passes here with the same name before this transaction ends.
  Status lock(const std::string& name);
  /// For leases: the database's clock where it has one, else `clock`.
  Result<int64_t> now_us(Clock& clock);

  const Words& words() const { return dialect_.words(); }
  bool met_deadlock() const { return met_deadlock_; }
  bool is_lost() const { return dialect_.is_lost(session_); }

 private:
  std::unexpected<Error> explain(const std::exception& problem);

  const Dialect& dialect_;
  soci::session& session_;
  const StatementHook& hook_;
  bool met_deadlock_ = false;
};

/// How long transactions wait for a server that went away: all of them together, from the first
/// that could not reach it until one succeeds. Safe to use from many threads at once.
class Patience {
 public:
  void set(int64_t limit_ms, const Cancel* cancel);
  /// Waits a moment, longer with each attempt. False, at once, where the time is over or somebody
  /// asks to stop.
  bool wait(int attempt);
  /// The server is there.
  void renew();

 private:
  std::mutex mutex_;
  int64_t limit_ms_ WEIR_GUARDED_BY(mutex_) = 0;
  const Cancel* cancel_ WEIR_GUARDED_BY(mutex_) = nullptr;
  std::optional<std::chrono::steady_clock::time_point> since_ WEIR_GUARDED_BY(mutex_);
};

/// Safe to use from many threads at once; at most kMaxConnections transactions run, others wait.
class Database {
 public:
  Database(std::unique_ptr<Dialect> dialect, StatementHook hook)
      : dialect_(std::move(dialect)), hook_(std::move(hook)) {}

  const Dialect& dialect() const { return *dialect_; }

  /// The tables are there: from now on each transaction leaves its mark in one of them, by which a
  /// COMMIT whose answer was lost is known to have been done or not. Before, such a transaction
  /// begins anew.
  void mark_transactions() { has_marks_ = true; }

  /// From now on transactions wait so long for a server that cannot be reached, and begin anew
  /// where their connection broke.
  void wait_for_server(int64_t limit_ms, const Cancel* cancel) { patience_.set(limit_ms, cancel); }

  /// Runs `body(Session&)` in one transaction that commits if it succeeds. Where the connection
  /// breaks at COMMIT the server is asked what became of it; kOutcomeUnknown where it cannot say.
  /// The body runs again where the database rolled it back in favour of another or lost the
  /// connection, so it must not have other effects.
  template <typename Body>
  auto write(Body&& body) -> std::invoke_result_t<Body&, Session&> {
    std::unique_lock<std::mutex> turn;
    if (dialect_->has_one_writer()) turn = std::unique_lock(writer_mutex_);
    return run(dialect_->words().begin_write, body);
  }
  /// The same for reading: all statements see one state.
  template <typename Body>
  auto read(Body&& body) -> std::invoke_result_t<Body&, Session&> {
    return run(dialect_->words().begin_read, body);
  }

 private:
  static constexpr int kMaxConnections = 8;
  static constexpr int kAttempts = 5;
  struct Connection {
    std::unique_ptr<soci::session> session;
    std::string id;  ///< Of its row among the marks; empty: it has not written yet.
  };
  /// What a transaction that has written is known by.
  struct Mark {
    int64_t number =
        0;  ///< The server's, which it gives anew where it crashed: says when it is over.
    std::string connection_id;
    std::string token;
  };

  template <typename Body>
  auto run(std::string_view begin_sql, Body& body) -> std::invoke_result_t<Body&, Session&> {
    for (int attempt = 1;; ++attempt) {
      WEIR_ASSIGN(Connection connection, begin_patiently(begin_sql));
      Session session(*dialect_, *connection.session, hook_);
      auto result = body(session);
      if (result) {
        WEIR_ASSIGN(const bool is_done, commit(std::move(connection), begin_sql, attempt));
        if (!is_done) continue;
        patience_.renew();
        return result;
      }
      const bool is_lost = session.is_lost();
      const bool met_deadlock = session.met_deadlock();
      roll_back(std::move(connection));
      if (is_lost ? !patience_.wait(attempt) : !met_deadlock || attempt == kAttempts) return result;
    }
  }

  Result<Connection> take();
  void give_back(Connection connection);  ///< Without a session: it is gone.
  Result<Connection> begin(std::string_view sql);
  Result<Connection> begin_patiently(std::string_view sql);
  /// False where nothing was changed and the transaction may begin anew.
  Result<bool> commit(Connection connection, std::string_view begin_sql, int attempt);
  /// Nothing where it has not written.
  std::optional<Mark> leave_mark(Connection& connection);
  /// What became of a transaction, once it is over.
  Result<bool> was_committed(const Mark& mark);
  void roll_back(Connection connection);

  const std::unique_ptr<Dialect> dialect_;
  const StatementHook hook_;
  const std::unique_ptr<Random> random_ = make_system_random();
  bool has_marks_ = false;
  Patience patience_;
  std::mutex writer_mutex_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<Connection> free_ WEIR_GUARDED_BY(mutex_);
  int in_use_ WEIR_GUARDED_BY(mutex_) = 0;
};

}  // namespace weir::catalog
