// A load into PostgreSQL. Rows are staged in a temporary table of the session: it goes with it,
// however that ends, and no other attempt sees it. The transaction that publishes deletes, inserts
// or merges rows in the table that is there: its views, grants, indexes and comments stay, and
// readers see the rows of before until it commits (docs/adr/0016-postgres-warehouse.md).
//
// One load of a table at a time: an advisory lock of the session is held from staging until the
// receipt is there. The server gives it back when the session ends, so whoever holds it knows that
// the sessions before it are over; that is what settles a COMMIT whose answer did not come.

#include <chrono>
#include <thread>
#include <utility>

#include "base/instant.h"
#include "database/postgres.h"
#include "model/names.h"
#include "warehouse/loading.h"
#include "warehouse/postgres/binary_rows.h"
#include "warehouse/postgres/tables.h"
#include "warehouse/postgres/types.h"
#include "warehouse/receipts.h"
#include "warehouse/statements.h"
#include "warehouse/warehouse.h"

namespace weir::warehouse {
namespace postgres {
namespace {

using model::quote_name;

constexpr std::string_view kStagePrefix = "_weir_stage_";
constexpr std::string_view kOwnSchema = "pg_temp";  ///< Of this session alone.
constexpr int kLeastVersion = 120'000;
constexpr int64_t kSendBytes = int64_t{1} << 20;
constexpr int64_t kReadRows = 50'000;
constexpr int64_t kReadBytes = int64_t{16} << 20;
constexpr int64_t kSettleUs = 30'000'000;  ///< Until a server that restarts is back.
constexpr const char* kLockNotAvailable = "55P03";

class PostgresStatements : public Statements {
 public:
  explicit PostgresStatements(std::unique_ptr<database::Postgres>& connection)
      : connection_(connection) {}
  Status run(const std::string& statement) override { return connection_->run(statement); }
  Result<std::vector<sql::Row>> rows(const std::string& statement) override {
    WEIR_ASSIGN(auto answer, connection_->query(statement));
    return std::move(answer.rows);
  }
  Result<std::vector<std::string>> names(const std::string& relation) override {
    WEIR_ASSIGN(auto answer, connection_->query(fmt::format("SELECT * FROM {} LIMIT 0", relation)));
    return std::move(answer.names);
  }

 private:
  std::unique_ptr<database::Postgres>& connection_;
};

/// A column that is read back: what it holds, and its text as a value.
struct ReadColumn {
  std::string name;
  std::string postgres_type;
  model::DataType type;
};

std::vector<std::string> names_of(const std::vector<ReadColumn>& columns) {
  std::vector<std::string> names;
  for (const auto& column : columns) names.push_back(column.name);
  return names;
}

Status prepare(database::Postgres& connection) {
  if (connection.server_version() < kLeastVersion)
    return fail(ErrorCode::kUnsupported, "{} is PostgreSQL {}; weir loads into 12 and later",
                connection.settings().text(), connection.server_version() / 10'000);
  // Rows that a policy hides would be missing in counts without a word. And what was committed is
  // on the disk, whatever the role's default.
  return connection.run(
      "SET row_security = off; "
      "SELECT set_config('synchronous_commit', 'on', false) "
      "WHERE current_setting('synchronous_commit') = 'off'");
}

Result<std::unique_ptr<database::Postgres>> connect(const database::PostgresOptions& options) {
  WEIR_ASSIGN(auto connection, database::open_postgres(options));
  WEIR_TRY(prepare(*connection));
  return connection;
}

class PostgresWarehouse : public Warehouse {
 public:
  PostgresWarehouse(database::PostgresOptions options,
                    std::unique_ptr<database::Postgres> connection,
                    std::unique_ptr<sql::Session> session)
      : options_(std::move(options)),
        schema_(options_.settings.schema.empty() ? "public" : options_.settings.schema),
        connection_(std::move(connection)),
        session_(std::move(session)),
        statements_(connection_) {}

  Result<std::optional<Receipt>> find(const std::string& token) override {
    WEIR_ASSIGN(auto found, read_receipts("\"token\" = $1", {token}));
    if (found.empty()) return std::nullopt;
    WEIR_ASSIGN(const auto table, parse_table_name(found.front().table_name));
    // Somebody dropped the table: the load has to be done again.
    WEIR_ASSIGN(const auto kind, kind_of(*connection_, placed(table)));
    if (!kind) return std::nullopt;
    return std::move(found.front());
  }

  Result<Staged> stage(const Load& load) override {
    WEIR_TRY(check_names(load));
    WEIR_TRY(drop_staged());
    WEIR_TRY(take_lock(placed(load.table)));
    WEIR_TRY(make_schema(placed(load.table).schema));
    WEIR_TRY(make_receipts());
    Staged staged{
        .table = {std::string(kOwnSchema),
                  fmt::format("{}{}_{}", kStagePrefix, load.token.substr(0, 16), load.attempt)}};
    staged_ = staged.table;
    WEIR_TRY(create(staged.table, load.columns));
    WEIR_TRY(while_doing(send(load, staged.table),
                         fmt::format("staging rows for table '{}'", load.table.text())));

    const auto columns = read_columns(load.columns);
    WEIR_ASSIGN(staged.state, state_of(staged.table, columns));
    staged.digest = staged.state.digest();
    if (!load.key.empty()) {
      WEIR_ASSIGN(const auto keys, state_of(staged.table, only(columns, load.key)));
      staged.digest = keys.digest();
    }
    WEIR_ASSIGN(const auto source, source_state(load));
    if (staged.digest != source.digest())
      return fail(ErrorCode::kCheckFailed,
                  "the rows staged for table '{}' are not those of its files", load.table.text());
    staged.rows = staged.state.rows;
    // Temporary tables are analyzed by nobody else, and merges are joins.
    WEIR_TRY(connection_->run("ANALYZE " + staged.table.quoted()));
    return staged;
  }

  Result<Receipt> publish(const Load& load, const Staged& staged) override {
    // Another attempt may have had the lock before us.
    WEIR_ASSIGN(auto done, find(load.token));
    if (done) {
      (void)drop_staged();
      return std::move(*done);
    }
    Load at = load;
    at.table = placed(load.table);
    WEIR_ASSIGN(auto transaction, database::PostgresTransaction::begin(*connection_));
    WEIR_ASSIGN(Receipt receipt, change(load, at, staged));
    WEIR_TRY(write_receipt(receipt, load.columns));
    Status committed = transaction.commit();
    if (!committed && committed.error().code == ErrorCode::kOutcomeUnknown)
      return settle(load, std::move(committed).error());
    WEIR_TRY(committed);
    // The receipt is there: what follows is for others, and ends with the session by itself.
    (void)drop_staged();
    return receipt;
  }

  Status drop_staged() override {
    if (connection_->is_lost()) return {};  // the server drops them
    if (!staged_.table.empty())
      WEIR_TRY(connection_->run("DROP TABLE IF EXISTS " + staged_.quoted()));
    staged_ = {};
    return connection_->run("SELECT pg_advisory_unlock_all()");
  }

  Result<std::optional<TableState>> state(const TableName& table,
                                          const std::vector<std::string>& columns) override {
    WEIR_ASSIGN(const auto kind, kind_of(*connection_, placed(table)));
    if (!kind) return std::nullopt;
    WEIR_ASSIGN(const auto declared, declared_columns(table));
    return state_now(placed(table), columns, declared);
  }

  Result<int64_t> count_rows(const TableName& table) override {
    WEIR_ASSIGN(const auto kind, kind_of(*connection_, placed(table)));
    if (!kind) return fail(ErrorCode::kNotFound, "no table '{}' in the warehouse", table.text());
    return count(statements_, placed(table));
  }

  Result<std::vector<Receipt>> receipts(const TableName& table) override {
    if (table.table.empty()) return read_receipts("true", {});
    return read_receipts("\"table_name\" = $1", {table.text()});
  }

 private:
  TableName placed(const TableName& table) const {
    return {table.schema.empty() ? schema_ : table.schema, table.table};
  }
  TableName receipts_table() const { return {schema_, "_weir_load"}; }

  static Status check_names(const Load& load) {
    WEIR_TRY(check_name_fits(load.table.schema, "schema"));
    WEIR_TRY(check_name_fits(load.table.table, "table"));
    return check_columns(load.columns);
  }

  // ---- one load of a table at a time

  Status take_lock(const TableName& table) {
    WEIR_ASSIGN(const auto key, connection_->query("SELECT hashtextextended($1, 1987208562)",
                                                   {"weir: load into " + table.text()}));
    const std::string number = key.rows.at(0).at(0).value_or("0");
    Status taken = connection_->run(fmt::format("SELECT pg_advisory_lock({})", number));
    if (taken || connection_->sqlstate() != kLockNotAvailable) return taken;
    WEIR_ASSIGN(const auto holders,
                connection_->query(
                    "SELECT format('%s, process %s of the server', a.application_name, a.pid) "
                    "FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid "
                    "WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted "
                    "AND ((l.classid::bigint << 32) | l.objid::bigint) = $1::bigint "
                    "AND l.database = (SELECT oid FROM pg_database "
                    "WHERE datname = current_database())",
                    {number}));
    const std::string holder =
        holders.rows.empty() ? "another session" : holders.rows[0][0].value_or("another session");
    return fail_with_hint(
        ErrorCode::kConflict,
        fmt::format("warehouse table '{}' is loaded by {}; waited {}", table.text(), holder,
                    format_duration_ms(options_.settings.lock_timeout_ms)),
        "wait for it, end it (pg_terminate_backend), or raise `lock_timeout` of the connection");
  }

  // ---- staging

  Status make_schema(const std::string& name) {
    WEIR_ASSIGN(const int64_t there,
                connection_->query_number(
                    "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = $1", {name}));
    if (there > 0) return {};
    return connection_->run("CREATE SCHEMA IF NOT EXISTS " + quote_name(name));
  }

  Status create(const TableName& table, const model::Schema& columns) {
    std::vector<std::string> parts;
    for (const auto& column : columns)
      parts.push_back(quote_name(column.name) + " " + to_postgres(column.type));
    return connection_->run(
        fmt::format("CREATE TABLE {} ({})", table.quoted(), fmt::join(parts, ", ")));
  }

  Result<std::string> rows_of(const Load& load) {
    std::set<std::string> in_files;
    if (!load.files.empty()) {
      WEIR_ASSIGN(const auto columns,
                  session_->describe("SELECT * FROM " + files_relation(load.files)));
      for (const auto& column : columns) in_files.insert(column.name);
    }
    return select_rows(load, in_files);
  }

  Status send(const Load& load, const TableName& to) {
    WEIR_ASSIGN(const auto rows, rows_of(load));
    std::vector<std::string> parts;
    for (const auto& column : load.columns)
      parts.push_back(to_send(column.type, quote_name(column.name)));
    WEIR_ASSIGN(const auto reader,
                session_->stream(fmt::format("SELECT {} FROM ({})", fmt::join(parts, ", "), rows)));
    WEIR_ASSIGN(const auto copy, connection_->copy_in(fmt::format(
                                     "COPY {} ({}) FROM STDIN (FORMAT binary)", to.quoted(),
                                     quoted_list(warehouse::names_of(load.columns)))));
    std::string bytes(binary_header());
    while (true) {
      WEIR_ASSIGN(const auto batch, reader->next());
      if (batch == nullptr) break;
      WEIR_TRY(add_binary_rows(*batch, load.columns, bytes));
      if (static_cast<int64_t>(bytes.size()) < kSendBytes) continue;
      WEIR_TRY(copy->append(bytes));
      bytes.clear();
    }
    bytes += binary_trailer();
    WEIR_TRY(copy->append(bytes));
    WEIR_TRY(copy->finish());
    return {};
  }

  /// The same rows as DuckDB reads them.
  Result<TableState> source_state(const Load& load) {
    WEIR_ASSIGN(const auto rows, rows_of(load));
    const auto& digested = load.key.empty() ? warehouse::names_of(load.columns) : load.key;
    WEIR_ASSIGN(const auto sums, session_->query(sums_of_hashes("(" + rows + ")", digested)));
    return state_from(sums.rows.at(0));
  }

  // ---- publishing, within the transaction

  /// `load` has the table's name as the user wrote it, `at` where it lies.
  Result<Receipt> change(const Load& load, const Load& at, const Staged& staged) {
    WEIR_ASSIGN(const bool is_there, has_table(*connection_, at.table));
    // Readers go on; other writers wait until it is over, so what is counted stays.
    if (is_there)
      WEIR_TRY(connection_->run(
          fmt::format("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", at.table.quoted())));
    Receipt receipt = begin_receipt(load, staged);
    if (load.mode == model::WriteMode::kMerge) WEIR_TRY(check_keys(statements_, at, staged));
    std::map<std::string, model::ExactSum> before_append;
    if (is_there && load.mode == model::WriteMode::kAppend) {
      WEIR_ASSIGN(before_append, control_of(statements_, at, at.table.quoted()));
    }
    std::string summed = at.table.quoted();
    if (!is_there || load.mode == model::WriteMode::kReplace) {
      WEIR_ASSIGN(receipt.counts, replace(at, staged, is_there));
    } else {
      WEIR_ASSIGN(const auto before, newest_state(load));
      WEIR_TRY(while_doing(fit_columns(*connection_, at.table, load.columns, false),
                           fmt::format("loading into table '{}'", load.table.text())));
      add_names(before.columns, receipt.columns);
      if (load.mode == model::WriteMode::kMerge) {
        std::vector<std::string> how = {insert_missing_rows(at, staged.table)};
        const auto update = update_rows(at, staged.table);
        if (!update.empty()) how.insert(how.begin(), update);
        WEIR_ASSIGN(receipt.counts, merge(statements_, at, staged, how));
        WEIR_ASSIGN(auto declared, declared_columns(load.table));
        WEIR_ASSIGN(receipt.state,
                    state_now(at.table, receipt.columns, with(std::move(declared), load.columns)));
        summed = same_rows(at, staged);
      } else {
        WEIR_ASSIGN(receipt.counts, append(statements_, at, staged));
        WEIR_ASSIGN(receipt.state, sum_of(before.state, staged.state));
      }
    }
    WEIR_ASSIGN(const auto sums, warehouse::sums_of(statements_, at, summed, before_append));
    WEIR_TRY(while_doing(model::check_closed(sums),
                         fmt::format("loading into table '{}'", load.table.text())));
    if (!load.control.empty()) receipt.sums = model::to_json(sums);
    receipt.counts.in = load.rows;
    receipt.rows = receipt.counts.out;
    WEIR_ASSIGN(const auto earlier, receipts(load.table));
    receipt.number = earlier.empty() ? 1 : earlier.back().number + 1;
    WEIR_TRY(check_counts(receipt));
    return receipt;
  }

  Result<model::Counts> replace(const Load& at, const Staged& staged, bool is_there) {
    if (is_there) {
      // Not TRUNCATE: it waits for readers and lets them wait, and a reader whose snapshot is older
      // than its commit would find the table empty.
      WEIR_TRY(connection_->run("DELETE FROM " + at.table.quoted()));
      WEIR_TRY(while_doing(fit_columns(*connection_, at.table, at.columns, true),
                           fmt::format("loading into table '{}'", at.table.text())));
    } else {
      WEIR_TRY(create(at.table, at.columns));
    }
    WEIR_TRY(connection_->run(append_rows(at, staged.table)));
    model::Counts counts;
    WEIR_ASSIGN(counts.out, count(statements_, at.table));
    counts.inserted = counts.out;
    return counts;
  }

  /// What the newest receipt says of the table, or, where there is none, what it holds.
  Result<Receipt> newest_state(const Load& load) {
    WEIR_ASSIGN(auto earlier, receipts(load.table));
    if (!earlier.empty() && !earlier.back().columns.empty()) return std::move(earlier.back());
    Receipt receipt;
    WEIR_ASSIGN(receipt.state,
                state_now(placed(load.table), warehouse::names_of(load.columns), load.columns));
    return receipt;
  }

  /// The answer to COMMIT did not come. Whoever then has the lock knows that the session that
  /// asked is over; whether it committed the receipt tells.
  Result<Receipt> settle(const Load& load, Error unknown) {
    const int64_t give_up_at_us = options_.clock->monotonic_us() + kSettleUs;
    staged_ = {};
    while (true) {
      auto again = connect(options_);
      if (again) {
        connection_ = std::move(*again);
        break;
      }
      const bool goes_on =
          is_retried(again.error().code) && options_.clock->monotonic_us() < give_up_at_us;
      if (!goes_on) return std::unexpected(std::move(unknown));
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    Status taken = take_lock(placed(load.table));
    if (!taken) return std::unexpected(std::move(unknown));
    auto found = find(load.token);
    if (!found) return std::unexpected(std::move(unknown));
    (void)drop_staged();
    if (*found) return std::move(**found);
    unknown.code = ErrorCode::kUnavailable;
    unknown.message += "; table '" + load.table.text() + "' is as it was";
    return std::unexpected(std::move(unknown));
  }

  // ---- receipts

  Result<bool> has_receipts() {
    WEIR_ASSIGN(const auto kind, kind_of(*connection_, receipts_table()));
    return kind.has_value();
  }

  Status make_receipts() {
    WEIR_TRY(make_schema(schema_));
    WEIR_ASSIGN(const bool is_there, has_receipts());
    if (is_there) return {};
    // Two that create it at once would get an error of the catalogs' indexes.
    WEIR_ASSIGN(auto transaction, database::PostgresTransaction::begin(*connection_));
    WEIR_TRY(connection_->run(fmt::format(
        "SELECT pg_advisory_xact_lock(hashtextextended('weir: _weir_load', 1987208562)); "
        "CREATE TABLE IF NOT EXISTS {} (\"token\" text PRIMARY KEY, \"table_name\" text NOT NULL, "
        "\"loaded_at\" timestamp with time zone NOT NULL, \"run_id\" text NOT NULL, "
        "\"rows\" bigint NOT NULL, \"digest\" text NOT NULL, \"counts\" jsonb NOT NULL, "
        "\"details\" jsonb NOT NULL)",
        receipts_table().quoted())));
    return transaction.commit();
  }

  Result<std::vector<Receipt>> read_receipts(const std::string& condition,
                                             const database::PostgresRow& values) {
    WEIR_ASSIGN(const bool is_there, has_receipts());
    if (!is_there) return std::vector<Receipt>{};
    WEIR_ASSIGN(
        const auto found,
        connection_->query(fmt::format("SELECT \"token\", \"table_name\", "
                                       "CAST(round(extract(epoch FROM \"loaded_at\") * 1000000) AS "
                                       "bigint), \"run_id\", \"rows\", \"digest\", \"counts\", "
                                       "\"details\" FROM {} WHERE {} ORDER BY \"loaded_at\"",
                                       receipts_table().quoted(), condition),
                           values));
    std::vector<Receipt> receipts;
    for (const auto& row : found.rows) {
      WEIR_ASSIGN(receipts.emplace_back(), receipt_from(row));
    }
    std::ranges::stable_sort(receipts, {}, &Receipt::number);
    return receipts;
  }

  Status write_receipt(const Receipt& receipt, const model::Schema& columns) {
    WEIR_ASSIGN(const auto table, parse_table_name(receipt.table_name));
    WEIR_ASSIGN(auto declared, declared_columns(table));
    Json details = details_of(receipt);
    // Of jsonb and numeric nobody else knows what they hold.
    details["schema"] = model::to_json(with(std::move(declared), columns));
    const auto statement = fmt::format(
        "INSERT INTO {} VALUES ($1, $2, $3::timestamptz, $4, $5::bigint, $6, $7::jsonb, "
        "$8::jsonb) "
        // There is one already where the table was dropped since.
        "ON CONFLICT (\"token\") DO UPDATE SET \"table_name\" = excluded.\"table_name\", "
        "\"loaded_at\" = excluded.\"loaded_at\", \"run_id\" = excluded.\"run_id\", "
        "\"rows\" = excluded.\"rows\", \"digest\" = excluded.\"digest\", "
        "\"counts\" = excluded.\"counts\", \"details\" = excluded.\"details\"",
        receipts_table().quoted());
    WEIR_TRY(while_doing(
        connection_->query(statement,
                           {receipt.token, receipt.table_name, format_instant(receipt.loaded_at_us),
                            receipt.run_id, std::to_string(receipt.rows), receipt.digest,
                            dump_json(model::to_json(receipt.counts)), dump_json(details)}),
        "writing the receipt into _weir_load"));
    return {};
  }

  /// The columns that loads wrote into a table, with the types of their rows.
  Result<model::Schema> declared_columns(const TableName& table) {
    WEIR_ASSIGN(const bool is_there, has_receipts());
    if (!is_there) return model::Schema{};
    WEIR_ASSIGN(const auto found,
                connection_->query(fmt::format("SELECT \"details\" -> 'schema' FROM {} WHERE "
                                               "\"table_name\" = $1 ORDER BY "
                                               "CAST(\"details\" ->> 'number' AS bigint) DESC "
                                               "LIMIT 1",
                                               receipts_table().quoted()),
                                   {table.text()}));
    if (found.rows.empty() || !found.rows[0][0]) return model::Schema{};
    WEIR_ASSIGN(const Json schema, parse_json(*found.rows[0][0]));
    return model::schema_from_json(schema);
  }

  static model::Schema with(model::Schema declared, const model::Schema& columns) {
    for (const auto& column : columns) {
      const auto there = std::ranges::find(declared, column.name, &model::Column::name);
      if (there == declared.end())
        declared.push_back(column);
      else
        *there = column;
    }
    return declared;
  }

  // ---- reading back

  static std::vector<ReadColumn> read_columns(const model::Schema& columns) {
    std::vector<ReadColumn> all;
    for (const auto& column : columns)
      all.push_back({column.name, to_postgres(column.type), column.type});
    return all;
  }

  static std::vector<ReadColumn> only(const std::vector<ReadColumn>& columns,
                                      const std::vector<std::string>& names) {
    std::vector<ReadColumn> chosen;
    for (const auto& name : names)
      for (const auto& column : columns)
        if (column.name == name) chosen.push_back(column);
    return chosen;
  }

  Result<TableState> state_now(const TableName& table, const std::vector<std::string>& names,
                               const model::Schema& declared) {
    WEIR_ASSIGN(const auto there, columns_of(*connection_, table));
    std::vector<ReadColumn> columns;
    for (const auto& name : names) {
      const auto column = std::ranges::find(there, name, &Column::name);
      if (column == there.end()) continue;
      // A type that is none of ours was not loaded so: its text is another value, and is found.
      const auto* loaded = model::find_column(declared, name);
      const auto type = from_postgres(column->type, loaded != nullptr ? &loaded->type : nullptr);
      columns.push_back({name, column->type, type.value_or(model::DataType{})});
    }
    return state_of(table, columns);
  }

  /// Out of PostgreSQL as text, through the casts and the hash of DuckDB, a part at a time.
  Result<TableState> state_of(const TableName& table, const std::vector<ReadColumn>& columns) {
    if (columns.empty()) {
      WEIR_ASSIGN(const int64_t rows, count(statements_, table));
      return TableState{.rows = rows};
    }
    const auto names = names_of(columns);
    std::vector<std::string> values;
    for (size_t i = 0; i < columns.size(); ++i)
      values.push_back(to_read(columns[i].postgres_type, columns[i].type, fmt::format("c{}", i)) +
                       " AS " + quote_name(columns[i].name));
    const std::string sums = sums_of_hashes(
        fmt::format("(SELECT {} FROM weir_read_back)", fmt::join(values, ", ")), names);
    TableState state;
    TextRows rows(columns.size());
    const auto add = [&]() -> Status {
      WEIR_ASSIGN(auto batch, rows.take());
      WEIR_TRY(session_->scan_arrow_once("weir_read_back", rows.schema(), {std::move(batch)}));
      WEIR_ASSIGN(const auto found, session_->query(sums));
      WEIR_ASSIGN(const auto part, state_from(found.rows.at(0)));
      WEIR_ASSIGN(state, sum_of(state, part));
      return {};
    };
    WEIR_ASSIGN(const auto copy,
                connection_->copy_out(fmt::format("COPY (SELECT {} FROM {}) TO STDOUT",
                                                  quoted_list(names), table.quoted())));
    while (true) {
      WEIR_ASSIGN(const auto line, copy->next());
      if (!line) break;
      WEIR_TRY(rows.add(*line));
      if (rows.rows() >= kReadRows || rows.bytes() >= kReadBytes)
        WEIR_TRY(while_doing(add(), fmt::format("reading table '{}' back", table.text())));
    }
    if (rows.rows() > 0)
      WEIR_TRY(while_doing(add(), fmt::format("reading table '{}' back", table.text())));
    return state;
  }

  const database::PostgresOptions options_;
  const std::string schema_;
  std::unique_ptr<database::Postgres> connection_;
  std::unique_ptr<sql::Session> session_;
  PostgresStatements statements_;
  TableName staged_;  ///< Empty: nothing is staged.
};

}  // namespace
}  // namespace postgres

Result<std::unique_ptr<Warehouse>> open_postgres_warehouse(const OpenOptions& options) {
  database::PostgresOptions how;
  how.application_name = options.holder.empty() ? "weir" : "weir, " + options.holder;
  how.clock = options.clock;
  how.cancel = options.cancel;
  const auto connect = [&how](const Json& given) -> Result<std::unique_ptr<database::Postgres>> {
    WEIR_ASSIGN(how.settings, database::read_postgres_settings(given));
    return postgres::connect(how);
  };
  WEIR_ASSIGN(auto opened,
              while_doing(open_with_secrets(options.resolve_secrets, options.connection,
                                            *options.cancel, connect),
                          "opening the warehouse"));
  WEIR_ASSIGN(auto session, sql::open_session(options.session, *options.cancel));
  return std::make_unique<postgres::PostgresWarehouse>(std::move(how), std::move(opened),
                                                       std::move(session));
}

}  // namespace weir::warehouse
