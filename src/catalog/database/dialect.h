#pragma once

/// What differs between SQLite and PostgreSQL, all of it: how to connect, a few words of SQL, and
/// what their errors mean. It knows nothing of weir's tables.

#include <memory>
#include <string>
#include <string_view>

#include <soci/soci.h>

#include "base/result.h"

namespace weir::catalog {

/// Words of SQL that the two databases spell differently. Empty where one needs none.
struct Words {
  std::string_view begin_write;  ///< Starts a transaction that will write.
  std::string_view begin_read;   ///< Starts one that sees a single state of all tables.
  std::string_view for_update;   ///< Behind a SELECT: locks its rows until the end.
  std::string_view lock;         ///< Locks the name `:name` until the end of the transaction.
  std::string_view now_us;       ///< The database's clock; empty: the program's is the one.
  /// The number of the transaction once it has written, else NULL; empty: a commit whose answer is
  /// lost cannot happen.
  std::string_view transaction;
  std::string_view
      outcome;  ///< `committed`, `aborted`, `in progress` of the number `:id`, or NULL.
  std::string_view table_names;  ///< Lists the tables of the schema in use.
  std::string_view json_rows;    ///< The items of the JSON list `:rows`, each a `value`.
};

/// Safe to use from many threads at once.
class Dialect {
 public:
  virtual ~Dialect() = default;

  virtual const std::string& url() const = 0;  ///< Without a password.
  virtual const Words& words() const = 0;
  /// Whether writers of this process should queue up here instead of polling the database's lock.
  virtual bool has_one_writer() const = 0;
  virtual bool has_boolean() const = 0;  ///< Else true is 1.

  /// kNotFound where there is none and it may not be created.
  virtual Result<std::unique_ptr<soci::session>> connect() const = 0;
  /// What an exception of SOCI says about this database.
  virtual Error explain(const std::exception& problem, soci::session* session) const = 0;
  /// Whether the connection is gone, so that nobody knows what its last statement did.
  virtual bool is_lost(soci::session& session) const = 0;
  /// Whether the exception means: rolled back in favour of another transaction, try again.
  virtual bool is_deadlock(const std::exception& problem) const = 0;

  /// Fills the placeholders of a migration: `{touch}` and `{touch:table}` statements that let every
  /// change of the table raise config_revision, `{identity}` a number that counts up, `{int:c}` and
  /// `{json:c}` a condition that column c holds a whole number, valid JSON.
  virtual std::string expand(std::string_view ddl) const = 0;
};

/// Replaces the placeholders of expand() by `fill(word)`, for its implementations; other braces,
/// such as an empty JSON object, stay.
template <typename Fill>
std::string fill_placeholders(std::string_view text, Fill&& fill) {
  std::string result;
  while (true) {
    const auto open = text.find('{');
    result += text.substr(0, open);
    if (open == std::string_view::npos) return result;
    text.remove_prefix(open + 1);
    const std::string_view word = text.substr(0, text.find('}'));
    const bool is_known = word == "identity" || word == "touch" || word.starts_with("touch:") ||
                          word.starts_with("int:") || word.starts_with("json:");
    if (!is_known) {
      result += '{';
      continue;
    }
    result += fill(word);
    text.remove_prefix(word.size() + 1);
  }
}

/// `path` is absolute or counts from the current folder.
std::unique_ptr<Dialect> make_sqlite_dialect(const std::string& path, bool may_create,
                                             int64_t busy_timeout_ms);
/// kInvalidConfig where libpq cannot read the URL.
Result<std::unique_ptr<Dialect>> make_postgres_dialect(const std::string& url,
                                                       int64_t busy_timeout_ms);

}  // namespace weir::catalog
