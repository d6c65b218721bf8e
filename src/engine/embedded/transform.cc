// A SELECT over pinned versions becomes the next version of a table, whole.
//
// Its rows come in a total order (by key, or by all columns), so the same inputs give the same rows
// at the same places whatever the number of threads; `_row_key` of a table without a key is the
// digest of token and place. Custody: `in` are the rows that the engine's result stream delivered,
// `inserted` those that the footers of the written objects say when they are read back. A query
// computes something new, so its input rows are no side of the equation; they are lineage.

#include <algorithm>

#include <arrow/api.h>

#include "base/digest.h"
#include "engine/embedded/commit_extra.h"
#include "engine/embedded/executors.h"
#include "engine/embedded/guard.h"
#include "engine/embedded/pinned.h"
#include "model/canonical.h"
#include "parquet/column_sums.h"
#include "parquet/parquet.h"
#include "sql/column_lineage.h"
#include "table/hudi.h"

namespace weir::engine::embedded {
namespace {

using model::quote_name;

constexpr const char* kQuery = "_weir_query";
constexpr const char* kKeyText = "_weir_key";
constexpr const char* kRowKey = "_row_key";
constexpr const char* kRunId = "_run_id";
constexpr const char* kLoadedAt = "_loaded_at";
constexpr const char* kHint = "every column of the result needs a name of its own: use AS";

/// The hop makes these itself, so a `SELECT *` over another table may bring them along.
bool is_own_column(std::string_view name) {
  return name == kRowKey || name == kRunId || name == kLoadedAt || name == kKeyText ||
         name.starts_with("_hoodie_");
}

// ---- What is asked of the engine

Result<sql::UserQuery> read_query(const Operation& operation) {
  WEIR_ASSIGN(const auto text, json_field<std::string>(operation.params, "sql"));
  WEIR_ASSIGN(const auto dialect,
              json_field_or<std::string>(operation.params, "dialect", "duckdb"));
  if (dialect != "duckdb")
    return fail_with_hint(ErrorCode::kUnsupported,
                          fmt::format("the embedded engine has no SQL dialect '{}'", dialect),
                          "write the SQL in dialect duckdb, or choose another engine");
  WEIR_ASSIGN(auto query, sql::read_user_query(text));
  if (!query.unrepeatable.empty())
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("the SQL of {} uses {}: a second attempt would give other rows",
                    operation.target.dataset.text(), fmt::join(query.unrepeatable, ", ")),
        "derive the value from the row: hash(key), md5(key); give a sample REPEATABLE (seed)");
  for (const auto& dataset : query.datasets)
    if (std::ranges::find(operation.inputs, dataset, &model::PinnedInput::dataset) ==
        operation.inputs.end())
      return fail(ErrorCode::kInternal, "the SQL reads {}, which the operation has not pinned",
                  dataset.text());
  return query;
}

/// The columns of the target that come from the query, with their types where they are declared.
Result<model::Schema> columns_of(const Operation& operation, const model::Schema& from_query) {
  const auto& declared = operation.target.schema;
  const auto policy = operation.target.contract.columns;
  model::Schema columns;
  for (const auto& column : declared) {
    if (is_own_column(column.name)) continue;
    if (model::find_column(from_query, column.name) == nullptr)
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("the SQL gives no column '{}', which {} declares",
                                        column.name, operation.target.dataset.text()),
                            "add it to the SELECT, or take it out of the dataset's columns");
    columns.push_back(column);
  }
  for (const auto& column : from_query) {
    if (is_own_column(column.name) || model::find_column(columns, column.name) != nullptr) continue;
    if (!declared.empty() && policy == model::ColumnPolicy::kFreeze)
      return fail_with_hint(ErrorCode::kSchemaDrift,
                            fmt::format("the SQL gives column '{}', which {} does not declare",
                                        column.name, operation.target.dataset.text()),
                            "declare it, or set `contract: {columns: evolve}`");
    if (!declared.empty() && policy == model::ColumnPolicy::kDiscardValue) continue;
    columns.push_back(column);
  }
  if (columns.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig, "the SQL gives no columns", kHint);
  return columns;
}

/// Hudi's text of a record key: the bare value, or `a:1,b:2` for several columns; NULL where one
/// of them is.
std::string key_text(const std::vector<std::string>& key) {
  if (key.size() == 1) return fmt::format("CAST({} AS VARCHAR)", quote_name(key[0]));
  std::vector<std::string> parts;
  for (const auto& name : key)
    parts.push_back(fmt::format(
        "{} || CASE WHEN CAST({} AS VARCHAR) = '' THEN '__empty__' ELSE CAST({} AS VARCHAR) END",
        model::quote_text(name + ":"), quote_name(name), quote_name(name)));
  return fmt::format("{}", fmt::join(parts, " || ',' || "));
}

Result<std::string> statement_of(const Operation& operation, const model::Schema& columns) {
  const auto& key = operation.target.key;
  for (const auto& name : key)
    if (model::find_column(columns, name) == nullptr)
      return fail(ErrorCode::kInvalidConfig, "the SQL gives no column '{}', the key of {}", name,
                  operation.target.dataset.text());
  std::vector<std::string> parts;
  for (const auto& column : columns)
    parts.push_back(fmt::format("CAST({0} AS {1}) AS {0}", quote_name(column.name),
                                model::to_duckdb(column.type)));
  const auto rows = fmt::format("SELECT {} FROM {}", fmt::join(parts, ", "), kQuery);
  if (key.empty()) return rows + " ORDER BY ALL";
  std::vector<std::string> order;
  for (const auto& name : key) order.push_back(quote_name(name));
  return fmt::format("SELECT *, {} AS {} FROM ({}) ORDER BY {}", key_text(key), kKeyText, rows,
                     fmt::join(order, ", "));
}

/// The running query. Its text is a view, so whatever stands around the SELECT (comments, a
/// semicolon) ends with it.
Result<std::unique_ptr<sql::BatchReader>> start(const Operation& operation,
                                                const sql::UserQuery& query,
                                                sql::Session& session) {
  const auto made = session.run(fmt::format("CREATE TEMP VIEW {} AS\n{}", kQuery, query.text));
  if (!made) return std::unexpected(sql::at_user_sql(made.error(), query.text, 1));
  WEIR_ASSIGN(const auto from_query, session.describe(fmt::format("SELECT * FROM {}", kQuery)));
  WEIR_ASSIGN(const auto columns, columns_of(operation, from_query));
  WEIR_ASSIGN(const auto statement, statement_of(operation, columns));
  return session.stream(statement);
}

/// Where the columns come from, for who asks later. A query of which that cannot be told runs all
/// the same.
Result<Json> lineage_of(const sql::UserQuery& query, const Readings& readings,
                        model::Schema columns, const Context& context) {
  std::erase_if(columns, [](const auto& column) { return column.name == kKeyText; });
  std::vector<sql::ViewSource> sources;
  for (const auto& input : readings.inputs) sources.push_back(input.view);
  const auto lineage = sql::column_lineage(query.text, sources, columns, *context.cancel);
  WEIR_TRY(context.cancel->check());
  if (lineage) return model::to_json(*lineage);
  if (context.log != nullptr)
    context.log->info("no lineage of columns: {}", to_line(lineage.error()));
  return Json();
}

// ---- What is written

/// Columns of the table: those of the query, then the hop's own.
model::Schema table_schema(const Operation& operation, const model::Schema& from_query) {
  model::Schema schema;
  for (const auto& column : from_query)
    if (column.name != kKeyText) schema.push_back(column);
  const auto add = [&](const char* name, model::TypeKind kind) {
    schema.push_back({name, {kind, 0, 0, {}}, true});
  };
  if (operation.target.key.empty()) add(kRowKey, model::TypeKind::kVarchar);
  add(kRunId, model::TypeKind::kVarchar);
  add(kLoadedAt, model::TypeKind::kTimestamp);
  return schema;
}

/// Row count and two sums over the halves of the hashes of record keys, in whatever order.
class KeySums {
 public:
  void add(const arrow::StringArray& keys) {
    model::CanonicalWriter writer;
    for (int64_t i = 0; i < keys.length(); ++i) {
      writer.clear();
      writer.row();
      writer.name("key");
      writer.text(keys.IsNull(i) ? std::string_view() : keys.GetView(i));
      const std::string hash = model::canonical_hash(writer.bytes());
      high_ += std::stoll(hash.substr(0, 15), nullptr, 16);
      low_ += std::stoll(hash.substr(15, 15), nullptr, 16);
      ++rows_;
    }
  }
  std::string digest() const { return sha256_hex(fmt::format("{}\n{}\n{}", rows_, high_, low_)); }

 private:
  int64_t rows_ = 0;
  model::Int128 high_ = 0;
  model::Int128 low_ = 0;
};

/// Turns batches of the query into batches of the table.
class RowMaker {
 public:
  RowMaker(const Operation& operation, std::shared_ptr<arrow::Schema> schema,
           std::vector<std::string> control)
      : operation_(operation), schema_(std::move(schema)), control_(std::move(control)) {}

  struct Made {
    std::shared_ptr<arrow::RecordBatch> data;
    std::shared_ptr<arrow::Array> keys;
  };

  Result<Made> make(const arrow::RecordBatch& batch) {
    auto columns = batch.columns();
    Made made;
    if (operation_.target.key.empty()) {
      WEIR_ASSIGN(made.keys, row_keys(batch.num_rows()));
      columns.push_back(made.keys);
    } else {
      made.keys = columns.back();
      columns.pop_back();
      WEIR_TRY(check_keys(static_cast<const arrow::StringArray&>(*made.keys)));
    }
    const arrow::StringScalar run_id(operation_.origin.run_id);
    const arrow::TimestampScalar loaded_at(operation_.origin.logical_time_us,
                                           arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"));
    WEIR_TRY(add_constant(run_id, batch.num_rows(), columns));
    WEIR_TRY(add_constant(loaded_at, batch.num_rows(), columns));
    made.data = arrow::RecordBatch::Make(schema_, batch.num_rows(), std::move(columns));
    rows_ += batch.num_rows();
    for (const auto& name : control_)
      WEIR_TRY(parquet::add_values(*made.data->GetColumnByName(name), nullptr, sums_[name]));
    if (!control_.empty()) keys_.add(static_cast<const arrow::StringArray&>(*made.keys));
    return made;
  }

  int64_t rows() const { return rows_; }
  const std::vector<std::string>& control() const { return control_; }
  const parquet::ColumnSums& sums() const { return sums_; }
  std::string key_digest() const { return keys_.digest(); }

 private:
  Result<std::shared_ptr<arrow::Array>> row_keys(int64_t count) const {
    arrow::StringBuilder builder;
    model::CanonicalWriter writer;
    for (int64_t i = 1; i <= count; ++i) {
      writer.clear();
      writer.row();
      writer.name("ordinal");
      writer.integer(rows_ + i);
      writer.name("token");
      writer.text(operation_.token);
      if (auto status = builder.Append(model::canonical_hash(writer.bytes())); !status.ok())
        return std::unexpected(parquet::to_error(status));
    }
    auto array = builder.Finish();
    if (!array.ok()) return std::unexpected(parquet::to_error(array.status()));
    return *array;
  }

  /// Rows come in the order of the key, so an equal one is the one before.
  Status check_keys(const arrow::StringArray& keys) {
    const auto dataset = operation_.target.dataset.text();
    for (int64_t i = 0; i < keys.length(); ++i) {
      if (keys.IsNull(i))
        return fail(ErrorCode::kInvalidData, "the SQL gives a row for {} whose key ({}) is NULL",
                    dataset, fmt::join(operation_.target.key, ", "));
      const auto key = keys.GetView(i);
      if (last_key_ && *last_key_ == key)
        return fail_with_hint(
            ErrorCode::kInvalidData,
            fmt::format("the SQL gives several rows for {} with the key '{}'", dataset, key),
            "group by the key, or declare another key");
      last_key_ = key;
    }
    return {};
  }

  static Status add_constant(const arrow::Scalar& value, int64_t count, arrow::ArrayVector& to) {
    auto array = arrow::MakeArrayFromScalar(value, count);
    if (!array.ok()) return std::unexpected(parquet::to_error(array.status()));
    to.push_back(*array);
    return {};
  }

  const Operation& operation_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::string> control_;
  parquet::ColumnSums sums_;
  KeySums keys_;
  std::optional<std::string> last_key_;
  int64_t rows_ = 0;
};

/// Streams the query into new file groups. The slices that were written.
Result<std::vector<table::FileSlice>> write_rows(sql::BatchReader& reader, RowMaker& maker,
                                                 table::Commit& commit, int64_t target_file_bytes,
                                                 const Context& context) {
  std::vector<table::FileSlice> slices;
  std::unique_ptr<table::GroupWriter> writer;
  const auto finish = [&]() -> Status {
    WEIR_ASSIGN(slices.emplace_back(), writer->finish(0, 0));
    writer.reset();
    return {};
  };
  while (true) {
    WEIR_TRY(context.cancel->check());
    WEIR_ASSIGN(const auto batch, reader.next());
    if (!batch) break;
    if (batch->num_rows() == 0) continue;
    WEIR_ASSIGN(const auto made, maker.make(*batch));
    if (!writer) {
      WEIR_ASSIGN(writer, commit.new_group(table::Role::kCurrent, ""));
    }
    WEIR_TRY(writer->write_changed(*made.data, *made.keys));
    if (context.on_progress)
      context.on_progress(
          {.step = "transform", .rows = maker.rows(), .bytes = writer->bytes_so_far()});
    if (writer->bytes_so_far() >= target_file_bytes) WEIR_TRY(finish());
  }
  if (writer) WEIR_TRY(finish());
  return slices;
}

/// Rows of the written objects, by their footers.
Result<int64_t> rows_delivered(storage::Storage& store,
                               const std::vector<table::FileSlice>& slices) {
  int64_t rows = 0;
  for (const auto& slice : slices) {
    WEIR_ASSIGN(const auto info, parquet::read_info(store, slice.name));
    rows += info.rows;
  }
  return rows;
}

/// What the query gave in control columns and keys, against what the written objects hold. Nothing
/// where no column is declared.
Result<model::HopSums> sums_delivered(storage::Storage& store,
                                      const std::vector<table::FileSlice>& slices,
                                      const RowMaker& maker, const Context& context) {
  model::HopSums sums;
  if (maker.control().empty()) return sums;
  parquet::ColumnSums found;
  KeySums keys;
  for (const auto& slice : slices) {
    WEIR_TRY(parquet::add_columns(store, slice.name, maker.control(), "", *context.cancel, found));
    WEIR_ASSIGN(const auto file, parquet::open_file(store, slice.name));
    const std::string key(table::kMetaColumns[2]);
    for (int64_t group = 0; group < file->info().row_groups; ++group) {
      WEIR_ASSIGN(const auto batch, file->read_row_group(group, {key}));
      keys.add(static_cast<const arrow::StringArray&>(*batch->column(0)));
    }
  }
  for (const auto& name : maker.control()) {
    auto& parts = sums.columns[name];
    if (const auto in = maker.sums().find(name); in != maker.sums().end()) parts.in = in->second;
    parts.inserted = found[name];
    parts.out = found[name];
  }
  sums.keys_in = maker.key_digest();
  sums.keys_out = keys.digest();
  WEIR_TRY(model::check_closed(sums));
  return sums;
}

// ---- The hop

Result<std::unique_ptr<table::HudiTable>> open_if_there(const table::TableContext& context) {
  auto table = table::open_table(context);
  if (!table && table.error().code == ErrorCode::kNotFound) return nullptr;
  return table;
}

std::vector<std::string> record_key(const Operation& operation) {
  return operation.target.key.empty() ? std::vector<std::string>{kRowKey} : operation.target.key;
}

/// A table is written under one key for ever.
Status check_record_key(const Operation& operation, const table::HudiTable& table) {
  const auto found = table.properties().find("hoodie.table.recordkey.fields");
  const auto has = found == table.properties().end() ? std::string() : found->second;
  const auto wants = fmt::format("{}", fmt::join(record_key(operation), ","));
  if (has == wants) return {};
  return fail_with_hint(ErrorCode::kConflict,
                        fmt::format("table {} has the record key '{}', not '{}'",
                                    operation.target.dataset.text(), has, wants),
                        "declare that key, or write to a dataset of another name");
}

Result<std::unique_ptr<table::HudiTable>> create(const Operation& operation,
                                                 const table::TableContext& context,
                                                 const model::Schema& schema) {
  table::TableOptions options;
  options.name = operation.target.dataset.name;
  options.record_key = record_key(operation);
  options.ordering_field = kLoadedAt;
  options.schema = schema;
  return table::create_table(context, options);
}

Result<std::optional<Outcome>> find_done(const Operation& operation, table::HudiTable& table) {
  WEIR_ASSIGN(const auto done, table.find_token(operation.token));
  if (!done) return std::nullopt;
  WEIR_ASSIGN(auto outcome, outcome_of(operation.target.dataset, *done));
  outcome.was_already_done = true;
  return outcome;
}

/// Writes the query's rows as the one commit of this hop.
Result<Outcome> replace_rows(const Operation& operation, const Context& context,
                             table::HudiTable& table, sql::BatchReader& reader,
                             const Json& columns_from) {
  table::BeginOptions options;
  options.action = table::Action::kReplaceCommit;
  options.operation_type = "INSERT_OVERWRITE_TABLE";
  options.schema = table_schema(operation, reader.columns());
  options.token = operation.token;
  options.write_token = fmt::format("{}-0-{}", operation.origin.attempt, operation.guard.epoch);
  WEIR_ASSIGN(const auto arrow_schema, parquet::to_arrow(options.schema));
  WEIR_ASSIGN(const auto control, model::control_columns(operation.target.options));
  WEIR_TRY(
      model::check_control_columns(reader.columns(), control, operation.target.dataset.text()));
  WEIR_ASSIGN(const auto turn, table.prepare(options.action));
  if (turn->rolled_back() > 0 && context.log != nullptr)
    context.log->info("{}: rolled back {} unfinished commits", operation.target.dataset.text(),
                      turn->rolled_back());
  WEIR_ASSIGN(auto done, find_done(operation, table));
  if (done) return *std::move(done);
  WEIR_ASSIGN(const auto before, table.snapshot());
  WEIR_ASSIGN(auto commit, turn->begin(options));

  RowMaker maker(operation, arrow_schema, control);
  WEIR_ASSIGN(const auto slices,
              write_rows(reader, maker, *commit, options.target_file_bytes, context));
  for (const auto& slice : before.slices) commit->replace(slice);

  model::Counts counts;
  counts.in = maker.rows();
  WEIR_ASSIGN(counts.out, rows_delivered(table.store(), slices));
  counts.inserted = counts.out;
  if (!counts.is_closed())
    return fail(ErrorCode::kCheckFailed,
                "the query gave {} rows and the objects of {} have {}; nothing was published",
                counts.in, operation.target.dataset.text(), counts.out);
  WEIR_ASSIGN(const auto sums, sums_delivered(table.store(), slices, maker, context));
  Json details = {{"lineage", model::lineage_of(operation.inputs)}};
  if (!columns_from.is_null()) details["column_lineage"] = columns_from;
  if (!control.empty()) details["sums"] = model::to_json(sums);
  WEIR_ASSIGN(const auto info,
              commit->complete(extra_of(operation, counts, options.schema, details)));
  return outcome_of(operation.target.dataset, info);
}

}  // namespace

Result<Outcome> transform(const Operation& operation, const Context& context) {
  WEIR_ASSIGN(const auto query, read_query(operation));
  WEIR_ASSIGN(const TargetTable target, target_table(operation, context));
  const table::TableContext& table_context = target.context;
  WEIR_ASSIGN(auto table, open_if_there(table_context));
  if (table) {
    WEIR_ASSIGN(auto done, find_done(operation, *table));
    if (done) return *std::move(done);
    WEIR_TRY(check_record_key(operation, *table));
  }

  WEIR_ASSIGN(const auto readings, open_readings(operation, context));
  WEIR_ASSIGN(const auto reader, start(operation, query, *readings.session));
  if (!table) {
    const auto schema = table_schema(operation, reader->columns());
    WEIR_ASSIGN(table, create(operation, table_context, schema));
  }
  WEIR_ASSIGN(const auto columns_from, lineage_of(query, readings, reader->columns(), context));
  return replace_rows(operation, context, *table, *reader, columns_from);
}

}  // namespace weir::engine::embedded
