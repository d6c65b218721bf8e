// MariaDB's client library with its blocking calls. A wish to stop shuts the socket down, which
// ends any of them at once; then the server is told through a connection of its own.

#include "database/mysql/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>
#include <filesystem>
#include <mutex>
#include <utility>

#include <mariadb/errmsg.h>

#include "base/process.h"
#include "base/redact.h"
#include "base/this_machine.h"

namespace weir::database::mysql {
namespace {

constexpr unsigned int kBinaryCharset = 63;
constexpr unsigned int kPatienceS = 3;  ///< For telling a server to stop.
constexpr unsigned long kMostPacketBytes = 1UL << 30;
constexpr int64_t kMostRows = 100'000;
// A value that is longer makes its slot grow.
constexpr size_t kFirstBytes = 256;

// Ways to log in that tell nobody the password who does not have it. caching_sha2_password and
// sha256_password send it in clear over TLS, and encrypted with the server's key otherwise.
constexpr const char* kSafeLogins =
    "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,auth_socket";
constexpr const char* kLoginsOverTls =
    "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,auth_socket,"
    "mysql_clear_password";

bool is_on_this_machine(const std::string& host) {
  return host.starts_with('/') || names_this_machine(host);
}

void set_flag(MYSQL* handle, mysql_option option, bool is_on) {
  const my_bool value = is_on ? 1 : 0;
  mysql_optionsv(handle, option, &value);
}

void set_keepalive(my_socket socket) {
  const auto set = [&](int level, int option, int value) {
    (void)setsockopt(socket, level, option, &value, sizeof(value));
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 60'000);
}

bool is_whole(enum_field_types type) {
  return type == MYSQL_TYPE_TINY || type == MYSQL_TYPE_SHORT || type == MYSQL_TYPE_INT24 ||
         type == MYSQL_TYPE_LONG || type == MYSQL_TYPE_LONGLONG || type == MYSQL_TYPE_YEAR;
}

bool is_timed(enum_field_types type) {
  return type == MYSQL_TYPE_DATE || type == MYSQL_TYPE_NEWDATE || type == MYSQL_TYPE_DATETIME ||
         type == MYSQL_TYPE_TIMESTAMP || type == MYSQL_TYPE_TIME;
}

bool is_numeric_text(enum_field_types type) {
  return type == MYSQL_TYPE_DECIMAL || type == MYSQL_TYPE_NEWDECIMAL;
}

Field field_of(const MYSQL_FIELD& from) {
  Field field;
  field.name.assign(from.name, from.name_length);
  field.type = from.type;
  field.flags = from.flags;
  field.charset = from.charsetnr;
  field.decimals = from.decimals;
  field.length = from.length;
  MARIADB_CONST_STRING name{};
  if (mariadb_field_attr(&name, &from, MARIADB_FIELD_ATTR_DATA_TYPE_NAME) == 0)
    field.data_type.assign(name.str, name.length);
  return field;
}

}  // namespace

std::string quoted_name(std::string_view name) {
  std::string quoted = "`";
  for (const char c : name) {
    if (c == '`') quoted += '`';
    quoted += c;
  }
  return quoted + '`';
}

// ---- rows

Rows::~Rows() {
  // Closing reads what is left, however much that is: who does not want it gives the connection up.
  if (is_open_) connection_.give_up();
  mysql_stmt_close(statement_);
}

Error Rows::explain() const {
  // A connection that breaks between rows is known to the connection alone.
  const unsigned int number = mysql_stmt_errno(statement_);
  return number != 0 ? connection_.explain(number, mysql_stmt_error(statement_))
                     : connection_.explain_last();
}

MYSQL_BIND Rows::binding(size_t column) {
  const Field& field = fields_[column];
  Slot& slot = slots_[column];
  MYSQL_BIND bind;
  std::memset(&bind, 0, sizeof(bind));
  bind.is_null = &slot.is_null;
  bind.length = &slot.length;
  bind.error = &slot.is_cut;
  if (is_whole(field.type)) {
    bind.buffer_type = MYSQL_TYPE_LONGLONG;
    bind.buffer = &slot.whole;
    bind.buffer_length = sizeof(slot.whole);
    bind.is_unsigned = (field.flags & UNSIGNED_FLAG) != 0 ? 1 : 0;
  } else if (field.type == MYSQL_TYPE_FLOAT) {
    bind.buffer_type = MYSQL_TYPE_FLOAT;
    bind.buffer = &slot.single;
    bind.buffer_length = sizeof(slot.single);
  } else if (field.type == MYSQL_TYPE_DOUBLE) {
    bind.buffer_type = MYSQL_TYPE_DOUBLE;
    bind.buffer = &slot.floating;
    bind.buffer_length = sizeof(slot.floating);
  } else if (is_timed(field.type)) {
    bind.buffer_type = field.type;
    bind.buffer = &slot.time;
    bind.buffer_length = sizeof(slot.time);
  } else {
    if (slot.bytes.empty()) slot.bytes.resize(kFirstBytes);
    bind.buffer_type = MYSQL_TYPE_BLOB;
    bind.buffer = slot.bytes.data();
    bind.buffer_length = slot.bytes.size();
  }
  return bind;
}

Status Rows::bind() {
  bindings_.clear();
  for (size_t i = 0; i < fields_.size(); ++i) bindings_.push_back(binding(i));
  if (mysql_stmt_bind_result(statement_, bindings_.data()) != 0) return std::unexpected(explain());
  return {};
}

/// Reads again what did not fit, with room for it.
Status Rows::take_cut_values() {
  bool has_grown = false;
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (slot.is_null != 0 || slot.bytes.empty() || slot.length <= slot.bytes.size()) continue;
    slot.bytes.resize(std::max<size_t>(slot.length, slot.bytes.size() * 2));
    MYSQL_BIND again = binding(i);
    if (mysql_stmt_fetch_column(statement_, &again, static_cast<unsigned int>(i), 0) != 0)
      return std::unexpected(explain());
    has_grown = true;
  }
  if (has_grown) WEIR_TRY(bind());
  return {};
}

void Rows::fill(size_t column) {
  const Field& field = fields_[column];
  const Slot& slot = slots_[column];
  Cell& cell = cells_[column];
  cell.text = {};
  if (slot.is_null != 0) {
    cell.kind = CellKind::kNull;
  } else if (is_whole(field.type)) {
    const bool is_unsigned = (field.flags & UNSIGNED_FLAG) != 0;
    cell.kind = is_unsigned ? CellKind::kUnsigned : CellKind::kInteger;
    cell.integer = slot.whole;
    cell.natural = static_cast<uint64_t>(slot.whole);
  } else if (field.type == MYSQL_TYPE_FLOAT || field.type == MYSQL_TYPE_DOUBLE) {
    const bool is_single = field.type == MYSQL_TYPE_FLOAT;
    cell.kind = is_single ? CellKind::kFloat : CellKind::kDouble;
    cell.floating = is_single ? static_cast<double>(slot.single) : slot.floating;
  } else if (is_timed(field.type)) {
    const MYSQL_TIME& time = slot.time;
    const bool is_day = field.type == MYSQL_TYPE_DATE || field.type == MYSQL_TYPE_NEWDATE;
    cell.kind = field.type == MYSQL_TYPE_TIME ? CellKind::kTime
                : is_day                      ? CellKind::kDate
                                              : CellKind::kDateTime;
    cell.time = {.year = time.year,
                 .month = time.month,
                 .day = time.day,
                 .hour = time.hour,
                 .minute = time.minute,
                 .second = time.second,
                 .microsecond = static_cast<uint32_t>(time.second_part),
                 .is_negative = time.neg != 0};
    cell.fraction_digits = static_cast<int>(std::min(field.decimals, 6U));
  } else {
    cell.text = {slot.bytes.data(), slot.length};
    const bool is_bit = field.type == MYSQL_TYPE_BIT;
    const bool is_bytes = field.charset == kBinaryCharset;
    if (is_bit) {
      cell.kind = CellKind::kUnsigned;
      cell.natural = 0;
      for (const char byte : cell.text)
        cell.natural = (cell.natural << 8) | static_cast<uint8_t>(byte);
      cell.text = {};
    } else if (is_numeric_text(field.type)) {
      cell.kind = CellKind::kNumeric;
    } else {
      cell.kind = is_bytes && field.type != MYSQL_TYPE_JSON ? CellKind::kBytes : CellKind::kText;
    }
  }
}

Result<std::optional<std::span<const Cell>>> Rows::next() {
  if (!is_open_) return std::nullopt;
  const int answer = mysql_stmt_fetch(statement_);
  if (answer == MYSQL_NO_DATA) {
    is_open_ = false;
    return std::nullopt;
  }
  if (answer != 0 && answer != MYSQL_DATA_TRUNCATED) {
    is_open_ = false;
    return std::unexpected(explain());
  }
  if (answer == MYSQL_DATA_TRUNCATED) WEIR_TRY(take_cut_values());
  for (size_t i = 0; i < cells_.size(); ++i) fill(i);
  return std::span<const Cell>(cells_);
}

// ---- connection

Connection::~Connection() {
  if (listener_ >= 0) const_cast<Cancel&>(*options_.cancel).remove_listener(listener_);
  if (handle_ == nullptr) return;
  if (was_stopped_) tell_to_stop();
  mysql_close(handle_);
}

MYSQL* Connection::make_handle(unsigned int timeout_s) const {
  static std::once_flag once;
  std::call_once(once, [] { mysql_server_init(0, nullptr, nullptr); });
  MYSQL* handle = mysql_init(nullptr);
  if (handle == nullptr) return nullptr;
  mysql_optionsv(handle, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
  mysql_optionsv(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  mysql_optionsv(handle, MYSQL_OPT_MAX_ALLOWED_PACKET, &kMostPacketBytes);
  mysql_optionsv(handle, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name",
                 options_.application_name.c_str());
  // A server may ask any client for any file of its machine, where that lets it.
  const unsigned int no = 0;
  mysql_optionsv(handle, MYSQL_OPT_LOCAL_INFILE, &no);
  set_flag(handle, MYSQL_OPT_RECONNECT, false);
  // A folder that was made to run elsewhere brings the library's plugins along; see tools/dist.
  const auto plugins =
      std::filesystem::path(this_program()).parent_path().parent_path() / "lib/mariadb";
  std::error_code error;
  if (std::filesystem::is_directory(plugins, error))
    mysql_optionsv(handle, MYSQL_PLUGIN_DIR, plugins.c_str());
  const bool is_socket = options_.settings.host.starts_with('/');
  const unsigned int way = is_socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
  mysql_optionsv(handle, MYSQL_OPT_PROTOCOL, &way);
  return handle;
}

namespace {

/// Encryption, and the ways to log in that it allows.
void set_tls(MYSQL* handle, const MysqlSettings& settings, const std::string& mode) {
  const bool is_checked = mode == "verify-full";
  const std::string authorities =
      !settings.sslrootcert.empty() ? settings.sslrootcert : system_ca_file();
  if (mode != "disable") set_flag(handle, MYSQL_OPT_SSL_ENFORCE, true);
  set_flag(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, is_checked);
  if (is_checked && !authorities.empty())
    mysql_optionsv(handle, MYSQL_OPT_SSL_CA, authorities.c_str());
  mysql_optionsv(handle, MARIADB_OPT_RESTRICTED_AUTH, is_checked ? kLoginsOverTls : kSafeLogins);
}

MYSQL* connect_handle(MYSQL* handle, const MysqlSettings& settings) {
  const bool is_socket = settings.host.starts_with('/');
  return mysql_real_connect(handle, is_socket ? nullptr : settings.host.c_str(),
                            settings.user.c_str(), settings.password.c_str(),
                            settings.database.c_str(), static_cast<unsigned int>(settings.port),
                            is_socket ? settings.host.c_str() : nullptr, 0);
}

std::string mode_of(const MysqlSettings& settings) {
  if (!settings.sslmode.empty()) return settings.sslmode;
  return is_on_this_machine(settings.host) ? "prefer" : "verify-full";
}

}  // namespace

Status Connection::connect() {
  WEIR_TRY(cancel().check());
  const MysqlSettings& settings = options_.settings;
  const std::string mode = mode_of(settings);
  const auto timeout_s =
      static_cast<unsigned int>(std::max<int64_t>(1, (settings.connect_timeout_ms + 999) / 1000));
  // On this machine nobody listens in between: a server without TLS is fine.
  const std::vector<std::string> ways =
      mode == "prefer" ? std::vector<std::string>{"require", "disable"} : std::vector{mode};
  for (const auto& way : ways) {
    if (handle_ != nullptr) mysql_close(std::exchange(handle_, nullptr));
    handle_ = make_handle(timeout_s);
    if (handle_ == nullptr)
      return fail(ErrorCode::kResourceExhausted, "{}: out of memory", settings.text());
    set_tls(handle_, settings, way);
    const bool is_open = connect_handle(handle_, settings) != nullptr;
    // The library may go on without where the server says that it has no TLS.
    if (is_open && way != "disable" && mysql_get_ssl_cipher(handle_) == nullptr) {
      if (mode == "prefer") continue;
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("{}: the server has no TLS", settings.text()),
                            "turn it on there; or write sslmode: disable, where the way to the "
                            "server is safe without");
    }
    if (is_open) {
      set_keepalive(mysql_get_socket(handle_));
      return {};
    }
    const bool is_last = way == ways.back() || mysql_errno(handle_) != CR_SSL_CONNECTION_ERROR;
    if (is_last) return std::unexpected(explain_last());
  }
  return fail(ErrorCode::kInternal, "{}: no way to connect", settings.text());
}

void Connection::give_up() {
  was_stopped_ = true;
  (void)shutdown(mysql_get_socket(handle_), SHUT_RDWR);
}

/// From now on a wish to stop ends what waits for the server.
void Connection::watch() {
  is_connected_ = true;
  const my_socket socket = mysql_get_socket(handle_);
  listener_ = const_cast<Cancel&>(cancel()).add_listener([this, socket] {
    was_stopped_ = true;
    (void)shutdown(socket, SHUT_RDWR);
  });
}

/// The server would compute on until it has something to send.
void Connection::tell_to_stop() const {
  MYSQL* other = make_handle(kPatienceS);
  if (other == nullptr) return;
  const std::string mode = mode_of(options_.settings);
  set_tls(other, options_.settings,
          mysql_get_ssl_cipher(handle_) == nullptr ? "disable"
          : mode == "prefer"                       ? "require"
                                                   : mode);
  mysql_optionsv(other, MYSQL_OPT_READ_TIMEOUT, &kPatienceS);
  if (connect_handle(other, options_.settings) != nullptr) {
    const std::string kill = fmt::format("KILL {}", mysql_thread_id(handle_));
    (void)mysql_real_query(other, kill.data(), kill.size());
  }
  mysql_close(other);
}

Status Connection::prepare_session() {
  const MysqlSettings& settings = options_.settings;
  const int64_t lock_s = std::max<int64_t>(1, settings.lock_timeout_ms / 1000);
  // Char(n) would be filled up with blanks by a mode; a read that waits for its reader is no reason
  // to hang up.
  std::string statement = fmt::format(
      "SET time_zone = '+00:00', sql_mode = REPLACE(@@sql_mode, 'PAD_CHAR_TO_FULL_LENGTH', ''), "
      "sql_select_limit = 18446744073709551615, lock_wait_timeout = {}, net_write_timeout = 86400, "
      "net_read_timeout = 86400, wait_timeout = 604800",
      lock_s);
  if (is_mariadb()) {
    statement += ", idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0";
    if (settings.statement_timeout_ms > 0)
      statement +=
          fmt::format(", max_statement_time = {}.{:03}", settings.statement_timeout_ms / 1000,
                      settings.statement_timeout_ms % 1000);
  } else if (settings.statement_timeout_ms > 0) {
    statement += fmt::format(", max_execution_time = {}", settings.statement_timeout_ms);
  }
  return run(statement);
}

Result<std::unique_ptr<Connection>> Connection::open(const MysqlOptions& options) {
  process_redactor().remember(options.settings.password);
  std::unique_ptr<Connection> connection(new Connection(options));
  WEIR_TRY(connection->connect());
  connection->watch();
  WEIR_TRY(while_doing(connection->prepare_session(), "connecting to " + options.settings.text()));
  return connection;
}

Status Connection::run(const std::string& statement) {
  WEIR_TRY(cancel().check());
  if (mysql_real_query(handle_, statement.data(), statement.size()) != 0)
    return std::unexpected(explain_last());
  return {};
}

Result<std::unique_ptr<Rows>> Connection::stream(const std::string& statement) {
  WEIR_TRY(cancel().check());
  MYSQL_STMT* prepared = mysql_stmt_init(handle_);
  if (prepared == nullptr)
    return fail(ErrorCode::kResourceExhausted, "{}: out of memory", settings().text());
  std::unique_ptr<Rows> rows(new Rows(*this, prepared));
  if (mysql_stmt_prepare(prepared, statement.data(), statement.size()) != 0 ||
      mysql_stmt_execute(prepared) != 0)
    return std::unexpected(rows->explain());
  MYSQL_RES* metadata = mysql_stmt_result_metadata(prepared);
  rows->is_open_ = metadata != nullptr;
  if (metadata == nullptr)
    return fail(ErrorCode::kInvalidConfig, "{}: the statement gives no rows", settings().text());
  const MYSQL_FIELD* fields = mysql_fetch_fields(metadata);
  for (unsigned int i = 0; i < mysql_num_fields(metadata); ++i)
    rows->fields_.push_back(field_of(fields[i]));
  mysql_free_result(metadata);
  rows->slots_.resize(rows->fields_.size());
  rows->cells_.resize(rows->fields_.size());
  WEIR_TRY(rows->bind());
  return rows;
}

Result<Answer> Connection::query(const std::string& statement) {
  WEIR_ASSIGN(const auto rows, stream(statement));
  Answer answer;
  for (const auto& field : rows->fields()) answer.names.push_back(field.name);
  while (true) {
    WEIR_ASSIGN(const auto row, rows->next());
    if (!row) return answer;
    if (std::ssize(answer.rows) >= kMostRows)
      return fail(ErrorCode::kResourceExhausted, "{}: more than {} rows came", settings().text(),
                  kMostRows);
    auto& texts = answer.rows.emplace_back();
    for (const Cell& cell : *row) {
      if (cell.kind == CellKind::kNull)
        texts.emplace_back();
      else
        texts.emplace_back(text_of(cell));
    }
  }
}

std::string Connection::quoted(std::string_view text) const {
  std::string escaped(text.size() * 2 + 1, '\0');
  escaped.resize(mysql_real_escape_string(handle_, escaped.data(), text.data(), text.size()));
  return "'" + escaped + "'";
}

bool Connection::is_mariadb() const { return mariadb_connection(handle_) != 0; }

int Connection::server_version() const {
  return static_cast<int>(mysql_get_server_version(handle_));
}

std::string Connection::server_text() const {
  const int version = server_version();
  return fmt::format("{} {}.{}.{}", is_mariadb() ? "MariaDB" : "MySQL", version / 10'000,
                     version / 100 % 100, version % 100);
}

std::string Connection::tls() const {
  const char* version = nullptr;
  if (mysql_get_ssl_cipher(handle_) == nullptr) return "";
  (void)mariadb_get_infov(handle_, MARIADB_CONNECTION_TLS_VERSION, static_cast<void*>(&version));
  return version != nullptr ? version : "TLS";
}

Error Connection::explain(unsigned int number, const char* words) const {
  if (Status wish = cancel().check(); !wish) return std::move(wish).error();
  std::string text = words != nullptr ? words : "";
  for (char& c : text)
    if (c == '\n' || c == '\t') c = ' ';
  while (text.ends_with('.') || text.ends_with(' ')) text.pop_back();
  // Once connected, TLS breaks with the connection.
  const bool is_lost = number == CR_SERVER_LOST || number == CR_SERVER_GONE_ERROR ||
                       (is_connected_ && (number == CR_SSL_CONNECTION_ERROR || number == 0));
  return explain_mysql_error(is_lost ? CR_SERVER_LOST : number,
                             fmt::format("{}: {}{} ({})", options_.settings.text(),
                                         is_lost ? "the connection is lost: " : "", text, number));
}

Error Connection::explain_last() const {
  return explain(mysql_errno(handle_), mysql_error(handle_));
}

}  // namespace weir::database::mysql
