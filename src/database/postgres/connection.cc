// libpq without its blocking calls: a wait looks at the Cancel ten times a second. A statement that
// is given up is cancelled at the server; where that brings no answer either, the connection is
// closed, and the server rolls back by itself.

#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <libpq-fe.h>

#include "base/check.h"
#include "base/json.h"
#include "base/redact.h"
#include "base/this_machine.h"
#include "database/postgres.h"
#include "model/schema.h"

namespace weir::database {
namespace {

constexpr int kLookMs = 100;
constexpr int64_t kPatienceUs = 10'000'000;  ///< With a server that was told to stop.

struct FreeResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, FreeResult>;

enum class Until {
  kCancelled,  ///< The server is told to stop.
  kPatient,    ///< A wish to stop is heard only after a while: something is being decided.
};

/// On one line, without the words before it that every message has.
std::string brief(std::string_view text) {
  std::string line(text);
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  for (char& c : line)
    if (c == '\n' || c == '\t') c = ' ';
  return line;
}

bool is_on_this_machine(const std::string& host) {
  return host.starts_with('/') || host.starts_with('@') || names_this_machine(host);
}

class Connection;

class CopyInto : public CopyIn {
 public:
  explicit CopyInto(Connection& connection) : connection_(connection) {}
  ~CopyInto() override;
  Status append(std::string_view bytes) override;
  Result<int64_t> finish() override;

 private:
  Connection& connection_;
  bool is_over_ = false;
};

class CopyFrom : public CopyOut {
 public:
  explicit CopyFrom(Connection& connection) : connection_(connection) {}
  ~CopyFrom() override;
  Result<std::optional<std::string_view>> next() override;

 private:
  void free_row() { PQfreemem(std::exchange(row_, nullptr)); }

  Connection& connection_;
  char* row_ = nullptr;
  bool is_over_ = false;
};

class Connection : public Postgres {
 public:
  explicit Connection(const PostgresOptions& options) : options_(options) {}
  ~Connection() override { close(); }

  Status connect();
  Status prepare_session();

  Status run(const std::string& statements) override {
    WEIR_TRY(send(PQsendQuery(connection_, statements.c_str())));
    WEIR_TRY(take_last(Until::kCancelled));
    return {};
  }

  Result<PostgresAnswer> query(const std::string& statement, const PostgresRow& parameters,
                               int64_t max_rows) override {
    WEIR_ASSIGN(const ResultPtr result, ask(statement, parameters));
    const int rows = PQntuples(result.get());
    if (rows > max_rows)
      return fail(ErrorCode::kResourceExhausted, "{}: {} rows came, of {} at most", name(), rows,
                  max_rows);
    PostgresAnswer answer;
    const int columns = PQnfields(result.get());
    for (int c = 0; c < columns; ++c) {
      answer.names.emplace_back(PQfname(result.get(), c));
      answer.types.push_back(PQftype(result.get(), c));
      answer.modifiers.push_back(PQfmod(result.get(), c));
    }
    for (int r = 0; r < rows; ++r) {
      PostgresRow& row = answer.rows.emplace_back();
      for (int c = 0; c < columns; ++c) {
        if (PQgetisnull(result.get(), r, c) == 1)
          row.emplace_back();
        else
          row.emplace_back(std::string(PQgetvalue(result.get(), r, c),
                                       static_cast<size_t>(PQgetlength(result.get(), r, c))));
      }
    }
    answer.changed = changed_by(result.get());
    return answer;
  }

  Result<int64_t> query_number(const std::string& statement,
                               const PostgresRow& parameters) override {
    WEIR_ASSIGN(const auto answer, query(statement, parameters, 2));
    const bool is_one = answer.rows.size() == 1 && answer.rows[0].size() == 1 && answer.rows[0][0];
    const auto number = is_one ? parse_json(*answer.rows[0][0]) : Result<Json>(Json());
    if (!number || !number->is_number_integer())
      return fail(ErrorCode::kInternal, "{}: no single number from: {}", name(), statement);
    return number->get<int64_t>();
  }

  Result<std::unique_ptr<CopyIn>> copy_in(const std::string& statement) override {
    WEIR_TRY(begin_copy(statement, PGRES_COPY_IN));
    return std::make_unique<CopyInto>(*this);
  }

  Result<std::unique_ptr<CopyOut>> copy_out(const std::string& statement) override {
    WEIR_TRY(begin_copy(statement, PGRES_COPY_OUT));
    return std::make_unique<CopyFrom>(*this);
  }

  Status commit() override {
    // Until it is sent nothing has happened.
    WEIR_TRY(send(PQsendQuery(connection_, "COMMIT")));
    auto result = take_last(Until::kPatient);
    if (!result) {
      Error error = std::move(result).error();
      if (is_lost()) {
        error.code = ErrorCode::kOutcomeUnknown;
        error.hint = "";
      }
      return std::unexpected(std::move(error).while_doing("committing"));
    }
    // A transaction in which a statement failed is rolled back by COMMIT, without an error.
    if (std::string_view(PQcmdStatus(result->get())) != "COMMIT")
      return fail(ErrorCode::kInternal, "{}: COMMIT rolled back", name());
    return {};
  }

  void roll_back() noexcept override {
    if (is_lost() || PQsendQuery(connection_, "ROLLBACK") == 0) return;
    (void)take_last(Until::kPatient);
  }

  const std::string& sqlstate() const override { return sqlstate_; }
  bool is_lost() const override {
    return connection_ == nullptr || PQstatus(connection_) != CONNECTION_OK;
  }
  int server_version() const override { return PQserverVersion(connection_); }
  int64_t backend_pid() const override { return PQbackendPID(connection_); }
  const PostgresSettings& settings() const override { return options_.settings; }

  // ---- for the copies

  PGconn* handle() { return connection_; }
  const Cancel& cancel() const { return *options_.cancel; }
  std::string name() const { return options_.settings.text(); }

  Error lost() {
    const std::string words = connection_ != nullptr ? brief(PQerrorMessage(connection_)) : "";
    close();
    return Error{
        ErrorCode::kUnavailable,
        fmt::format("{}: the connection is lost{}{}", name(), words.empty() ? "" : ": ", words),
        {},
        "",
        std::nullopt};
  }

  /// Waits until there is something to read, or room to write, or it is time to look around.
  Status wait(bool to_write) {
    pollfd socket = {PQsocket(connection_), static_cast<short>(POLLIN | (to_write ? POLLOUT : 0)),
                     0};
    if (socket.fd < 0) return std::unexpected(lost());
    if (poll(&socket, 1, kLookMs) < 0 && errno != EINTR) return std::unexpected(lost());
    return {};
  }

  /// Hands what is queued to the kernel.
  Status flush() {
    while (true) {
      const int left = PQflush(connection_);
      if (left < 0) return std::unexpected(lost());
      if (left == 0) return {};
      WEIR_TRY(cancel().check());
      WEIR_TRY(wait(true));
      if (PQconsumeInput(connection_) == 0) return std::unexpected(lost());
    }
  }

  /// The result that comes next; nullptr where the statement is over.
  Result<ResultPtr> take_one(Until until) {
    int64_t give_up_at_us = 0;
    bool was_told = false;
    while (PQisBusy(connection_) == 1) {
      if (options_.cancel->is_cancelled()) {
        const int64_t now_us = options_.clock->monotonic_us();
        if (give_up_at_us == 0) give_up_at_us = now_us + kPatienceUs;
        if (until == Until::kCancelled && !std::exchange(was_told, true)) tell_to_stop();
        if (now_us > give_up_at_us) return std::unexpected(lost());
      }
      const int left = PQflush(connection_);
      if (left < 0) return std::unexpected(lost());
      WEIR_TRY(wait(left == 1));
      if (PQconsumeInput(connection_) == 0) return std::unexpected(lost());
    }
    return ResultPtr(PQgetResult(connection_));
  }

  /// The last result of what was sent; the first error where there is one.
  Result<ResultPtr> take_last(Until until) {
    ResultPtr last;
    std::optional<Error> problem;
    while (true) {
      WEIR_ASSIGN(ResultPtr result, take_one(until));
      if (result == nullptr) break;
      const auto status = PQresultStatus(result.get());
      if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) {
        if (!problem) problem = explain(result.get());
      } else if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT) {
        // Not asked for: end it, or the results never do.
        close();
        return fail(ErrorCode::kInternal, "{}: a COPY where there should be none", name());
      }
      last = std::move(result);
    }
    if (PQstatus(connection_) != CONNECTION_OK) {
      Error error = lost();
      if (problem) error.message = problem->message;
      return std::unexpected(std::move(error));
    }
    if (problem) return std::unexpected(*std::move(problem));
    if (last == nullptr) return std::unexpected(lost());
    return last;
  }

  /// Ends what is under way, whatever it is: its results are of no interest.
  void abandon() {
    const int64_t give_up_at_us = options_.clock->monotonic_us() + kPatienceUs;
    while (connection_ != nullptr && PQtransactionStatus(connection_) == PQTRANS_ACTIVE) {
      if (PQisBusy(connection_) == 0) {
        const ResultPtr result(PQgetResult(connection_));
        if (result == nullptr) return;
        if (PQresultStatus(result.get()) != PGRES_COPY_OUT) continue;
        char* row = nullptr;
        while (PQgetCopyData(connection_, &row, 1) > 0) PQfreemem(row);
      }
      if (!wait(PQflush(connection_) == 1)) return;
      if (PQconsumeInput(connection_) == 0 || options_.clock->monotonic_us() > give_up_at_us)
        close();
    }
  }

  void tell_to_stop() {
    std::array<char, 256> ignored{};
    PGcancel* cancel = PQgetCancel(connection_);
    if (cancel == nullptr) return;
    (void)PQcancel(cancel, ignored.data(), ignored.size());
    PQfreeCancel(cancel);
  }

  static int64_t changed_by(PGresult* result) {
    const auto number = parse_json(PQcmdTuples(result));
    return number && number->is_number_integer() ? number->get<int64_t>() : 0;
  }

 private:
  void close() {
    if (connection_ != nullptr) PQfinish(std::exchange(connection_, nullptr));
  }

  Status send(int was_sent) {
    sqlstate_.clear();
    if (connection_ == nullptr || was_sent == 0) return std::unexpected(lost());
    return {};
  }

  Result<ResultPtr> ask(const std::string& statement, const PostgresRow& parameters) {
    if (connection_ == nullptr) return std::unexpected(lost());
    WEIR_TRY(options_.cancel->check());
    std::vector<const char*> values;
    for (const auto& value : parameters) values.push_back(value ? value->c_str() : nullptr);
    WEIR_TRY(send(PQsendQueryParams(connection_, statement.c_str(), static_cast<int>(values.size()),
                                    nullptr, values.data(), nullptr, nullptr, 0)));
    return take_last(Until::kCancelled);
  }

  Status begin_copy(const std::string& statement, ExecStatusType way) {
    if (connection_ == nullptr) return std::unexpected(lost());
    WEIR_TRY(options_.cancel->check());
    WEIR_TRY(send(PQsendQuery(connection_, statement.c_str())));
    WEIR_ASSIGN(const ResultPtr result, take_one(Until::kCancelled));
    if (result != nullptr && PQresultStatus(result.get()) == way) return {};
    if (result == nullptr) return std::unexpected(lost());
    Error problem =
        PQresultStatus(result.get()) == PGRES_FATAL_ERROR
            ? explain(result.get())
            : Error{ErrorCode::kInternal, "no COPY: " + statement, {}, "", std::nullopt};
    abandon();
    return std::unexpected(std::move(problem));
  }

  /// The server's words, without a row that it may show in full.
  Error explain(PGresult* result) {
    const auto field = [&](int which) {
      const char* text = PQresultErrorField(result, which);
      return text != nullptr ? brief(text) : std::string();
    };
    sqlstate_ = field(PG_DIAG_SQLSTATE);
    if (sqlstate_ == "57014")
      if (Status cancelled = options_.cancel->check(); !cancelled)
        return std::move(cancelled).error();
    std::string text = field(PG_DIAG_MESSAGE_PRIMARY);
    if (text.empty()) text = brief(PQresultErrorMessage(result));
    const std::string detail = field(PG_DIAG_MESSAGE_DETAIL);
    if (!detail.empty() && !detail.starts_with("Failing row")) text += ": " + detail;
    while (text.ends_with('.')) text.pop_back();
    if (sqlstate_.empty() && is_lost()) return lost();
    Error error = explain_sqlstate(sqlstate_, fmt::format("{}: {}", name(), text));
    if (error.hint.empty()) error.hint = field(PG_DIAG_MESSAGE_HINT);
    return error;
  }

  Error explain_no_connection();

  const PostgresOptions options_;
  PGconn* connection_ = nullptr;
  std::string sqlstate_;
};

/// libpq gives no code for these, only words.
Error Connection::explain_no_connection() {
  const std::string text = brief(PQerrorMessage(connection_));
  const auto says = [&](std::string_view words) { return text.find(words) != std::string::npos; };
  const auto say = [&](ErrorCode code, std::string hint) {
    return Error{code, fmt::format("{}: {}", name(), text), {}, std::move(hint), std::nullopt};
  };
  if (says("FATAL:  database"))
    return say(ErrorCode::kNotFound, "create the database: createdb NAME");
  if (says("does not match host name"))
    return say(ErrorCode::kInvalidConfig, "write a name that the certificate has as `host`");
  if (says("certificate") || says("does not support SSL"))
    return say(ErrorCode::kInvalidConfig,
               "name the certificate of the server's authority with `sslrootcert`; `sslmode: "
               "require` encrypts without knowing whom it speaks to");
  if (says("authentication failed") || says("no password supplied") || says("pg_hba.conf") ||
      says("FATAL:  role") || says("authentication method"))
    return say(ErrorCode::kDenied, "check the user, its password and the server's pg_hba.conf");
  if (says("too many") || says("remaining connection slots"))
    return say(ErrorCode::kResourceExhausted, "");
  return say(ErrorCode::kUnavailable, "check that the server runs and can be reached");
}

Status Connection::connect() {
  WEIR_TRY(options_.cancel->check());
  const PostgresSettings& settings = options_.settings;
  const bool is_here = is_on_this_machine(settings.host);
  const std::string mode =
      !settings.sslmode.empty() ? settings.sslmode : (is_here ? "prefer" : "verify-full");
  const std::string certificates =
      !settings.sslrootcert.empty() ? settings.sslrootcert : system_ca_file();
  std::vector<std::pair<const char*, std::string>> given = {
      {"host", settings.host},
      {"port", std::to_string(settings.port)},
      {"dbname", settings.database},
      {"user", settings.user},
      {"sslmode", mode},
      {"gssencmode", "disable"},
      {"application_name", options_.application_name.substr(0, 63)},
      {"client_encoding", "UTF8"},
      {"keepalives_idle", "30"},
      {"keepalives_interval", "10"},
      {"keepalives_count", "3"},
      {"tcp_user_timeout", "60000"}};
  if (!settings.password.empty()) given.emplace_back("password", settings.password);
  if (mode.starts_with("verify") && !certificates.empty())
    given.emplace_back("sslrootcert", certificates);
  std::vector<const char*> names;
  std::vector<const char*> values;
  for (const auto& [name, value] : given) {
    names.push_back(name);
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  // Not expanded: a database named `a=b` is no list of options.
  connection_ = PQconnectStartParams(names.data(), values.data(), 0);
  if (connection_ == nullptr)
    return fail(ErrorCode::kResourceExhausted, "{}: out of memory", name());
  const int64_t deadline_us = options_.clock->monotonic_us() + settings.connect_timeout_ms * 1000;
  for (auto way = PGRES_POLLING_WRITING; way != PGRES_POLLING_OK;
       way = PQconnectPoll(connection_)) {
    if (way == PGRES_POLLING_FAILED || PQstatus(connection_) == CONNECTION_BAD)
      return std::unexpected(explain_no_connection());
    WEIR_TRY(options_.cancel->check());
    pollfd socket = {PQsocket(connection_),
                     static_cast<short>(way == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    while (poll(&socket, 1, kLookMs) <= 0) {
      WEIR_TRY(options_.cancel->check());
      if (options_.clock->monotonic_us() > deadline_us)
        return fail_with_hint(
            ErrorCode::kUnavailable,
            fmt::format("{}: no connection within {} ms", name(), settings.connect_timeout_ms),
            "check host, port and firewalls, or raise `connect_timeout`");
    }
  }
  PQsetnonblocking(connection_, 1);
  PQsetNoticeProcessor(connection_, [](void*, const char*) {}, nullptr);
  return {};
}

Status Connection::prepare_session() {
  const PostgresSettings& settings = options_.settings;
  std::string statements = fmt::format(
      "SET standard_conforming_strings = on; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; "
      "SET IntervalStyle = 'iso_8601'; SET extra_float_digits = 1; SET bytea_output = 'hex'; "
      "SET lock_timeout = {}; SET statement_timeout = {}; "
      // A host that vanished must not keep its locks for ever.
      "SET idle_in_transaction_session_timeout = '10min'; "
      "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = "
      "3",
      settings.lock_timeout_ms, settings.statement_timeout_ms);
  // A server that waits for a lock on our behalf notices that we are gone.
  if (server_version() >= 140000) statements += "; SET client_connection_check_interval = '10s'";
  if (!settings.schema.empty())
    statements += "; SET search_path = " + model::quote_name(settings.schema) + ", public";
  return run(statements);
}

CopyInto::~CopyInto() {
  if (is_over_ || connection_.is_lost()) return;
  (void)PQputCopyEnd(connection_.handle(), "given up");
  connection_.abandon();
}

Status CopyInto::append(std::string_view bytes) {
  constexpr size_t kMostBytes = size_t{1} << 20;
  while (!bytes.empty()) {
    if (connection_.is_lost()) return std::unexpected(connection_.lost());
    WEIR_TRY(connection_.cancel().check());
    const std::string_view part = bytes.substr(0, kMostBytes);
    const int queued =
        PQputCopyData(connection_.handle(), part.data(), static_cast<int>(part.size()));
    if (queued < 0) return std::unexpected(connection_.lost());
    if (queued == 1) bytes.remove_prefix(part.size());
    // libpq would let its buffer grow as long as there is memory.
    WEIR_TRY(connection_.flush());
  }
  return {};
}

Result<int64_t> CopyInto::finish() {
  if (connection_.is_lost()) return std::unexpected(connection_.lost());
  is_over_ = true;
  if (PQputCopyEnd(connection_.handle(), nullptr) < 0) return std::unexpected(connection_.lost());
  WEIR_ASSIGN(const ResultPtr result, connection_.take_last(Until::kCancelled));
  return Connection::changed_by(result.get());
}

CopyFrom::~CopyFrom() {
  free_row();
  if (is_over_ || connection_.is_lost()) return;
  connection_.tell_to_stop();
  connection_.abandon();
}

Result<std::optional<std::string_view>> CopyFrom::next() {
  free_row();
  if (is_over_) return std::nullopt;
  while (true) {
    if (connection_.is_lost()) return std::unexpected(connection_.lost());
    const int size = PQgetCopyData(connection_.handle(), &row_, 1);
    if (size > 0) return std::string_view(row_, static_cast<size_t>(size));
    if (size < 0) {
      is_over_ = true;
      // The error of a copy that broke comes here, too.
      WEIR_TRY(connection_.take_last(Until::kCancelled));
      return std::nullopt;
    }
    WEIR_TRY(connection_.cancel().check());
    WEIR_TRY(connection_.wait(false));
    if (PQconsumeInput(connection_.handle()) == 0) return std::unexpected(connection_.lost());
  }
}

}  // namespace

Result<std::unique_ptr<Postgres>> open_postgres(const PostgresOptions& options) {
  auto connection = std::make_unique<Connection>(options);
  const auto what = [&] { return "connecting to " + options.settings.text(); };
  process_redactor().remember(options.settings.password);
  WEIR_TRY(connection->connect());
  WEIR_TRY(while_doing(connection->prepare_session(), what()));
  return connection;
}

Result<PostgresTransaction> PostgresTransaction::begin(Postgres& connection,
                                                       const std::string& how) {
  WEIR_TRY(connection.run(how));
  return PostgresTransaction(connection);
}

PostgresTransaction::PostgresTransaction(PostgresTransaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

PostgresTransaction::~PostgresTransaction() {
  if (connection_ != nullptr) connection_->roll_back();
}

Status PostgresTransaction::commit() { return std::exchange(connection_, nullptr)->commit(); }

}  // namespace weir::database
