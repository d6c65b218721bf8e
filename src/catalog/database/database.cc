#include "catalog/database/database.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <thread>

namespace weir::catalog {
namespace {

/// The names of "a, b, max(c) AS c": what follows the last AS.
std::vector<std::string> names_of(std::string_view columns) {
  std::vector<std::string> names;
  while (!columns.empty()) {
    const auto comma = columns.find(", ");
    std::string_view one = columns.substr(0, comma);
    if (const auto as = one.rfind(" AS "); as != std::string_view::npos) one.remove_prefix(as + 4);
    names.emplace_back(one);
    columns.remove_prefix(comma == std::string_view::npos ? columns.size() : comma + 2);
  }
  return names;
}

/// Values in the form SOCI binds: it keeps pointers, so each stays where it is.
class BoundValues {
 public:
  void bind(soci::statement& statement, const Binds& binds, bool has_boolean) {
    for (const auto& [name, value] : binds) {
      Slot& slot = slots_.emplace_back();
      slot.name = name;
      if (std::holds_alternative<std::nullptr_t>(value)) slot.indicator = soci::i_null;
      if (const auto* number = std::get_if<int64_t>(&value)) {
        slot.number = *number;
        statement.exchange(soci::use(slot.number, slot.indicator, slot.name));
        continue;
      }
      if (const auto* text = std::get_if<std::string>(&value)) slot.text = *text;
      if (const auto* flag = std::get_if<bool>(&value)) {
        slot.text = has_boolean ? (*flag ? "t" : "f") : (*flag ? "1" : "0");
      }
      statement.exchange(soci::use(slot.text, slot.indicator, slot.name));
    }
  }

 private:
  struct Slot {
    std::string name;
    long long number = 0;
    std::string text;
    soci::indicator indicator = soci::i_ok;
  };
  std::deque<Slot> slots_;
};

// The number of a transaction alone does not say what became of it: a server that crashed gives the
// numbers anew that had not come to its disk, so another transaction may have ours.
constexpr std::string_view kMark =
    "INSERT INTO transaction_mark (connection_id, token, marked_at_us) "
    "SELECT :connection_id, :token, {now} WHERE {number} IS NOT NULL "
    "ON CONFLICT (connection_id) DO UPDATE "
    "SET token = excluded.token, marked_at_us = excluded.marked_at_us RETURNING {number}";
// Of connections that are long gone. Two of them at once pass over what the other deletes.
constexpr std::string_view kForget =
    "DELETE FROM transaction_mark WHERE connection_id IN (SELECT connection_id "
    "FROM transaction_mark WHERE marked_at_us < {now} - 86400000000 {for_update} SKIP LOCKED)";

/// A connection that cannot even roll back is closed, which does the same.
bool quietly(soci::session& session, std::string_view sql) noexcept {
  try {
    session << std::string(sql);
    return true;
  } catch (...) {
    return false;
  }
}

/// The length of the UTF-8 character at the start of `text`, or 0 where there is none.
size_t character_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first == 0) return 0;
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool is_overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool is_surrogate = first == 0xed && byte(1) >= 0xa0;
  const bool is_too_large = first == 0xf4 && byte(1) >= 0x90;
  return is_overlong || is_surrogate || is_too_large ? 0 : length;
}

}  // namespace

std::string storable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const size_t length = character_length(text);
    if (length == 0) {
      result += "\xef\xbf\xbd";
      text.remove_prefix(1);
      continue;
    }
    result += text.substr(0, length);
    text.remove_prefix(length);
  }
  return result;
}

// ---- rows ----------------------------------------------------------------------------------

const std::optional<std::string>& Row::at(std::string_view column) const {
  const auto found = std::ranges::find(*columns_, column);
  WEIR_CHECK(found != columns_->end());
  return values_[static_cast<size_t>(found - columns_->begin())];
}

void RowReader::refuse(std::string_view column, const std::string& why) {
  if (error_) return;
  error_ = Error{ErrorCode::kCorrupt,
                 fmt::format("table '{}', row '{}', column '{}': {}", table_, key_, column, why),
                 {},
                 "correct the row with SQL; docs/format/catalog.md says what the column holds",
                 std::nullopt};
}

std::string RowReader::text(std::string_view column) { return row_.at(column).value_or(""); }

std::optional<int64_t> RowReader::maybe_integer(std::string_view column) {
  const auto& text = row_.at(column);
  if (!text) return std::nullopt;
  int64_t value = 0;
  const char* end = text->data() + text->size();
  const auto [stop, problem] = std::from_chars(text->data(), end, value);
  if (problem == std::errc() && stop == end) return value;
  refuse(column, fmt::format("'{}' is no whole number", *text));
  return std::nullopt;
}

int64_t RowReader::integer(std::string_view column) { return maybe_integer(column).value_or(0); }

bool RowReader::boolean(std::string_view column) {
  const auto& text = row_.at(column);
  if (text == "t" || text == "1") return true;
  if (text != "f" && text != "0")
    refuse(column, fmt::format("'{}' is neither true nor false", text.value_or("NULL")));
  return false;
}

Json RowReader::json(std::string_view column) {
  const auto& text = row_.at(column);
  if (!text) return {};
  return take(column, parse_json(*text));
}

Status RowReader::status() const {
  if (error_) return std::unexpected(*error_);
  return {};
}

// ---- statements ----------------------------------------------------------------------------

std::unexpected<Error> Session::explain(const std::exception& problem) {
  met_deadlock_ = met_deadlock_ || dialect_.is_deadlock(problem);
  return std::unexpected(dialect_.explain(problem, &session_));
}

Result<std::vector<Row>> Session::select(std::string_view columns, std::string_view rest,
                                         const Binds& binds) {
  const auto names = std::make_shared<const std::vector<std::string>>(names_of(columns));
  const std::string sql = fmt::format("SELECT {} {}", columns, rest);
  try {
    if (hook_) hook_(sql);
    std::vector<std::string> texts(names->size());
    std::vector<soci::indicator> indicators(names->size());
    BoundValues bound;
    soci::statement statement(session_);
    for (size_t i = 0; i < names->size(); ++i)
      statement.exchange(soci::into(texts[i], indicators[i]));
    bound.bind(statement, binds, dialect_.has_boolean());
    statement.alloc();
    statement.prepare(sql, soci::details::st_one_time_query);
    statement.define_and_bind();
    std::vector<Row> rows;
    for (bool has_row = statement.execute(true); has_row; has_row = statement.fetch()) {
      std::vector<std::optional<std::string>> values(names->size());
      for (size_t i = 0; i < names->size(); ++i) {
        if (indicators[i] != soci::i_null) values[i] = texts[i];
      }
      rows.emplace_back(names, std::move(values));
    }
    return rows;
  } catch (const std::exception& problem) {
    return explain(problem);
  }
}

Result<int64_t> Session::execute(std::string_view sql, const Binds& binds) {
  try {
    if (hook_) hook_(sql);
    BoundValues bound;
    soci::statement statement(session_);
    bound.bind(statement, binds, dialect_.has_boolean());
    statement.alloc();
    statement.prepare(std::string(sql), soci::details::st_one_time_query);
    statement.define_and_bind();
    statement.execute(true);
    return statement.get_affected_rows();
  } catch (const std::exception& problem) {
    return explain(problem);
  }
}

Result<int64_t> Session::insert(std::string_view table, const Binds& values,
                                std::string_view suffix) {
  std::string names;
  std::string holes;
  for (const Bind& bind : values) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", bind.name);
    holes += fmt::format("{}:{}", holes.empty() ? "" : ", ", bind.name);
  }
  return execute(fmt::format("INSERT INTO {} ({}) VALUES ({}) {}", table, names, holes, suffix),
                 values);
}

Result<int64_t> Session::update(std::string_view table, const Binds& values, std::string_view where,
                                const Binds& where_binds) {
  std::string sets;
  for (const Bind& bind : values)
    sets += fmt::format("{}{} = :{}", sets.empty() ? "" : ", ", bind.name, bind.name);
  Binds all = values;
  all.insert(all.end(), where_binds.begin(), where_binds.end());
  return execute(fmt::format("UPDATE {} SET {} {}", table, sets, where), all);
}

Status Session::lock(const std::string& name) {
  if (words().lock.empty()) return {};
  WEIR_TRY(execute(words().lock, {{"name", name}}));
  return {};
}

Result<int64_t> Session::now_us(Clock& clock) {
  if (words().now_us.empty()) return clock.now_us();
  WEIR_ASSIGN(const auto rows, select(fmt::format("{} AS now_us", words().now_us), ""));
  RowReader reader("clock", rows.front(), "now");
  const int64_t now_us = reader.integer("now_us");
  WEIR_TRY(reader.status());
  return now_us;
}

// ---- patience ------------------------------------------------------------------------------

void Patience::set(int64_t limit_ms, const Cancel* cancel) {
  const std::lock_guard lock(mutex_);
  limit_ms_ = limit_ms;
  cancel_ = cancel;
}

void Patience::renew() {
  const std::lock_guard lock(mutex_);
  since_.reset();
}

bool Patience::wait(int attempt) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kLook = std::chrono::milliseconds(50);
  const auto pause = kLook * (1 << std::clamp(attempt - 1, 0, 4));
  const auto began = Clock::now();
  while (true) {
    const auto now = Clock::now();
    {
      const std::lock_guard lock(mutex_);
      if (!since_) since_ = now;
      const bool is_over = now - *since_ >= std::chrono::milliseconds(limit_ms_);
      if (is_over || (cancel_ != nullptr && cancel_->is_cancelled())) return false;
    }
    if (now - began >= pause) return true;
    std::this_thread::sleep_for(kLook);
  }
}

// ---- connections ---------------------------------------------------------------------------

Result<Database::Connection> Database::take() {
  {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [this] { return in_use_ < kMaxConnections; });
    ++in_use_;
    if (!free_.empty()) {
      Connection connection = std::move(free_.back());
      free_.pop_back();
      return connection;
    }
  }
  auto connection = dialect_->connect();
  if (!connection) {
    give_back({});
    return std::unexpected(std::move(connection).error());
  }
  return Connection{*std::move(connection), ""};
}

void Database::give_back(Connection connection) {
  {
    const std::scoped_lock lock(mutex_);
    --in_use_;
    if (connection.session != nullptr) free_.push_back(std::move(connection));
  }
  freed_.notify_one();
}

Result<Database::Connection> Database::begin(std::string_view sql) {
  // A connection of the pool may have died while nobody used it: as often as there may be such.
  for (int attempt = 0;; ++attempt) {
    WEIR_ASSIGN(Connection connection, take());
    try {
      if (hook_) hook_(sql);
      *connection.session << std::string(sql);
      return connection;
    } catch (const std::exception& problem) {
      const bool is_lost = dialect_->is_lost(*connection.session);
      Error error = dialect_->explain(problem, connection.session.get());
      connection.session.reset();
      give_back({});
      if (!is_lost || attempt == kMaxConnections) return std::unexpected(std::move(error));
    }
  }
}

Result<Database::Connection> Database::begin_patiently(std::string_view sql) {
  // Without a server there is nothing that comes back: a file that stays locked is locked.
  const bool has_server = !dialect_->words().transaction.empty();
  for (int attempt = 1;; ++attempt) {
    auto connection = begin(sql);
    const bool is_away = !connection && connection.error().code == ErrorCode::kUnavailable;
    if (!is_away || !has_server || !patience_.wait(attempt)) return connection;
  }
}

Result<bool> Database::commit(Connection connection, std::string_view begin_sql, int attempt) {
  const Words& words = dialect_->words();
  const bool has_server = !words.transaction.empty();
  const bool is_read = begin_sql == words.begin_read;
  bool is_asked = false;
  std::optional<Mark> mark;
  Error error;
  try {
    if (has_server && has_marks_ && !is_read) mark = leave_mark(connection);
    is_asked = true;
    if (hook_) hook_("COMMIT");
    *connection.session << "COMMIT";
    give_back(std::move(connection));
    return true;
  } catch (const std::exception& problem) {
    error = dialect_->explain(problem, connection.session.get());
  }
  const bool is_unknown =
      dialect_->is_lost(*connection.session) ||
      (error.code == ErrorCode::kUnavailable && !quietly(*connection.session, "ROLLBACK"));
  connection.session.reset();
  give_back({});
  if (!is_unknown) return std::unexpected(std::move(error));
  if (has_server && is_read) return true;
  // Lost before it came to COMMIT, or a step that makes the tables: it sees itself that it is done.
  if (has_server && (!is_asked || !has_marks_)) {
    if (patience_.wait(attempt)) return false;
    return std::unexpected(std::move(error));
  }
  if (has_server && !mark) return true;  // It has only read.
  if (mark) {
    auto found = was_committed(*mark);
    if (found) return found;
    error = std::move(error).while_doing(
        fmt::format("asking what became of it: {}", found.error().message));
  }
  error.code = ErrorCode::kOutcomeUnknown;
  error.hint = "the change may have been made: look before making it again";
  return std::unexpected(std::move(error).while_doing("committing a transaction"));
}

std::optional<Database::Mark> Database::leave_mark(Connection& connection) {
  const Words& words = dialect_->words();
  soci::session& session = *connection.session;
  const bool is_first = connection.id.empty();
  if (is_first) connection.id = make_uuid4(*random_);
  Mark mark = {.number = 0, .connection_id = connection.id, .token = make_uuid4(*random_)};
  long long number = 0;
  session << fmt::format(kMark, fmt::arg("now", words.now_us),
                         fmt::arg("number", words.transaction)),
      soci::use(mark.connection_id, "connection_id"), soci::use(mark.token, "token"),
      soci::into(number);
  if (!session.got_data()) return std::nullopt;
  if (is_first)
    session << fmt::format(kForget, fmt::arg("now", words.now_us),
                           fmt::arg("for_update", words.for_update));
  mark.number = number;
  return mark;
}

Result<bool> Database::was_committed(const Mark& mark) {
  const Words& words = dialect_->words();
  const auto ask = [&](std::string_view what, std::string_view rest,
                       const Binds& binds) -> Result<std::string> {
    WEIR_ASSIGN(Connection connection, begin_patiently(words.begin_read));
    Session session(*dialect_, *connection.session, hook_);
    const auto rows = session.select(fmt::format("{} AS answer", what), rest, binds);
    roll_back(std::move(connection));
    if (!rows) return std::unexpected(rows.error());
    return rows->front().at("answer").value_or("");
  };
  for (int attempt = 1;; ++attempt) {
    // In this order: a transaction that is over has left its mark, or never will.
    const auto state = ask(words.outcome, "", {{"id", mark.number}});
    const auto marks =
        ask("count(*)", "FROM transaction_mark WHERE connection_id = :id AND token = :token",
            {{"id", mark.connection_id}, {"token", mark.token}});
    if (marks && *marks != "0") return true;
    // The server that crashed may have forgotten the number, and then refuses it as one to come.
    const bool is_over =
        state ? *state != "in progress" : state.error().code == ErrorCode::kInvalidData;
    if (marks && is_over) return false;
    // Else its server process has not seen yet that we are gone, or the line broke once more.
    if (patience_.wait(attempt)) continue;
    if (!marks) return std::unexpected(marks.error());
    return fail(ErrorCode::kOutcomeUnknown, "the server says '{}' of transaction {}",
                state ? *state : state.error().message, mark.number);
  }
}

void Database::roll_back(Connection connection) {
  if (!quietly(*connection.session, "ROLLBACK")) connection.session.reset();
  give_back(std::move(connection));
}

}  // namespace weir::catalog
