// A load into a DuckDB file. The staging table lies in the target's schema, so the swap is a rename
// inside the transaction that also writes the receipt; DuckDB has written the staged rows before,
// so the transaction is short whatever the size. What a killed attempt staged is dropped by the
// next: nobody else can be at work, the file is held.

#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "base/digest.h"
#include "base/instant.h"
#include "base/lasting_folder.h"
#include "base/process.h"
#include "model/names.h"
#include "warehouse/columns.h"
#include "warehouse/duckdb/database_file.h"
#include "warehouse/duckdb/file_lock.h"
#include "warehouse/loading.h"
#include "warehouse/receipts.h"
#include "warehouse/statements.h"
#include "warehouse/warehouse.h"

namespace weir::warehouse {
namespace duckdb {
namespace {

using model::quote_name;
using model::quote_text;

constexpr std::string_view kReceipts = "\"main\".\"_weir_load\"";
constexpr std::string_view kStagePrefix = "_weir_stage_";
constexpr std::string_view kReceiptColumns =
    "\"token\", \"table_name\", epoch_us(\"loaded_at\"), \"run_id\", \"rows\", \"digest\", "
    "\"counts\"";

/// Rolled back unless committed.
class Transaction {
 public:
  static Result<Transaction> begin(sql::Session& session) {
    WEIR_TRY(session.run("BEGIN TRANSACTION"));
    return Transaction(session);
  }
  Transaction(Transaction&& other) noexcept : session_(std::exchange(other.session_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction() {
    if (session_ != nullptr) (void)session_->run("ROLLBACK");
  }
  Status commit() { return std::exchange(session_, nullptr)->run("COMMIT"); }

 private:
  explicit Transaction(sql::Session& session) : session_(&session) {}
  sql::Session* session_;
};

std::string schema_of(const TableName& table) {
  return table.schema.empty() ? "main" : table.schema;
}

/// For what both warehouses do with the same words.
class SessionStatements : public Statements {
 public:
  explicit SessionStatements(sql::Session& session) : session_(session) {}
  Status run(const std::string& statement) override { return session_.run(statement); }
  Result<std::vector<sql::Row>> rows(const std::string& statement) override {
    WEIR_ASSIGN(auto result, session_.query(statement));
    return std::move(result.rows);
  }
  Result<std::vector<std::string>> names(const std::string& relation) override {
    WEIR_ASSIGN(const auto columns, session_.describe("SELECT * FROM " + relation));
    return names_of(columns);
  }

 private:
  sql::Session& session_;
};

class DuckdbWarehouse : public Warehouse {
 public:
  DuckdbWarehouse(FileLock lock, std::unique_ptr<sql::Session> session)
      : lock_(std::move(lock)), session_(std::move(session)), statements_(*session_) {}

  Result<std::optional<Receipt>> find(const std::string& token) override {
    WEIR_ASSIGN(auto found, read_receipts("\"token\" = " + quote_text(token)));
    if (found.empty()) return std::nullopt;
    WEIR_ASSIGN(const auto table, parse_table_name(found.front().table_name));
    // Somebody dropped the table: the load has to be done again.
    WEIR_ASSIGN(const bool is_there, has_table(table));
    if (!is_there) return std::nullopt;
    return std::move(found.front());
  }

  Result<Staged> stage(const Load& load) override {
    WEIR_TRY(drop_staged());
    if (!load.table.schema.empty())
      WEIR_TRY(session_->run("CREATE SCHEMA IF NOT EXISTS " + quote_name(load.table.schema)));
    Staged staged{
        .table = {load.table.schema,
                  fmt::format("{}{}_{}", kStagePrefix, load.token.substr(0, 16), load.attempt)}};
    std::set<std::string> in_files;
    if (!load.files.empty()) {
      const auto all = "SELECT * FROM " + files_relation(load.files);
      WEIR_ASSIGN(const auto columns, session_->describe(all));
      for (const auto& column : columns) in_files.insert(column.name);
    }
    const auto rows = select_rows(load, in_files);
    WEIR_TRY(while_doing(
        session_->run(fmt::format("CREATE TABLE {} AS {}", staged.table.quoted(), rows)),
        fmt::format("staging rows for table '{}'", load.table.text())));

    const auto& digested = load.key.empty() ? names_of(load.columns) : load.key;
    WEIR_ASSIGN(staged.state, state_of(staged.table.quoted(), names_of(load.columns)));
    staged.digest = staged.state.digest();
    if (!load.key.empty()) {
      WEIR_ASSIGN(const auto keys, state_of(staged.table.quoted(), digested));
      staged.digest = keys.digest();
    }
    WEIR_ASSIGN(const auto source, state_of("(" + rows + ")", digested));
    if (staged.digest != source.digest())
      return fail(ErrorCode::kCheckFailed,
                  "the rows staged for table '{}' are not those of its files", load.table.text());
    WEIR_ASSIGN(staged.rows, count(staged.table));
    return staged;
  }

  Result<Receipt> publish(const Load& load, const Staged& staged) override {
    WEIR_ASSIGN(auto transaction, Transaction::begin(*session_));
    WEIR_TRY(refuse_view(load.table));
    WEIR_ASSIGN(const bool is_there, has_table(load.table));
    const bool adds = is_there && load.mode == model::WriteMode::kAppend;
    model::HopSums sums;
    std::map<std::string, model::ExactSum> before_append;
    if (adds) {
      WEIR_ASSIGN(before_append, control_of(statements_, load, load.table.quoted()));
    }
    Receipt receipt = begin_receipt(load, staged);
    if (load.mode == model::WriteMode::kMerge) WEIR_TRY(check_keys(statements_, load, staged));
    const bool merges = is_there && load.mode == model::WriteMode::kMerge;
    if (load.mode == model::WriteMode::kReplace || !is_there) {
      WEIR_ASSIGN(receipt.counts, swap(load, staged));
    } else {
      WEIR_ASSIGN(const auto before, newest_state(load));
      WEIR_TRY(change_columns(load));
      add_names(before.columns, receipt.columns);
      if (load.mode == model::WriteMode::kMerge) {
        WEIR_ASSIGN(receipt.counts,
                    merge(statements_, load, staged, {merge_rows(load, staged.table)}));
        WEIR_ASSIGN(sums, sums_of(statements_, load, same_rows(load, staged), {}));
        WEIR_ASSIGN(const auto now, state(load.table, receipt.columns));
        receipt.state = now.value_or(TableState{});
      } else {
        WEIR_ASSIGN(receipt.counts, append(statements_, load, staged));
        WEIR_ASSIGN(receipt.state, sum_of(before.state, staged.state));
      }
      WEIR_TRY(session_->run("DROP TABLE " + staged.table.quoted()));
    }
    if (!merges) {
      WEIR_ASSIGN(sums, sums_of(statements_, load, load.table.quoted(), before_append));
    }
    WEIR_TRY(while_doing(model::check_closed(sums),
                         fmt::format("loading into table '{}'", load.table.text())));
    if (!load.control.empty()) receipt.sums = model::to_json(sums);
    receipt.counts.in = load.rows;
    receipt.rows = receipt.counts.out;
    WEIR_ASSIGN(const auto earlier, receipts_of(load.table));
    receipt.number = earlier.empty() ? 1 : earlier.back().number + 1;
    WEIR_TRY(check_counts(receipt));
    WEIR_TRY(write_receipt(receipt));
    WEIR_TRY(transaction.commit());
    // The commit is durable in the write-ahead log; this only moves it into the file, so a reader
    // of the file alone sees it.
    WEIR_TRY(while_doing(session_->run("CHECKPOINT"), "after the load was committed"));
    return receipt;
  }

  Status drop_staged() override {
    WEIR_ASSIGN(const auto left,
                session_->query(fmt::format(
                    "SELECT schema_name, table_name FROM duckdb_tables() WHERE "
                    "database_name = current_database() AND starts_with(table_name, {})",
                    quote_text(kStagePrefix))));
    for (const auto& row : left.rows)
      WEIR_TRY(session_->run("DROP TABLE " +
                             TableName{row[0].value_or(""), row[1].value_or("")}.quoted()));
    return {};
  }

  Result<std::optional<TableState>> state(const TableName& table,
                                          const std::vector<std::string>& columns) override {
    WEIR_ASSIGN(const bool is_there, has_table(table));
    if (!is_there) return std::nullopt;
    WEIR_ASSIGN(const auto schema, session_->describe("SELECT * FROM " + table.quoted()));
    std::vector<std::string> present;
    for (const auto& name : columns)
      if (model::find_column(schema, name) != nullptr) present.push_back(name);
    return state_of(table.quoted(), present);
  }

  Result<int64_t> count_rows(const TableName& table) override {
    WEIR_ASSIGN(const bool is_there, has_table(table));
    if (!is_there)
      return fail(ErrorCode::kNotFound, "no table '{}' in the warehouse", table.text());
    return count(table);
  }

  Result<std::vector<Receipt>> receipts(const TableName& table) override {
    return receipts_of(table);
  }

 private:
  Result<std::vector<Receipt>> receipts_of(const TableName& table) {
    return read_receipts(table.table.empty() ? std::string("true")
                                             : "\"table_name\" = " + quote_text(table.text()));
  }

  Result<int64_t> count(const TableName& table) {
    return session_->query_number("SELECT count(*) FROM " + table.quoted());
  }

  Result<bool> has_table(const TableName& table) {
    return is_listed("duckdb_tables()", "table_name", table);
  }

  Result<bool> is_listed(std::string_view list, std::string_view column, const TableName& table) {
    WEIR_ASSIGN(const int64_t found,
                session_->query_number(fmt::format(
                    "SELECT count(*) FROM {} WHERE database_name = current_database() AND "
                    "lower(schema_name) = lower({}) AND lower({}) = lower({})",
                    list, quote_text(schema_of(table)), column, quote_text(table.table))));
    return found > 0;
  }

  Status refuse_view(const TableName& table) {
    WEIR_ASSIGN(const bool is_view, is_listed("duckdb_views()", "view_name", table));
    if (!is_view) return {};
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("'{}' is a view in the warehouse", table.text()),
                          "load into a table of another name, or drop the view");
  }

  Result<std::vector<Receipt>> read_receipts(const std::string& condition) {
    WEIR_ASSIGN(const bool is_there, has_table({"main", "_weir_load"}));
    if (!is_there) return std::vector<Receipt>{};
    WEIR_ASSIGN(const auto columns, session_->describe(fmt::format("SELECT * FROM {}", kReceipts)));
    const bool has_details = model::find_column(columns, "details") != nullptr;
    WEIR_ASSIGN(const auto found,
                session_->query(fmt::format(
                    "SELECT {}, {} FROM {} WHERE {} ORDER BY \"loaded_at\", rowid", kReceiptColumns,
                    has_details ? "\"details\"" : "'{}'", kReceipts, condition)));
    std::vector<Receipt> receipts;
    for (const auto& row : found.rows) {
      WEIR_ASSIGN(receipts.emplace_back(), receipt_from(row));
    }
    std::ranges::stable_sort(receipts, {}, &Receipt::number);
    return receipts;
  }

  Status write_receipt(const Receipt& receipt) {
    WEIR_TRY(session_->run(fmt::format(
        "CREATE TABLE IF NOT EXISTS {} (\"token\" VARCHAR PRIMARY KEY, "
        "\"table_name\" VARCHAR NOT NULL, \"loaded_at\" TIMESTAMPTZ NOT NULL, "
        "\"run_id\" VARCHAR NOT NULL, \"rows\" BIGINT NOT NULL, \"digest\" VARCHAR NOT NULL, "
        "\"counts\" VARCHAR NOT NULL)",
        kReceipts)));
    WEIR_TRY(session_->run(
        fmt::format("ALTER TABLE {} ADD COLUMN IF NOT EXISTS \"details\" VARCHAR", kReceipts)));
    // There is one already where the table was dropped since.
    return session_->run(fmt::format(
        "INSERT OR REPLACE INTO {} VALUES ({}, {}, {}::TIMESTAMPTZ, {}, {}, {}, {}, {})", kReceipts,
        quote_text(receipt.token), quote_text(receipt.table_name),
        quote_text(format_instant(receipt.loaded_at_us)), quote_text(receipt.run_id), receipt.rows,
        quote_text(receipt.digest), quote_text(dump_json(model::to_json(receipt.counts))),
        quote_text(dump_json(details_of(receipt)))));
  }

  Result<TableState> state_of(const std::string& relation,
                              const std::vector<std::string>& columns) {
    if (columns.empty()) {
      WEIR_ASSIGN(const int64_t rows, session_->query_number("SELECT count(*) FROM " + relation));
      return TableState{.rows = rows};
    }
    WEIR_ASSIGN(const auto sums, session_->query(sums_of_hashes(relation, columns)));
    const auto& row = sums.rows.at(0);
    return state_from(row);
  }

  /// What the newest receipt says of the table, or, where there is none, what it holds.
  Result<Receipt> newest_state(const Load& load) {
    WEIR_ASSIGN(auto receipts, receipts_of(load.table));
    if (!receipts.empty() && !receipts.back().columns.empty()) return std::move(receipts.back());
    Receipt receipt;
    WEIR_ASSIGN(const auto now, state(load.table, names_of(load.columns)));
    receipt.state = now.value_or(TableState{});
    return receipt;
  }

  Result<model::Counts> swap(const Load& load, const Staged& staged) {
    WEIR_TRY(session_->run("DROP TABLE IF EXISTS " + load.table.quoted()));
    WEIR_TRY(session_->run(fmt::format("ALTER TABLE {} RENAME TO {}", staged.table.quoted(),
                                       quote_name(load.table.table))));
    model::Counts counts;
    WEIR_ASSIGN(counts.out, count(load.table));
    counts.inserted = counts.out;
    return counts;
  }

  Status change_columns(const Load& load) {
    WEIR_ASSIGN(const auto table, session_->describe("SELECT * FROM " + load.table.quoted()));
    WEIR_ASSIGN(const auto changes,
                while_doing(changes_for(table, load.columns),
                            fmt::format("loading into table '{}'", load.table.text())));
    for (const auto& column : changes.added)
      WEIR_TRY(session_->run(fmt::format("ALTER TABLE {} ADD COLUMN {} {}", load.table.quoted(),
                                         quote_name(column.name), model::to_duckdb(column.type))));
    for (const auto& column : changes.widened)
      WEIR_TRY(
          session_->run(fmt::format("ALTER TABLE {} ALTER COLUMN {} TYPE {}", load.table.quoted(),
                                    quote_name(column.name), model::to_duckdb(column.type))));
    return {};
  }

  FileLock lock_;  // given back after the session is closed: the order of members matters
  std::unique_ptr<sql::Session> session_;
  SessionStatements statements_;
};

/// Short, so that a cancelled task does not wait for the holder.
Status pause(const Cancel& cancel) {
  WEIR_TRY(cancel.check());
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  return cancel.check();
}

}  // namespace
}  // namespace duckdb

Result<std::unique_ptr<Warehouse>> open_duckdb_warehouse(const OpenOptions& options) {
  WEIR_ASSIGN(const auto path, json_field_or<std::string>(options.connection, "path", ""));
  if (path.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig, "the connection has no path",
                          "give it `path: data/warehouse.duckdb`");
  WEIR_ASSIGN(const auto timeout,
              json_field_or<std::string>(options.connection, "lock_timeout", "30s"));
  WEIR_ASSIGN(const int64_t timeout_ms, parse_duration_ms(timeout));
  const auto folder = std::filesystem::path(path).parent_path();
  Status made = folder.empty() ? Status{} : make_lasting_folder(folder.string());
  if (!made) {
    made.error().hint = "make the folder, or mend the connection's path";
    return std::unexpected(
        std::move(made).error().while_doing(fmt::format("opening the warehouse file '{}'", path)));
  }

  auto session_options = options.session;
  session_options.database = path;
  const auto holder = fmt::format("process {} on {}{}{}", this_process().pid, host_name(),
                                  options.holder.empty() ? "" : ", ", options.holder);
  const int64_t deadline_us = options.clock->monotonic_us() + timeout_ms * 1000;
  while (true) {
    std::string held_by;
    WEIR_ASSIGN(auto lock, duckdb::FileLock::try_take(path, holder));
    if (lock) {
      auto session = duckdb::open_file(session_options, *options.cancel);
      if (session)
        return std::make_unique<duckdb::DuckdbWarehouse>(std::move(*lock), std::move(*session));
      if (session.error().code != ErrorCode::kConflict)
        return std::unexpected(std::move(session).error());
      held_by = duckdb::holder_in(session.error().message);
      if (held_by.empty()) held_by = session.error().message;
    } else {
      held_by = duckdb::FileLock::holder_of(path);
      if (held_by.empty()) held_by = "another holder";
    }
    if (options.clock->monotonic_us() >= deadline_us)
      return fail_with_hint(
          ErrorCode::kConflict,
          fmt::format("the warehouse file '{}' is held by {}; waited {}", path, held_by, timeout),
          "end that program, or raise `lock_timeout` of the connection");
    lock.reset();
    WEIR_TRY(duckdb::pause(*options.cancel));
  }
}

}  // namespace weir::warehouse
