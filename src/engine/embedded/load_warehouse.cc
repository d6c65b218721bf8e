// One dataset at its pinned version goes into a warehouse table. Custody: `in` are the rows of the
// footers, read by Arrow; the others are read back from the warehouse, in the transaction that
// publishes.

#include "base/instant.h"
#include "engine/embedded/executors.h"
#include "engine/embedded/pinned.h"
#include "parquet/column_sums.h"
#include "warehouse/warehouse.h"

namespace weir::engine::embedded {
namespace {

/// The record key of tables without one means nothing outside the lake.
constexpr std::string_view kRowKey = "_row_key";

Result<warehouse::Load> load_of(const Operation& operation, const Reading& reading) {
  warehouse::Load load;
  load.token = operation.token;
  WEIR_ASSIGN(load.table, warehouse::parse_table_name(operation.target.table));
  load.mode = operation.target.mode;
  load.key = operation.target.key;
  load.files = reading.view.files;
  for (const auto& column : reading.view.schema)
    if (column.name != kRowKey) load.columns.push_back(column);
  load.rows = reading.rows;
  load.run_id = operation.origin.run_id;
  load.attempt = operation.origin.attempt;
  load.loaded_at_us = operation.origin.logical_time_us;
  load.inputs = model::lineage_of(operation.inputs);
  return load;
}

/// Sums over the files, as Arrow reads them. The columns are those of the dataset that is loaded.
Result<parquet::ColumnSums> control_of(const Operation& operation, const model::Schema& columns,
                                       const Context& context) {
  const auto& input = operation.inputs[0];
  parquet::ColumnSums sums;
  WEIR_ASSIGN(const auto control, model::control_columns(operation.target.options));
  WEIR_TRY(model::check_control_columns(columns, control, input.dataset.text()));
  for (const auto& name : control) sums.try_emplace(name);
  for (const auto& object : input.objects) {
    WEIR_ASSIGN(auto* store, context.stores->open(object.uri));
    WEIR_TRY(parquet::add_columns(*store, object.name, control, "", *context.cancel, sums));
  }
  return sums;
}

}  // namespace

Result<Outcome> load_warehouse(const Operation& operation, const Context& context) {
  if (operation.inputs.size() != 1)
    return fail(ErrorCode::kInternal, "a warehouse load has one input, not {}",
                operation.inputs.size());
  const auto objects = std::make_shared<sql::ObjectFiles>();
  WEIR_ASSIGN(const auto reading, open_reading(operation.inputs[0], context, *objects));
  WEIR_ASSIGN(auto load, load_of(operation, reading));
  WEIR_ASSIGN(load.control, control_of(operation, load.columns, context));
  warehouse::OpenOptions options;
  options.connection = operation.target.connection_options;
  options.session = session_options(operation.limits);
  options.session.objects = objects;
  if (!operation.origin.run_id.empty()) options.holder = "run " + operation.origin.run_id;
  options.clock = context.clock;
  options.cancel = context.cancel;
  options.resolve_secrets = context.resolve_secrets;
  WEIR_ASSIGN(const auto warehouse, warehouse::open_warehouse(options));
  WEIR_ASSIGN(const auto loaded, warehouse::run_load(*warehouse, load));

  Outcome outcome;
  outcome.was_already_done = loaded.was_already_done;
  outcome.counts = loaded.receipt.counts;
  outcome.details = {{"table", loaded.receipt.table_name},
                     {"connection", operation.target.connection_id},
                     {"rows", loaded.receipt.rows},
                     {"digest", loaded.receipt.digest},
                     {"loaded_at", format_instant(loaded.receipt.loaded_at_us)},
                     {"sums", loaded.receipt.sums},
                     {"lineage", model::lineage_of(operation.inputs)}};
  return outcome;
}

}  // namespace weir::engine::embedded
