// Rows of raw objects become the newest row of each key. Rows of one key are ordered by `order_by`,
// and where that does not tell (or there is none) by their place: objects in the order of their
// hop (by name), rows as they stand in them. A row with NULL in its key or order, or an
// empty key, goes to quarantine.
// Custody: in = inserted + updated + rejected + deduplicated + unchanged (older than the table's
// row) + filtered (rows that delete a key), and the table's rows are counted again in what was
// written.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/instant.h"
#include "engine/embedded/commit_extra.h"
#include "engine/embedded/executors.h"
#include "engine/embedded/guard.h"
#include "engine/embedded/pinned.h"
#include "engine/embedded/raw_inputs.h"
#include "model/control_sums.h"
#include "table/control_measures.h"
#include "table/rejected_rows.h"
#include "table/relations.h"
#include "table/write_rows.h"

namespace weir::engine::embedded {
namespace {

using model::Column;
using model::Operation;
using model::quote_name;
using model::quote_text;
using model::Schema;
using model::TypeKind;

constexpr const char* kGoesFlag = "_weir_delete";

/// Columns that tell where a row comes from, behind the business columns.
const Schema& load_columns() {
  static const Schema kColumns = {{"_run_id", {TypeKind::kVarchar, 0, 0, {}}, true},
                                  {"_source_file", {TypeKind::kVarchar, 0, 0, {}}, true},
                                  {"_source_row", {TypeKind::kBigint, 0, 0, {}}, true},
                                  {"_loaded_at", {TypeKind::kTimestamp, 0, 0, {}}, true}};
  return kColumns;
}

struct Options {
  std::vector<std::string> key;
  std::vector<std::string> partition_by;
  std::string order_by;
  std::string delete_column;
  std::vector<std::string> delete_values;
  std::vector<std::string> control;  ///< Columns whose sums must close.
};

Result<Options> options_of(const Operation& operation) {
  const Json& params = operation.params;
  using Names = std::vector<std::string>;
  Options options;
  WEIR_ASSIGN(options.key, json_field_or<Names>(params, "key", operation.target.key));
  if (options.key.empty()) options.key = operation.target.key;
  WEIR_ASSIGN(options.partition_by, json_field_or<Names>(params, "partition_by", {}));
  WEIR_ASSIGN(options.order_by, json_field_or<std::string>(params, "order_by", ""));
  WEIR_ASSIGN(options.delete_column, json_field_or<std::string>(params, "delete_column", ""));
  WEIR_ASSIGN(options.delete_values, json_field_or<Names>(params, "delete_values", {}));
  WEIR_ASSIGN(options.control, model::control_columns(operation.target.options));
  if (options.key.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("dataset '{}' has no key", operation.target.dataset.text()),
                          "give the dataset `key: [column, …]`, or the task `key`");
  return options;
}

Status check_columns(const Options& options, const Schema& rows, const std::string& source) {
  std::vector<std::pair<std::string, const char*>> named;
  for (const auto& name : options.key) named.emplace_back(name, "key");
  for (const auto& name : options.partition_by) named.emplace_back(name, "partition_by");
  if (!options.order_by.empty()) named.emplace_back(options.order_by, "order_by");
  if (!options.delete_column.empty()) named.emplace_back(options.delete_column, "delete_column");
  for (const auto& [name, what] : named) {
    if (model::find_column(rows, name) == nullptr)
      return fail_with_hint(ErrorCode::kSchemaDrift,
                            fmt::format("{} '{}' is no column of {}", what, name, source),
                            "it may be missing in the newest files");
  }
  for (const auto& column : load_columns()) {
    if (model::find_column(rows, column.name) != nullptr)
      return fail(ErrorCode::kInvalidConfig, "{} has a column '{}', which weir uses itself", source,
                  column.name);
  }
  return {};
}

/// One merge over rows that lie in the session as `source`.
class Latest {
 public:
  Latest(const Operation& operation, const Context& context, const Options& options,
         const RawInputs& inputs, sql::Session& session)
      : operation_(operation),
        context_(context),
        options_(options),
        inputs_(inputs),
        session_(session) {}

  Result<model::Outcome> run(const table::TableContext& target, table::HudiTable* there) {
    WEIR_TRY(read_source());
    WEIR_ASSIGN(rejected_, quarantine());
    WEIR_TRY(pick_newest());
    std::unique_ptr<table::HudiTable> made;
    if (there == nullptr) {
      WEIR_ASSIGN(made, table::create_table(target, table_options()));
      there = made.get();
    }
    WEIR_TRY(check_table(*there));
    WEIR_TRY(take_sums(*there));
    WEIR_ASSIGN(const auto written,
                table::write_rows(session_, *there, row_write(), *context_.cancel));
    WEIR_ASSIGN(auto outcome, outcome_of(operation_.target.dataset, written.commit));
    outcome.was_already_done = written.was_done;
    return outcome;
  }

 private:
  Schema stored_columns() const {
    Schema columns;
    for (const Column& column : inputs_.schema) {
      if (column.name != options_.delete_column) columns.push_back(column);
    }
    columns.insert(columns.end(), load_columns().begin(), load_columns().end());
    return columns;
  }

  /// Every row once, with its place of arrival.
  Status read_source() {
    Schema columns = inputs_.schema;
    for (const char* name : {"_source_file", "_source_row"})
      columns.push_back(*model::find_column(load_columns(), name));
    WEIR_TRY(session_.run(fmt::format("CREATE TEMP VIEW source AS SELECT * FROM {}",
                                      table::relation(inputs_.files, columns))));
    WEIR_ASSIGN(counts_.in, session_.query_number("SELECT count(*) FROM source"));
    if (counts_.in == inputs_.rows) return {};
    return fail(ErrorCode::kCheckFailed, "the files of '{}' hold {} rows, their footers say {}",
                operation_.inputs[0].dataset.text(), counts_.in, inputs_.rows);
  }

  /// Why a row of `s` cannot be kept, as an expression: NULL where it can.
  std::string fault() const {
    std::string texts;
    for (const auto& name : options_.key)
      texts += fmt::format("{}nullif(CAST(s.{} AS VARCHAR), '')", texts.empty() ? "" : ", ",
                           quote_name(name));
    std::string cases =
        fmt::format("WHEN {} THEN 'null_key' WHEN coalesce({}) IS NULL THEN 'empty_key'",
                    table::any_of(options_.key, "s", "IS NULL"), texts);
    if (!options_.order_by.empty())
      cases += fmt::format(" WHEN s.{} IS NULL THEN 'null_order'", quote_name(options_.order_by));
    return fmt::format("CASE {} END", cases);
  }

  Result<table::Quarantined> quarantine() {
    WEIR_ASSIGN(const auto faults, session_.query(fmt::format(
                                       "SELECT * FROM (SELECT {}, count(*) FROM source s GROUP "
                                       "BY 1) t(fault, rows) WHERE fault IS NOT NULL ORDER BY 1",
                                       fault())));
    std::vector<model::RejectSummary> reasons;
    const std::string key = fmt::format("{}", fmt::join(options_.key, ", "));
    for (const auto& row : faults.rows) {
      const std::string reason = row[0].value_or("");
      reasons.push_back({reason, reason == "null_order" ? options_.order_by : key,
                         std::stoll(row[1].value_or("0"))});
      counts_.rejected += reasons.back().rows;
    }
    storage::Storage* store = nullptr;
    if (!operation_.target.rejected_uri.empty()) {
      WEIR_ASSIGN(store, context_.stores->open(operation_.target.rejected_uri));
    }
    WEIR_ASSIGN(auto rejected, table::write_rejected(session_, store, counts_.rejected,
                                                     rejected_query(), operation_));
    rejected.reasons = std::move(reasons);
    return rejected;
  }

  /// Rows that cannot be kept, with the columns of a rejected object.
  std::string rejected_query() const {
    std::vector<std::string> fields;
    for (const Column& column : inputs_.schema)
      fields.push_back(fmt::format("{0} := CAST(s.{0} AS VARCHAR)", quote_name(column.name)));
    std::string null_column = "CASE";
    for (const auto& name : options_.key)
      null_column += fmt::format(" WHEN s.{} IS NULL THEN {}", quote_name(name), quote_text(name));
    return fmt::format(
        "SELECT s._weir_fault AS reason, CASE s._weir_fault WHEN 'null_order' THEN {} WHEN "
        "'null_key' THEN {} END ELSE "
        "{} END AS \"column\", CASE s._weir_fault WHEN 'null_order' THEN 'what orders the rows is "
        "NULL' "
        "WHEN 'null_key' THEN 'the key is NULL' ELSE 'the key is empty' END AS message, "
        "coalesce(s._source_row, s.{} + 1) AS line, NULL::BIGINT AS byte_offset, NULL::BIGINT AS "
        "byte_length, NULL::BLOB AS raw, to_json(struct_pack({}))::VARCHAR AS \"values\", "
        "s._source_file AS source_file, NULL::VARCHAR AS source_sha256, {} AS as_of, {}::VARCHAR "
        "AS "
        "_run_id, {} AS _loaded_at FROM (SELECT s.*, {} AS _weir_fault FROM source s) s "
        "WHERE s._weir_fault IS NOT NULL ORDER BY s.{}, s.{}",
        quote_text(options_.order_by), null_column,
        quote_text(fmt::format("{}", fmt::join(options_.key, ", "))), table::kRowColumn,
        fmt::join(fields, ", "), as_of_sql(), quote_text(operation_.origin.run_id),
        table::instant_literal(operation_.origin.logical_time_us), fault(), table::kFileColumn,
        table::kRowColumn);
  }

  std::string as_of_sql() const {
    return operation_.as_of_us ? table::instant_literal(*operation_.as_of_us)
                               : std::string("NULL::TIMESTAMPTZ");
  }

  /// `outdone`: where good rows lie that another of their key comes before. Only keys that come
  /// more than once are ranked, so that a first load of distinct keys counts them and no more.
  Status rank_repeated() {
    const std::string key = table::columns_of(options_.key, "s");
    const std::string good = fmt::format("source s WHERE {} IS NULL", fault());
    WEIR_TRY(session_.run(fmt::format(
        "CREATE TEMP TABLE repeated AS SELECT {0} FROM {1} GROUP BY {0} HAVING count(*) > 1", key,
        good)));
    const std::string order = options_.order_by.empty()
                                  ? std::string()
                                  : fmt::format("s.{} DESC, ", quote_name(options_.order_by));
    return session_.run(fmt::format(
        "CREATE TEMP TABLE outdone AS SELECT file, row FROM (SELECT s.{0} AS file, s.{1} AS row, "
        "row_number() OVER (PARTITION BY {2} ORDER BY {3}s.{0} DESC, s.{1} DESC) AS nth FROM {4} "
        "AND EXISTS (FROM repeated r WHERE {5})) WHERE nth > 1",
        table::kFileColumn, table::kRowColumn, key, order, good,
        table::same_key(options_.key, "r", "s")));
  }

  /// `newest`: one row for each key.
  Status pick_newest() {
    WEIR_TRY(rank_repeated());
    std::string columns;
    for (const Column& column : stored_columns()) {
      if (model::find_column(load_columns(), column.name) == nullptr)
        columns += fmt::format("s.{}, ", quote_name(column.name));
    }
    std::string goes = "false";
    if (!options_.delete_column.empty()) {
      std::vector<std::string> values;
      for (const auto& value : options_.delete_values) values.push_back(quote_text(value));
      goes = values.empty()
                 ? "false"
                 : fmt::format("coalesce(CAST(s.{} AS VARCHAR) IN ({}), false)",
                               quote_name(options_.delete_column), fmt::join(values, ", "));
    }
    WEIR_TRY(session_.run(fmt::format(
        "CREATE TEMP VIEW newest AS SELECT {0}{1}::VARCHAR AS _run_id, s._source_file, "
        "coalesce(s._source_row, s.{2} + 1) AS _source_row, {3} AS _loaded_at, {4} AS {5} FROM "
        "source s ANTI JOIN outdone o ON o.file = s.{6} AND o.row = s.{2} WHERE {7} IS NULL",
        columns, quote_text(operation_.origin.run_id), table::kRowColumn,
        table::instant_literal(operation_.origin.logical_time_us), goes, kGoesFlag,
        table::kFileColumn, fault())));
    WEIR_ASSIGN(counts_.deduplicated, session_.query_number("SELECT count(*) FROM outdone"));
    return {};
  }

  /// A column that the table has and these rows lack is left out; one that nobody has is refused.
  Status choose_control(table::HudiTable& table) {
    const Schema rows = stored_columns();
    Schema known = rows;
    WEIR_ASSIGN(const table::Snapshot snapshot, table.snapshot());
    for (const Column& column : snapshot.schema)
      if (model::find_column(rows, column.name) == nullptr) known.push_back(column);
    WEIR_TRY(
        model::check_control_columns(known, options_.control, operation_.target.dataset.text()));
    for (const auto& name : options_.control)
      if (model::find_column(rows, name) != nullptr) control_.push_back(name);
    return {};
  }

  /// What came in by Arrow, what is not handed to the table by the engine.
  Status take_sums(table::HudiTable& table) {
    if (options_.control.empty()) return {};
    WEIR_TRY(choose_control(table));
    WEIR_ASSIGN(const auto in, control_sums_of(operation_, context_, control_, inputs_));
    for (const auto& [name, sum] : in) sums_.columns[name].in = sum;
    const auto measure = [&](const std::string& condition,
                             model::ExactSum model::ControlSums::* part,
                             const std::string& relation) {
      table::ControlMeasures measures(control_);
      measures.add(condition, part);
      return measures.run(session_, relation, sums_);
    };
    const std::string refused =
        fmt::format("(SELECT s.*, {} AS _weir_fault FROM source s)", fault());
    WEIR_TRY(measure("x._weir_fault IS NOT NULL", &model::ControlSums::rejected, refused));
    // Good rows, less those that were taken.
    WEIR_TRY(measure("x._weir_fault IS NULL", &model::ControlSums::deduplicated, refused));
    model::HopSums taken;
    table::ControlMeasures measures(control_);
    measures.add("true", &model::ControlSums::in);
    WEIR_TRY(measures.run(session_, "newest", taken));
    for (auto& [name, parts] : sums_.columns)
      WEIR_TRY(parts.deduplicated.subtract(taken.columns[name].in));
    WEIR_ASSIGN(sums_.keys_in,
                table::digest_of_key_sums(
                    session_, "FROM " + table::key_sums(
                                            options_.key,
                                            fmt::format("(FROM newest WHERE NOT {})", kGoesFlag))));
    return {};
  }

  /// The sums with what the written files say.
  Status close_sums(const model::HopSums& written) {
    for (const auto& [name, parts] : written.columns) {
      model::ControlSums& own = sums_.columns[name];
      own.inserted = parts.inserted;
      own.updated_in_place = parts.updated_in_place;
      own.unchanged = parts.unchanged;
      own.filtered = parts.filtered;
      own.out = parts.out;
    }
    sums_.keys_out = written.keys_out;
    return model::check_closed(sums_);
  }

  std::string ordering_field() const {
    return options_.order_by.empty() ? "_loaded_at" : options_.order_by;
  }

  table::TableOptions table_options() const {
    table::TableOptions options;
    options.name = operation_.target.dataset.name;
    options.record_key = options_.key;
    options.partition_by = options_.partition_by;
    options.ordering_field = ordering_field();
    options.schema = stored_columns();
    return options;
  }

  /// A table keeps the key, the partitions and the order that it was made with.
  Status check_table(const table::HudiTable& table) const {
    for (const auto& [property, what, wanted] :
         {std::tuple{"hoodie.table.recordkey.fields", "key",
                     fmt::format("{}", fmt::join(options_.key, ","))},
          std::tuple{"hoodie.table.partition.fields", "partition_by",
                     fmt::format("{}", fmt::join(options_.partition_by, ","))},
          std::tuple{"hoodie.table.precombine.field", "order_by", ordering_field()}}) {
      const auto found = table.properties().find(property);
      const std::string has = found == table.properties().end() ? "" : found->second;
      if (has == wanted) continue;
      return fail_with_hint(ErrorCode::kConflict,
                            fmt::format("table {} was made with {} '{}', the task says '{}'",
                                        operation_.target.dataset.text(), what, has, wanted),
                            "a table keeps them for ever: write to a dataset of another name");
    }
    return {};
  }

  table::RowWrite row_write() {
    table::RowWrite write;
    write.rows = "newest";
    write.schema = stored_columns();
    write.schema.push_back({kGoesFlag, {TypeKind::kBoolean, 0, 0, {}}, true});
    write.delete_flag = kGoesFlag;
    write.control = control_;
    write.token = operation_.token;
    write.write_token = fmt::format("{}-0-{}", operation_.origin.attempt, operation_.guard.epoch);
    write.extra =
        [this](const table::RowsWritten& written) -> Result<std::map<std::string, std::string>> {
      counts_.inserted = written.inserted;
      counts_.updated_in_place = written.updated;
      counts_.unchanged = written.stale;
      counts_.filtered = written.flagged + written.passed_over;
      counts_.out = written.rows;
      if (!counts_.is_closed() ||
          written.rows != written.rows_before + written.inserted - written.deleted)
        return fail(ErrorCode::kCheckFailed,
                    "{} rows came, {}; the table had {} rows and would have {}: nothing was "
                    "published",
                    counts_.in, dump_json(model::to_json(counts_)), written.rows_before,
                    written.rows);
      WEIR_TRY(close_sums(written.sums));
      return extra(written);
    };
    return write;
  }

  std::map<std::string, std::string> extra(const table::RowsWritten& written) const {
    Json rejects = Json::array();
    for (const auto& reason : rejected_.reasons)
      rejects.push_back(
          {{"reason", reason.reason}, {"column", reason.column}, {"rows", reason.rows}});
    Json details = {{"deleted", written.deleted},
                    {"stale", written.stale},
                    {"deletes_without_row", written.passed_over},
                    {"rejects", rejects}};
    if (!options_.control.empty()) details["sums"] = model::to_json(sums_);
    auto extra = extra_of(operation_, counts_, stored_columns(), details);
    extra["weir.identities"] = dump_json(inputs_.identities);
    if (!rejected_.name.empty())
      extra["weir.rejected"] = dump_json({{"name", rejected_.name},
                                          {"rows", rejected_.rows},
                                          {"size_bytes", rejected_.size_bytes},
                                          {"sha256", rejected_.sha256}});
    return extra;
  }

  const Operation& operation_;
  const Context& context_;
  const Options& options_;
  const RawInputs& inputs_;
  sql::Session& session_;
  model::Counts counts_;
  table::Quarantined rejected_;
  std::vector<std::string> control_;
  model::HopSums sums_;
};

}  // namespace

Result<Outcome> merge_latest(const Operation& operation, const Context& context) {
  WEIR_ASSIGN(const Options options, options_of(operation));
  WEIR_ASSIGN(const TargetTable held, target_table(operation, context));
  const table::TableContext& target = held.context;
  auto there = table::open_table(target);
  if (!there && there.error().code != ErrorCode::kNotFound) return std::unexpected(there.error());
  if (there) {
    WEIR_ASSIGN(const auto done, (*there)->find_token(operation.token));
    if (done) {
      WEIR_ASSIGN(Outcome outcome, outcome_of(operation.target.dataset, *done));
      outcome.was_already_done = true;
      return outcome;
    }
  }
  if (operation.inputs.empty()) return fail(ErrorCode::kInvalidConfig, "merge_latest has no input");
  RawInputs inputs;
  WEIR_TRY(read_raw_inputs(operation, context, inputs));
  WEIR_TRY(check_columns(options, inputs.schema, operation.inputs[0].dataset.text()));
  sql::SessionOptions session_of = session_options(operation.limits);
  session_of.preserves_order = false;
  session_of.objects = inputs.objects;
  WEIR_ASSIGN(const auto session, sql::open_session(session_of, *context.cancel));
  return while_doing(Latest(operation, context, options, inputs, *session)
                         .run(target, there ? there->get() : nullptr),
                     fmt::format("merging into '{}'", operation.target.dataset.text()));
}

}  // namespace weir::engine::embedded
