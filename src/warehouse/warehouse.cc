#include "warehouse/warehouse.h"

#include "base/nearest.h"
#include "model/names.h"

namespace weir::warehouse {
namespace {

constexpr std::string_view kOwnPrefix = "_weir_";

Status check_load(const Load& load) {
  if (load.mode != model::WriteMode::kMerge) return {};
  if (load.key.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("table '{}': mode merge needs a key", load.table.text()),
                          "declare `key: […]` on the dataset, or use mode append or replace");
  for (const auto& name : load.key)
    if (model::find_column(load.columns, name) == nullptr)
      return fail(ErrorCode::kInvalidConfig, "table '{}': key column '{}' is not among its columns",
                  load.table.text(), name);
  return {};
}

}  // namespace

std::string TableName::quoted() const {
  if (schema.empty()) return model::quote_name(table);
  return model::quote_name(schema) + "." + model::quote_name(table);
}

Result<TableName> parse_table_name(std::string_view text) {
  const auto dot = text.find('.');
  TableName name;
  if (dot == std::string_view::npos) {
    name.table = text;
  } else {
    name.schema = text.substr(0, dot);
    name.table = text.substr(dot + 1);
    WEIR_TRY(model::check_name(name.schema, "schema of a warehouse table"));
  }
  WEIR_TRY(model::check_name(name.table, "warehouse table"));
  if (name.table.starts_with(kOwnPrefix))
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("warehouse table '{}' has a name that weir keeps for itself", text),
        "choose a name that does not start with _weir_");
  return name;
}

namespace {

Result<Receipt> stage_and_publish(Warehouse& warehouse, const Load& load) {
  WEIR_ASSIGN(const Staged staged, warehouse.stage(load));
  if (staged.rows != load.rows)
    return fail(ErrorCode::kCheckFailed,
                "{} rows of {} arrived in the warehouse for table '{}'; nothing was published",
                staged.rows, load.rows, load.table.text());
  return warehouse.publish(load, staged);
}

}  // namespace

Result<Loaded> run_load(Warehouse& warehouse, const Load& load) {
  WEIR_TRY(check_load(load));
  WEIR_ASSIGN(auto found, warehouse.find(load.token));
  if (found) return Loaded{.receipt = std::move(*found), .was_already_done = true};
  auto receipt = stage_and_publish(warehouse, load);
  if (!receipt) {
    // The load's own error is the one to tell; what cannot be dropped now the next load drops.
    static_cast<void>(warehouse.drop_staged());
    return std::unexpected(std::move(receipt).error());
  }
  return Loaded{.receipt = *std::move(receipt), .was_already_done = false};
}

Result<std::unique_ptr<Warehouse>> open_warehouse(const OpenOptions& options) {
  WEIR_ASSIGN(const auto kind, json_field_or<std::string>(options.connection, "kind", "duckdb"));
  if (kind == "duckdb") return open_duckdb_warehouse(options);
  return fail_with_hint(ErrorCode::kUnsupported,
                        fmt::format("no warehouse of kind '{}' is served", kind),
                        did_you_mean(kind, {"duckdb"}) + "known kinds: duckdb");
}

}  // namespace weir::warehouse
