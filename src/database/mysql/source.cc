// One connection, since no two of them can be made to see the same snapshot: it counts, finds the
// watermark and streams the rows, one after the other, within one transaction.

#include <algorithm>
#include <charconv>
#include <mutex>

#include "base/check.h"
#include "base/nearest.h"
#include "database/cell.h"
#include "database/chosen_columns.h"
#include "database/condition.h"
#include "database/mysql/connection.h"
#include "database/mysql/types.h"

namespace weir::database {
namespace {

using model::DataType;
using mysql::Connection;
using mysql::CursorKind;
using mysql::MysqlColumn;
using mysql::quoted_name;

int64_t number_of(const std::optional<std::string>& text) {
  int64_t value = -1;
  if (text) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

class MysqlSource final : public Source {
 public:
  MysqlSource(const MysqlOptions& options, SourceRequest request)
      : options_(options), request_(std::move(request)) {}

  Status open() {
    WEIR_ASSIGN(connection_, Connection::open(options_));
    WEIR_TRY(connection_->run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"));
    WEIR_TRY(take_time());
    WEIR_TRY(connection_->run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"));
    WEIR_TRY(find_source());
    WEIR_TRY(describe());
    return check_cursor();
  }

  const std::vector<SourceColumn>& columns() const override { return columns_; }
  const std::string& name() const override { return name_; }
  int64_t snapshot_at_us() const override { return snapshot_at_us_; }
  int server_version() const override { return connection_->server_version(); }
  std::vector<std::string> warnings() const override { return warnings_; }

  std::optional<SourceColumn> read_as(const SourceColumn& column,
                                      const DataType& type) const override {
    return mysql::fit(own_column_of(own_, column.name), type);
  }

  Result<SourceWatermark> watermark() override {
    const std::lock_guard lock(mutex_);
    SourceWatermark mark;
    for (const auto& column : cursor_) mark.types.push_back(column.column.type_name);
    mark.to = request_.from;
    if (cursor_.empty()) return mark;
    std::vector<std::string> names;
    std::vector<std::string> order;
    std::vector<std::string> nulls;
    std::vector<std::string> conditions = {enclosed(request_.where)};
    for (const auto& column : cursor_) {
      const std::string name = quoted_name(column.column.name);
      names.push_back(name);
      order.push_back(name + " DESC");
      nulls.push_back(name + " IS NULL");
      conditions.push_back(name + " IS NOT NULL");
      // Days that are none would stop at a watermark that is no time.
      if (mysql::cursor_kind(column) == CursorKind::kDate ||
          mysql::cursor_kind(column) == CursorKind::kDateTime)
        conditions.push_back(fmt::format("MONTH({0}) > 0 AND DAYOFMONTH({0}) > 0", name));
    }
    if (!request_.from.empty()) {
      WEIR_ASSIGN(const auto literals, watermark_literals());
      conditions.push_back(beyond(names, literals, false));
    }
    WEIR_ASSIGN(const auto newest,
                connection_->query(fmt::format("SELECT {} FROM {}{} ORDER BY {} LIMIT 1",
                                               fmt::join(names, ", "), from_, where(conditions),
                                               fmt::join(order, ", "))));
    if (!newest.rows.empty()) {
      mark.to.clear();
      for (const auto& value : newest.rows[0]) mark.to.push_back(value.value_or(""));
    }
    WEIR_ASSIGN(
        const auto has_nulls,
        connection_->query(fmt::format(
            "SELECT EXISTS (SELECT 1 FROM {}{})", from_,
            where({enclosed(request_.where), fmt::format("({})", fmt::join(nulls, " OR "))}))));
    mark.has_nulls = number_of(has_nulls.rows.at(0).at(0)) == 1;
    return mark;
  }

  Result<SourceTotals> totals(const std::vector<std::string>& control_columns) override {
    const std::lock_guard lock(mutex_);
    std::string select = "COUNT(*)";
    for (const auto& each : control_columns)
      select += fmt::format(", SUM({0}), COUNT({0})", quoted_name(each));
    WEIR_ASSIGN(const auto answer, connection_->query(fmt::format("SELECT {} FROM {}{}", select,
                                                                  from_, where(window_))));
    const auto& row = answer.rows.at(0);
    SourceTotals totals;
    totals.rows = number_of(row.at(0));
    for (size_t i = 0; i < control_columns.size(); ++i)
      totals.sums.push_back({row.at(2 * i + 1).value_or(""), number_of(row.at(2 * i + 2))});
    return totals;
  }

  Result<int64_t> split(int64_t) override { return 1; }

  Status read(int64_t, const std::vector<SourceColumn>& columns, const ReadOptions& options,
              const Cancel& cancel, const Sink& sink) const override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    std::vector<CellColumn> cells;
    std::unique_ptr<LocalClock> clock;
    for (const auto& column : columns) {
      names.push_back(quoted_name(column.name));
      auto& cell = cells.emplace_back(CellColumn{column.name, column.type, nullptr});
      const bool is_local = column.is_zoneless && column.type.kind == model::TypeKind::kTimestamp;
      if (!is_local || request_.timezone == "UTC") continue;
      if (clock == nullptr) {
        WEIR_ASSIGN(clock, open_local_clock(request_.timezone, cancel));
      }
      cell.clock = clock.get();
    }
    WEIR_ASSIGN(const auto writer, make_cell_writer(std::move(cells), options));
    // A table without columns of the dataset is counted all the same.
    WEIR_ASSIGN(
        const auto rows,
        connection_->stream(fmt::format(
            "SELECT {} FROM {}{}", names.empty() ? "1" : fmt::format("{}", fmt::join(names, ", ")),
            from_, where(window_))));
    const auto pass_on = [&]() -> Status {
      WEIR_ASSIGN(SourceBatch batch, writer->take());
      if (batch.row_count == 0) return {};
      return sink(std::move(batch));
    };
    while (true) {
      WEIR_ASSIGN(const auto row, rows->next());
      if (!row) return pass_on();
      WEIR_TRY(writer->append(*row));
      if (!writer->is_full()) continue;
      WEIR_TRY(cancel.check());
      WEIR_TRY(pass_on());
    }
  }

 private:
  Status take_time() {
    WEIR_ASSIGN(const auto now, connection_->query("SELECT UNIX_TIMESTAMP(UTC_TIMESTAMP(6))"));
    // Seconds with six digits behind the point.
    std::string text = now.rows.at(0).at(0).value_or("");
    std::erase(text, '.');
    snapshot_at_us_ = number_of(text);
    return {};
  }

  Status find_source() {
    if (request_.table.empty()) {
      from_ = fmt::format("({}\n) AS source", without_end(request_.query));
      name_ = "query";
      return {};
    }
    std::string schema = options_.settings.database;
    std::string table = request_.table;
    if (const auto dot = table.find('.'); dot != std::string::npos) {
      schema = table.substr(0, dot);
      table.erase(0, dot + 1);
    }
    name_ = schema + "." + table;
    from_ = quoted_name(schema) + "." + quoted_name(table);
    WEIR_ASSIGN(
        const auto found,
        connection_->query(fmt::format(
            "SELECT ENGINE, (SELECT TRANSACTIONS FROM information_schema.ENGINES e WHERE e.ENGINE "
            "= "
            "t.ENGINE), TABLE_TYPE FROM information_schema.TABLES t WHERE TABLE_SCHEMA = {0} AND "
            "TABLE_NAME = {1} AND (@@lower_case_table_names > 0 OR (BINARY TABLE_SCHEMA = {0} AND "
            "BINARY TABLE_NAME = {1}))",
            connection_->quoted(schema), connection_->quoted(table))));
    if (found.rows.empty()) return no_such_table();
    const auto& row = found.rows[0];
    if (row.at(0) && row.at(1) != "YES")
      warnings_.push_back(
          fmt::format("{} is a table of {}, which knows no snapshots: what is written while it is "
                      "read may be in the read or not, and fails it where the count differs",
                      name_, *row.at(0)));
    return {};
  }

  Status no_such_table() {
    WEIR_ASSIGN(const auto all,
                connection_->query(
                    "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES "
                    "WHERE TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema', "
                    "'mysql', 'sys') ORDER BY 1 LIMIT 10000"));
    std::vector<std::string> names;
    for (const auto& row : all.rows) names.push_back(row.at(0).value_or(""));
    const std::string meant = did_you_mean(name_, names);
    return fail_with_hint(ErrorCode::kNotFound,
                          fmt::format("there is no table {} in {}, or its user may not see it",
                                      name_, options_.settings.text()),
                          meant.empty() ? "`weir connection discover` lists the tables" : meant);
  }

  Status describe() {
    std::vector<MysqlColumn> there;
    {
      WEIR_ASSIGN(const auto shape,
                  connection_->stream(fmt::format("SELECT * FROM {} LIMIT 0", from_)));
      for (const auto& field : shape->fields()) there.push_back(mysql::describe(field));
      WEIR_ASSIGN([[maybe_unused]] const auto end, shape->next());
    }
    WEIR_ASSIGN(auto chosen, choose_columns(there, request_, name_));
    own_ = std::move(chosen.read);
    for (const auto& column : own_) columns_.push_back(column.column);
    cursor_ = std::move(chosen.cursor);
    return {};
  }

  Status check_cursor() {
    window_ = {enclosed(request_.where)};
    for (const auto& column : cursor_) {
      if (mysql::cursor_kind(column) != CursorKind::kNone) continue;
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("cursor column '{}' of {} is {}", column.column.name, name_,
                      column.column.type_name),
          "a cursor grows with what changes: a timestamp, a date, a number or a short text");
    }
    if (cursor_.empty()) return {};
    // The lag must fit, also before there is a watermark.
    const bool is_time = mysql::cursor_kind(cursor_[0]) == CursorKind::kDate ||
                         mysql::cursor_kind(cursor_[0]) == CursorKind::kDateTime;
    WEIR_TRY(mysql::cursor_literal(*connection_, cursor_[0], is_time ? "2000-01-01" : "0",
                                   request_.lag));
    if (request_.from.empty()) return {};
    if (request_.from.size() != cursor_.size())
      return fail(ErrorCode::kInvalidConfig, "the watermark has {} values, the cursor {} columns",
                  request_.from.size(), cursor_.size());
    if (!request_.lag.empty() && request_.lag != "0") {
      WEIR_ASSIGN(const std::string literal,
                  mysql::cursor_literal(*connection_, cursor_[0], request_.from[0], request_.lag));
      window_.push_back(fmt::format("{} >= {}", quoted_name(cursor_[0].column.name), literal));
      return {};
    }
    std::vector<std::string> names;
    for (const auto& column : cursor_) names.push_back(quoted_name(column.column.name));
    WEIR_ASSIGN(const auto literals, watermark_literals());
    window_.push_back(beyond(names, literals, request_.is_inclusive));
    return {};
  }

  Result<std::vector<std::string>> watermark_literals() const {
    std::vector<std::string> literals;
    for (size_t i = 0; i < cursor_.size(); ++i) {
      WEIR_ASSIGN(std::string literal,
                  mysql::cursor_literal(*connection_, cursor_[i], request_.from[i], ""));
      literals.push_back(std::move(literal));
    }
    return literals;
  }

  const MysqlOptions options_;
  const SourceRequest request_;
  mutable std::mutex mutex_;  ///< The connection does one thing at a time.
  std::unique_ptr<Connection> connection_;
  int64_t snapshot_at_us_ = 0;
  std::string name_;
  std::string from_;  ///< What stands behind FROM.
  std::vector<std::string> warnings_;
  std::vector<SourceColumn> columns_;
  std::vector<MysqlColumn> own_;  ///< The same, in the same order.
  std::vector<MysqlColumn> cursor_;
  std::vector<std::string> window_;  ///< Conditions on every row of the read.
};

}  // namespace

Result<std::unique_ptr<Source>> open_mysql_source(const MysqlOptions& options,
                                                  SourceRequest request) {
  auto source = std::make_unique<MysqlSource>(options, std::move(request));
  WEIR_TRY(source->open());
  return source;
}

}  // namespace weir::database
