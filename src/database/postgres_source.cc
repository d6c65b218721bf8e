#include "database/postgres_source.h"
#include "database/chosen_columns.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/check.h"
#include "base/instant.h"
#include "base/nearest.h"
#include "database/condition.h"
#include "database/postgres/source_types.h"
#include "database/postgres_copy.h"

namespace weir::database {
namespace {

using model::DataType;
using model::quote_name;
using model::quote_text;
using postgres::PostgresColumn;
using postgres::ServerType;

constexpr int64_t kLeastPagesOfPiece = 512;  // 4 MiB
constexpr int64_t kPiecesOfWorker = 4;       // so that none waits long for the others
constexpr int kTidRangeVersion = 140'000;    // reads a range of ctid without reading the rest

std::optional<int64_t> number_of(const std::string& text) {
  int64_t value = 0;
  const auto* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

bool is_time(const std::string& type) { return type == "date" || type.starts_with("timestamp"); }
bool is_whole(const std::string& type) {
  return type == "smallint" || type == "integer" || type == "bigint";
}

/// What sorts behind every value that there may yet be would stop a watermark for ever.
std::string is_finite(const std::string& column, const std::string& type) {
  if (is_time(type)) return fmt::format("isfinite({})", column);
  if (type.starts_with("numeric"))
    return fmt::format("{}::text NOT IN ('NaN', 'Infinity')", column);
  if (type == "real" || type == "double precision")
    return fmt::format("{} < 'Infinity'::float8", column);
  return fmt::format("{} IS NOT NULL", column);
}

class PostgresSource final : public Source {
 public:
  PostgresSource(const PostgresOptions& options, SourceRequest request)
      : options_(options), request_(std::move(request)) {}

  Status open() {
    WEIR_ASSIGN(connection_, open_postgres(options_));
    // The coordinator holds the snapshot while others work: it may be idle for long.
    WEIR_TRY(
        connection_->run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
                         "SET LOCAL idle_in_transaction_session_timeout = 0; " +
                         std::string(kSession)));
    WEIR_ASSIGN(const auto answer,
                connection_->query("SELECT pg_export_snapshot(), (extract(epoch FROM "
                                   "transaction_timestamp()) * 1000000)::bigint::text, "
                                   "current_setting('server_encoding')"));
    const auto& row = answer.rows.at(0);
    snapshot_ = row.at(0).value_or("");
    snapshot_at_us_ = number_of(row.at(1).value_or("")).value_or(0);
    checks_utf8_ = row.at(2) == "SQL_ASCII";
    WEIR_TRY(find_source());
    WEIR_TRY(describe());
    return check_cursor();
  }

  const std::vector<SourceColumn>& columns() const override { return columns_; }
  const std::string& name() const override { return name_; }
  int64_t snapshot_at_us() const override { return snapshot_at_us_; }
  int server_version() const override { return connection_->server_version(); }

  std::optional<SourceColumn> read_as(const SourceColumn& column,
                                      const DataType& type) const override {
    const auto other = postgres::fit(own_column_of(own_, column.name), type);
    return other ? std::optional(other->column) : std::nullopt;
  }

  Result<SourceWatermark> watermark() override {
    SourceWatermark mark;
    mark.types = cursor_types_;
    mark.to = request_.from;
    if (request_.cursor.empty()) return mark;
    std::vector<std::string> texts;
    std::vector<std::string> order;
    std::vector<std::string> conditions = {enclosed(request_.where)};
    std::vector<std::string> nulls;
    for (size_t i = 0; i < request_.cursor.size(); ++i) {
      const std::string column = quote_name(request_.cursor[i]);
      texts.push_back(column + "::text");
      order.push_back(column + " DESC");
      conditions.push_back(is_finite(column, cursor_types_[i]));
      nulls.push_back(column + " IS NULL");
    }
    if (!request_.from.empty()) conditions.push_back(beyond(">", request_.cursor.size()));
    WEIR_ASSIGN(const auto newest,
                connection_->query(fmt::format("SELECT {} FROM {}{} ORDER BY {} LIMIT 1",
                                               fmt::join(texts, ", "), from_, where(conditions),
                                               fmt::join(order, ", "))));
    if (!newest.rows.empty()) {
      mark.to.clear();
      for (const auto& value : newest.rows[0]) mark.to.push_back(value.value_or(""));
    }
    WEIR_ASSIGN(
        const int64_t has_nulls,
        connection_->query_number(fmt::format(
            "SELECT EXISTS (SELECT FROM {}{})::int", from_,
            where({enclosed(request_.where), fmt::format("({})", fmt::join(nulls, " OR "))}))));
    mark.has_nulls = has_nulls == 1;
    return mark;
  }

  Result<SourceTotals> totals(const std::vector<std::string>& control_columns) override {
    std::string select = "count(*)";
    for (const auto& each : control_columns) {
      const std::string column = quote_name(each);
      const std::string counts =
          fmt::format("FILTER (WHERE {}::text NOT IN ('NaN', 'Infinity', '-Infinity'))", column);
      select += fmt::format(", sum({0}) {1}, count({0}) {1}", column, counts);
    }
    WEIR_ASSIGN(const auto answer, connection_->query(fmt::format("SELECT {} FROM {}{}", select,
                                                                  from_, where(window_))));
    const auto& row = answer.rows.at(0);
    SourceTotals totals;
    totals.rows = number_of(row.at(0).value_or("")).value_or(-1);
    for (size_t i = 0; i < control_columns.size(); ++i)
      totals.sums.push_back(
          {row.at(2 * i + 1).value_or(""), number_of(row.at(2 * i + 2).value_or("")).value_or(-1)});
    return totals;
  }

  Result<int64_t> split(int64_t most) override {
    pieces_ = {""};
    // An increment is found by an index; ranges of pages would read the whole table.
    const bool can_split = is_table_ && request_.from.empty() && most > 1 &&
                           connection_->server_version() >= kTidRangeVersion;
    if (!can_split) return 1;
    WEIR_ASSIGN(const int64_t pages,
                connection_->query_number(
                    "SELECT pg_relation_size($1::regclass) / current_setting('block_size')::bigint",
                    {from_}));
    const int64_t count = std::min(most * kPiecesOfWorker, pages / kLeastPagesOfPiece);
    if (count < 2) return 1;
    pieces_.clear();
    const int64_t step = (pages + count - 1) / count;
    for (int64_t i = 0; i < count; ++i) {
      std::string range;
      if (i > 0) range = fmt::format("ctid >= '({},0)'::tid", i * step);
      // The last one has no end: children of the table may be longer than itself.
      if (i + 1 < count)
        range +=
            fmt::format("{}ctid < '({},0)'::tid", range.empty() ? "" : " AND ", (i + 1) * step);
      pieces_.push_back(std::move(range));
    }
    return count;
  }

  Status read(int64_t piece, const std::vector<SourceColumn>& columns, const ReadOptions& how,
              const Cancel& cancel, const Sink& sink) const override {
    std::vector<std::string> expressions;
    std::vector<CopyColumn> copied;
    for (const auto& each : columns) {
      const auto column = postgres::fit(own_column_of(own_, each.name), each.type);
      if (!column)
        return fail(ErrorCode::kUnsupported, "column '{}' cannot be read as {}", each.name,
                    model::to_text(each.type));
      expressions.push_back(column->expression);
      copied.push_back({each.name, column->wire, column->is_array, each.type});
    }
    CopyOptions copying;
    copying.read = how;
    copying.checks_utf8 = checks_utf8_;
    WEIR_ASSIGN(const auto decoder, make_copy_decoder(std::move(copied), copying));
    PostgresOptions options = options_;
    options.cancel = &cancel;
    WEIR_ASSIGN(const auto connection, open_postgres(options));
    WEIR_TRY(
        connection->run(fmt::format("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
                                    "SET TRANSACTION SNAPSHOT {}; {}",
                                    quote_text(snapshot_), kSession)));
    std::vector<std::string> conditions = window_;
    conditions.push_back(pieces_.at(static_cast<size_t>(piece)));
    WEIR_ASSIGN(const auto copy, connection->copy_out(fmt::format(
                                     "COPY (SELECT {} FROM {}{}) TO STDOUT (FORMAT binary)",
                                     fmt::join(expressions, ", "), from_, where(conditions))));
    while (true) {
      WEIR_ASSIGN(const auto bytes, copy->next());
      if (!bytes) break;
      WEIR_TRY(decoder->feed(*bytes));
      if (decoder->is_full()) WEIR_TRY(pass_on(*decoder, sink));
    }
    WEIR_TRY(decoder->check_ended());
    return pass_on(*decoder, sink);
  }

 private:
  /// Casts to text give the same for every server and user.
  static constexpr std::string_view kSession =
      "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; "
      "SET LOCAL intervalstyle = 'iso_8601'; SET LOCAL extra_float_digits = 3; "
      "SET LOCAL bytea_output = 'hex'";

  static Status pass_on(CopyDecoder& decoder, const Sink& sink) {
    WEIR_ASSIGN(SourceBatch batch, decoder.take());
    if (batch.row_count == 0) return {};
    return sink(std::move(batch));
  }

  Status find_source() {
    if (request_.table.empty()) {
      from_ = fmt::format("({}\n) AS source", without_end(request_.query));
      name_ = "query";
      return {};
    }
    const std::string& own = options_.settings.schema;
    std::string schema = own.empty() ? "public" : own;
    std::string table = request_.table;
    if (const auto dot = table.find('.'); dot != std::string::npos) {
      schema = table.substr(0, dot);
      table.erase(0, dot + 1);
    }
    name_ = schema + "." + table;
    from_ = quote_name(schema) + "." + quote_name(table);
    WEIR_ASSIGN(const auto found,
                connection_->query("SELECT c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid "
                                   "= c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND "
                                   "c.relkind IN ('r', 'p', 'v', 'm', 'f')",
                                   {schema, table}));
    if (found.rows.empty()) return no_such_table();
    const auto kind = found.rows[0].at(0);
    is_table_ = kind == "r" || kind == "m";
    return {};
  }

  Status no_such_table() {
    WEIR_ASSIGN(const auto all,
                connection_->query("SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN "
                                   "pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN "
                                   "('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', "
                                   "'information_schema', 'pg_toast') ORDER BY 1 LIMIT 10000"));
    std::vector<std::string> names;
    for (const auto& row : all.rows) names.push_back(row.at(0).value_or(""));
    const std::string meant = did_you_mean(name_, names);
    return fail_with_hint(
        ErrorCode::kNotFound,
        fmt::format("there is no table {} in {}", name_, options_.settings.text()),
        meant.empty() ? "`weir connection discover` lists the tables" : meant);
  }

  Status describe() {
    WEIR_ASSIGN(const auto shape,
                connection_->query(fmt::format("SELECT * FROM {} LIMIT 0", from_)));
    if (shape.names.empty()) return fail(ErrorCode::kInvalidData, "{} has no columns", name_);
    WEIR_ASSIGN(const auto types, types_of(shape));
    std::vector<PostgresColumn> there;
    for (size_t i = 0; i < types.size(); ++i)
      there.push_back(postgres::describe(shape.names[i], types[i], request_.timezone));
    WEIR_ASSIGN(auto chosen, choose_columns(there, request_, name_));
    own_ = std::move(chosen.read);
    for (const auto& column : own_) columns_.push_back(column.column);
    for (const auto& column : chosen.cursor) cursor_types_.push_back(column.column.type_name);
    return {};
  }

  Result<std::vector<ServerType>> types_of(const PostgresAnswer& shape) {
    std::vector<std::string> oids;
    std::vector<std::string> modifiers;
    for (const auto oid : shape.types) oids.push_back(fmt::format("{}", oid));
    for (const auto modifier : shape.modifiers) modifiers.push_back(fmt::format("{}", modifier));
    WEIR_ASSIGN(
        const auto answer,
        connection_->query("SELECT format_type(a.oid, a.modifier), coalesce(e.oid, 0) "
                           "FROM unnest($1::oid[], $2::int[]) WITH ORDINALITY AS a(oid, modifier, "
                           "place) LEFT JOIN pg_type e ON e.typarray = a.oid ORDER BY a.place",
                           {fmt::format("{{{}}}", fmt::join(oids, ",")),
                            fmt::format("{{{}}}", fmt::join(modifiers, ","))}));
    std::vector<ServerType> types;
    for (size_t i = 0; i < answer.rows.size(); ++i) {
      ServerType& type = types.emplace_back();
      type.name = answer.rows[i].at(0).value_or("?");
      type.element =
          static_cast<uint32_t>(number_of(answer.rows[i].at(1).value_or("")).value_or(0));
      type.oid = shape.types[i];
      type.modifier = shape.modifiers[i];
    }
    return types;
  }

  Status check_cursor() {
    window_ = {enclosed(request_.where)};
    if (request_.cursor.empty()) return {};
    for (size_t i = 0; i < request_.cursor.size(); ++i) {
      const std::string& type = cursor_types_[i];
      static constexpr std::array kOthers = {"real", "double precision", "text", "uuid"};
      const bool has_order = is_time(type) || is_whole(type) || type.starts_with("numeric") ||
                             type.starts_with("character varying") ||
                             std::ranges::find(kOthers, type) != kOthers.end();
      if (!has_order)
        return fail_with_hint(
            ErrorCode::kInvalidConfig,
            fmt::format("cursor column '{}' of {} is {}", request_.cursor[i], name_, type),
            "a cursor grows with what changes: a timestamp, a date, a number, a text or a uuid");
    }
    WEIR_TRY(check_lag());
    if (request_.from.empty()) return {};
    if (request_.from.size() != request_.cursor.size())
      return fail(ErrorCode::kInvalidConfig, "the watermark has {} values, the cursor {} columns",
                  request_.from.size(), request_.cursor.size());
    const bool has_lag = !lag_.empty();
    window_.push_back(
        has_lag ? fmt::format("{} >= {}{}", quote_name(request_.cursor[0]), literal(0), lag_)
                : beyond(request_.is_inclusive ? ">=" : ">", request_.cursor.size()));
    return {};
  }

  Status check_lag() {
    if (request_.lag.empty() || request_.lag == "0") return {};
    const std::string& type = cursor_types_[0];
    if (is_time(type)) {
      const auto ms = parse_duration_ms(request_.lag);
      if (!ms)
        return fail_with_hint(ErrorCode::kInvalidConfig,
                              fmt::format("lag '{}' is no duration, and cursor '{}' is {}",
                                          request_.lag, request_.cursor[0], type),
                              "write 10m or 2h");
      if (*ms > 0) lag_ = fmt::format(" - interval '{} milliseconds'", *ms);
      return {};
    }
    const auto number = number_of(request_.lag);
    const bool is_number = is_whole(type) || type.starts_with("numeric");
    if (is_number && number && *number >= 0) {
      // Wider than the column: a smallint does not hold what is below it.
      if (*number > 0)
        lag_ = fmt::format("::{} - {}", is_whole(type) ? "bigint" : "numeric", *number);
      return {};
    }
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("lag '{}' fits no cursor '{}' of type {}", request_.lag, request_.cursor[0],
                    type),
        "a duration goes with a timestamp or a date, a whole number with a number");
  }

  std::string literal(size_t i) const {
    // Without the modifier: what fits the column fits the type.
    std::string type = cursor_types_[i];
    if (const auto open = type.find('('); open != std::string::npos)
      type.erase(open, type.find(')') - open + 1);
    return fmt::format("{}::{}", quote_text(request_.from[i]), type);
  }

  /// `("a", "b") > ('1'::bigint, '2'::bigint)`
  std::string beyond(std::string_view compare, size_t count) const {
    std::vector<std::string> names;
    std::vector<std::string> values;
    for (size_t i = 0; i < count; ++i) {
      names.push_back(quote_name(request_.cursor[i]));
      values.push_back(literal(i));
    }
    return fmt::format("({}) {} ({})", fmt::join(names, ", "), compare, fmt::join(values, ", "));
  }

  PostgresOptions options_;
  const SourceRequest request_;
  std::unique_ptr<Postgres> connection_;
  std::string snapshot_;
  int64_t snapshot_at_us_ = 0;
  bool checks_utf8_ = false;
  bool is_table_ = false;
  std::string name_;
  std::string from_;  ///< What stands behind FROM.
  std::vector<SourceColumn> columns_;
  std::vector<PostgresColumn> own_;  ///< The same, in the same order.
  std::vector<std::string> cursor_types_;
  std::string lag_;                  ///< What is subtracted from the watermark.
  std::vector<std::string> window_;  ///< Conditions on every row of the read.
  std::vector<std::string> pieces_;
};

}  // namespace

Result<std::unique_ptr<Source>> open_postgres_source(const PostgresOptions& options,
                                                     SourceRequest request) {
  auto source = std::make_unique<PostgresSource>(options, std::move(request));
  WEIR_TRY(source->open());
  return source;
}

}  // namespace weir::database
