// One connection and one read transaction: SQLite's own snapshot.

#include <algorithm>
#include <charconv>
#include <mutex>

#include "base/check.h"
#include "base/instant.h"
#include "base/nearest.h"
#include "database/chosen_columns.h"
#include "database/condition.h"
#include "database/sqlite/file.h"
#include "database/sqlite/types.h"
#include "model/control_sums.h"

namespace weir::database {
namespace {

using model::DataType;
using model::quote_name;
using model::quote_text;
using sqlite::Class;
using sqlite::File;
using sqlite::SqliteColumn;

constexpr const char* kTables =
    "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' "
    "ESCAPE '\\'";

std::optional<int64_t> number_of(std::string_view text) {
  int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_number(std::string_view text) {
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() && !text.empty() &&
         text.find_first_of("0123456789") != std::string_view::npos;
}

/// SQLite's own sum() is a floating-point number wherever one value is.
void add_to_sum(sqlite3_context* context, int, sqlite3_value** values) {
  auto** sum =
      static_cast<model::ExactSum**>(sqlite3_aggregate_context(context, sizeof(model::ExactSum*)));
  if (sum == nullptr) return sqlite3_result_error_nomem(context);
  if (*sum == nullptr) *sum = new model::ExactSum;
  sqlite3_value* value = values[0];
  std::string text;
  switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER: text = fmt::format("{}", sqlite3_value_int64(value)); break;
    case SQLITE_FLOAT: text = sqlite::real_text(sqlite3_value_double(value)); break;
    case SQLITE_TEXT:
      text.assign(reinterpret_cast<const char*>(sqlite3_value_text(value)),
                  static_cast<size_t>(sqlite3_value_bytes(value)));
      break;
    default: return;
  }
  const auto is_added = (*sum)->add_text(text);
  if (!is_added) sqlite3_result_error(context, is_added.error().message.c_str(), -1);
}

void give_sum(sqlite3_context* context) {
  auto** sum = static_cast<model::ExactSum**>(sqlite3_aggregate_context(context, 0));
  if (sum == nullptr || *sum == nullptr)
    return sqlite3_result_text(context, "0 0", -1, SQLITE_STATIC);
  const std::string text = fmt::format("{} {}", (*sum)->values(), (*sum)->text());
  delete *sum;
  sqlite3_result_text(context, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

class SqliteSource final : public Source {
 public:
  SqliteSource(const SqliteOptions& options, SourceRequest request)
      : options_(options), request_(std::move(request)) {}

  Status open() {
    WEIR_ASSIGN(file_, File::open(options_));
    sqlite3_create_function_v2(file_->handle(), "weir_exact_sum", 1, SQLITE_UTF8, nullptr, nullptr,
                               add_to_sum, give_sum, nullptr);
    snapshot_at_us_ = options_.clock->now_us();
    WEIR_TRY(file_->run("BEGIN"));
    // The first read takes the snapshot.
    WEIR_TRY(file_->query("SELECT count(*) FROM sqlite_schema"));
    WEIR_TRY(find_source());
    WEIR_TRY(describe());
    return check_cursor();
  }

  const std::vector<SourceColumn>& columns() const override { return columns_; }
  const std::string& name() const override { return name_; }
  int64_t snapshot_at_us() const override { return snapshot_at_us_; }
  int server_version() const override { return sqlite3_libversion_number(); }

  std::optional<SourceColumn> read_as(const SourceColumn& column,
                                      const DataType& type) const override {
    const auto other = sqlite::fit(own_column_of(own_, column.name), type);
    return other ? std::optional(other->column) : std::nullopt;
  }

  Result<SourceWatermark> watermark() override {
    const std::lock_guard lock(mutex_);
    SourceWatermark mark;
    for (const auto& column : cursor_) mark.types.push_back(column.column.type_name);
    mark.to = request_.from;
    if (cursor_.empty()) return mark;
    std::vector<std::string> order;
    std::vector<std::string> nulls;
    std::vector<std::string> conditions = {enclosed(request_.where)};
    for (const auto& name : cursor_names_) {
      order.push_back(name + " DESC");
      nulls.push_back(name + " IS NULL");
      // Blobs stand behind everything else, and infinity behind every number.
      conditions.push_back(
          fmt::format("typeof({0}) IN ('integer', 'real', 'text') AND {0} <> 9e999", name));
    }
    if (!request_.from.empty()) conditions.push_back(beyond(cursor_names_, literals(), false));
    WEIR_ASSIGN(const auto newest,
                file_->prepare(fmt::format("SELECT {} FROM {}{} ORDER BY {} LIMIT 1",
                                           fmt::join(cursor_names_, ", "), from_, where(conditions),
                                           fmt::join(order, ", "))));
    WEIR_ASSIGN(const bool has_row, file_->step(*newest));
    if (has_row) {
      mark.to.clear();
      for (size_t i = 0; i < cursor_.size(); ++i) {
        SqliteColumn as_text;  // whatever it is
        std::string scratch;
        mark.to.push_back(text_of(cell_of(*newest, static_cast<int>(i), as_text, scratch)));
      }
    }
    WEIR_ASSIGN(const auto found,
                file_->query(fmt::format("SELECT EXISTS (SELECT 1 FROM {}{})", from_,
                                         where({enclosed(request_.where),
                                                fmt::format("({})", fmt::join(nulls, " OR "))}))));
    mark.has_nulls = found.at(0).at(0) == "1";
    return mark;
  }

  Result<SourceTotals> totals(const std::vector<std::string>& control_columns) override {
    const std::lock_guard lock(mutex_);
    std::string select = "count(*)";
    for (const auto& each : control_columns)
      select += fmt::format(", weir_exact_sum({})", quote_name(each));
    WEIR_ASSIGN(const auto answer,
                file_->query(fmt::format("SELECT {} FROM {}{}", select, from_, where(window_))));
    const auto& row = answer.at(0);
    SourceTotals totals;
    totals.rows = number_of(row.at(0).value_or("")).value_or(-1);
    for (size_t i = 0; i < control_columns.size(); ++i) {
      const std::string both = row.at(i + 1).value_or("");
      const auto space = std::min(both.find(' '), both.size());
      const int64_t values = number_of(both.substr(0, space)).value_or(-1);
      totals.sums.push_back({values == 0 ? "" : both.substr(space + 1), values});
    }
    return totals;
  }

  Result<int64_t> split(int64_t) override { return 1; }

  Status read(int64_t, const std::vector<SourceColumn>& columns, const ReadOptions& options,
              const Cancel& cancel, const Sink& sink) const override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    std::vector<SqliteColumn> own;
    std::vector<CellColumn> written;
    std::unique_ptr<LocalClock> clock;
    for (const auto& column : columns) {
      names.push_back(quote_name(column.name));
      auto fitted = sqlite::fit(own_column_of(own_, column.name), column.type);
      if (!fitted)
        return fail(ErrorCode::kUnsupported, "column '{}' cannot be read as {}", column.name,
                    model::to_text(column.type));
      auto& cell = written.emplace_back(CellColumn{column.name, column.type, nullptr});
      const bool is_local =
          fitted->column.is_zoneless && column.type.kind == model::TypeKind::kTimestamp;
      own.push_back(*std::move(fitted));
      if (!is_local || request_.timezone == "UTC") continue;
      if (clock == nullptr) {
        WEIR_ASSIGN(clock, open_local_clock(request_.timezone, cancel));
      }
      cell.clock = clock.get();
    }
    WEIR_ASSIGN(const auto writer, make_cell_writer(std::move(written), options));
    WEIR_ASSIGN(
        const auto statement,
        file_->prepare(fmt::format("SELECT {} FROM {}{}",
                                   names.empty() ? "1" : fmt::format("{}", fmt::join(names, ", ")),
                                   from_, where(window_))));
    std::vector<Cell> cells(own.size());
    std::vector<std::string> scratch(own.size());
    const auto pass_on = [&]() -> Status {
      WEIR_ASSIGN(SourceBatch batch, writer->take());
      if (batch.row_count == 0) return {};
      return sink(std::move(batch));
    };
    while (true) {
      WEIR_ASSIGN(const bool has_row, file_->step(*statement));
      if (!has_row) return pass_on();
      for (size_t i = 0; i < own.size(); ++i)
        cells[i] = cell_of(*statement, static_cast<int>(i), own[i], scratch[i]);
      WEIR_TRY(writer->append(cells));
      if (!writer->is_full()) continue;
      WEIR_TRY(cancel.check());
      WEIR_TRY(pass_on());
    }
  }

 private:
  Status find_source() {
    if (request_.table.empty()) {
      from_ = fmt::format("({}\n) AS source", without_end(request_.query));
      name_ = "query";
      return {};
    }
    for (const std::string& name :
         {request_.table, request_.table.starts_with("main.") ? request_.table.substr(5) : ""}) {
      WEIR_ASSIGN(const auto found, file_->query(fmt::format("{} AND name = {} COLLATE NOCASE",
                                                             kTables, quote_text(name))));
      if (found.empty()) continue;
      name_ = found[0].at(0).value_or("");
      from_ = "main." + quote_name(name_);
      return {};
    }
    WEIR_ASSIGN(const auto all, file_->query(fmt::format("{} ORDER BY 1 LIMIT 10000", kTables)));
    std::vector<std::string> names;
    for (const auto& row : all) names.push_back(row.at(0).value_or(""));
    const std::string meant = did_you_mean(request_.table, names);
    return fail_with_hint(
        ErrorCode::kNotFound,
        fmt::format("there is no table {} in {}", request_.table, options_.settings.path),
        meant.empty() ? "`weir connection discover` lists the tables" : meant);
  }

  Status describe() {
    WEIR_ASSIGN(const auto shape, file_->prepare(fmt::format("SELECT * FROM {}", from_)));
    std::vector<SqliteColumn> there;
    for (int i = 0; i < sqlite3_column_count(shape.get()); ++i) {
      const char* name = sqlite3_column_name(shape.get(), i);
      const char* declared = sqlite3_column_decltype(shape.get(), i);
      there.push_back(
          sqlite::describe(name != nullptr ? name : "", declared != nullptr ? declared : ""));
    }
    WEIR_ASSIGN(auto chosen, choose_columns(there, request_, name_));
    own_ = std::move(chosen.read);
    for (const auto& column : own_) columns_.push_back(column.column);
    cursor_ = std::move(chosen.cursor);
    for (const auto& column : cursor_) cursor_names_.push_back(quote_name(column.column.name));
    return {};
  }

  Status check_cursor() {
    window_ = {enclosed(request_.where)};
    for (const auto& column : cursor_) {
      if (column.expected != Class::kBlob && column.expected != Class::kFlag) continue;
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("cursor column '{}' of {} is {}", column.column.name, name_,
                                        column.column.type_name),
                            "a cursor grows with what changes: a time, a number or a text");
    }
    const bool has_lag = !request_.lag.empty() && request_.lag != "0";
    if (has_lag && !number_of(request_.lag) && !parse_duration_ms(request_.lag)) return unfit("");
    if (cursor_.empty() || request_.from.empty()) return {};
    if (request_.from.size() != cursor_.size())
      return fail(ErrorCode::kInvalidConfig, "the watermark has {} values, the cursor {} columns",
                  request_.from.size(), cursor_.size());
    if (!has_lag) {
      window_.push_back(beyond(cursor_names_, literals(), request_.is_inclusive));
      return {};
    }
    WEIR_ASSIGN(const std::string literal, lagged());
    window_.push_back(fmt::format("{} >= {}", cursor_names_[0], literal));
    return {};
  }

  std::unexpected<Error> unfit(const std::string& value) const {
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("lag '{}' fits no cursor '{}' of type {}{}", request_.lag, request_.cursor[0],
                    cursor_[0].column.type_name,
                    value.empty() ? "" : fmt::format(", whose watermark is '{}'", value)),
        "a duration goes with a time that is written as 2024-02-29 12:00:00, a whole number with a "
        "number");
  }

  /// A number is one where its column takes it for one; texts are texts, whatever they look like.
  static std::string literal_of(const SqliteColumn& column, const std::string& value) {
    return is_number(value) && column.expected != Class::kText && column.expected != Class::kUuid
               ? value
               : quote_text(value);
  }

  std::vector<std::string> literals() const {
    std::vector<std::string> texts;
    for (size_t i = 0; i < cursor_.size(); ++i)
      texts.push_back(literal_of(cursor_[i], request_.from[i]));
    return texts;
  }

  /// The first column's watermark less the lag, in the form in which it is written there.
  Result<std::string> lagged() const {
    const std::string& value = request_.from[0];
    const auto number = number_of(request_.lag);
    if (number && *number >= 0 && literal_of(cursor_[0], value) == value)
      return fmt::format("({} - {})", value, *number);
    const auto read = sqlite::read_time(value);
    const auto ms = parse_duration_ms(request_.lag);
    if (!read || !ms) return unfit(value);
    const int64_t before_us = std::max(*microseconds_of({.year = 1, .month = 1, .day = 1}),
                                       *microseconds_of(read->time) - *ms * 1000);
    Cell cell;
    cell.kind = CellKind::kDateTime;
    cell.time = civil_of(before_us);
    cell.fraction_digits = 0;  // what is shorter sorts before
    std::string text = text_of(cell);
    if (!read->has_clock) text = text.substr(0, 10);
    if (read->has_clock && value[10] == 'T') text[10] = 'T';
    return quote_text(text);
  }

  const SqliteOptions options_;
  const SourceRequest request_;
  mutable std::mutex mutex_;  ///< The connection does one thing at a time.
  std::unique_ptr<File> file_;
  int64_t snapshot_at_us_ = 0;
  std::string name_;
  std::string from_;  ///< What stands behind FROM.
  std::vector<SourceColumn> columns_;
  std::vector<SqliteColumn> own_;  ///< The same, in the same order.
  std::vector<SqliteColumn> cursor_;
  std::vector<std::string> cursor_names_;
  std::vector<std::string> window_;  ///< Conditions on every row of the read.
};

}  // namespace

Result<std::unique_ptr<Source>> open_sqlite_source(const SqliteOptions& options,
                                                   SourceRequest request) {
  auto source = std::make_unique<SqliteSource>(options, std::move(request));
  WEIR_TRY(source->open());
  return source;
}

}  // namespace weir::database
