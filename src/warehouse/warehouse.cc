#include "warehouse/warehouse.h"

#include <filesystem>

#include "base/digest.h"
#include "base/nearest.h"
#include "model/canonical.h"
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

/// Sums of 60-bit hashes stay far below 2^127.
Result<model::Int128> whole_number(const std::string& text) {
  const bool is_number = !text.empty() && text.size() < 38 &&
                         text.find_first_not_of("0123456789") == std::string::npos;
  if (!is_number) return fail(ErrorCode::kCorrupt, "'{}' is no sum of hashes", text);
  model::Int128 value = 0;
  for (const char digit : text) value = value * 10 + (digit - '0');
  return value;
}

Result<std::string> sum_of(const std::string& a, const std::string& b) {
  WEIR_ASSIGN(const model::Int128 left, whole_number(a));
  WEIR_ASSIGN(const model::Int128 right, whole_number(b));
  return fmt::format("{}", left + right);
}

/// Somebody else changed the table since; a load that leaves it so must not pass it by.
Status verify_as_left(Warehouse& warehouse, const TableName& table) {
  WEIR_ASSIGN(const auto receipts, warehouse.receipts(table));
  if (receipts.empty() || receipts.back().columns.empty()) return {};
  const Receipt& newest = receipts.back();
  WEIR_ASSIGN(const auto now, warehouse.state(table, newest.columns));
  if (!now || *now == newest.state) return {};  // a dropped table is loaded again
  const std::string what = now->rows != newest.state.rows
                               ? fmt::format("has {} rows, {} were there after its newest load",
                                             now->rows, newest.state.rows)
                               : std::string("holds other values than after its newest load");
  return fail_with_hint(
      ErrorCode::kCorrupt, fmt::format("warehouse table '{}' {}", table.text(), what),
      "it was changed by somebody else: bring it back from a copy; or, where it is replaced or "
      "merged whole, drop it, and the next run loads it again");
}

}  // namespace

std::string TableState::digest() const {
  return sha256_hex(fmt::format("{}\n{}\n{}", rows, high, low));
}

Result<TableState> sum_of(const TableState& a, const TableState& b) {
  TableState sum;
  sum.rows = a.rows + b.rows;
  WEIR_ASSIGN(sum.high, sum_of(a.high, b.high));
  WEIR_ASSIGN(sum.low, sum_of(a.low, b.low));
  return sum;
}

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
  if (found || load.mode != model::WriteMode::kReplace)
    WEIR_TRY(verify_as_left(warehouse, load.table));
  if (found) return Loaded{.receipt = std::move(*found), .was_already_done = true};
  auto receipt = stage_and_publish(warehouse, load);
  if (!receipt) {
    // The load's own error is the one to tell; what cannot be dropped now the next load drops.
    static_cast<void>(warehouse.drop_staged());
    return std::unexpected(std::move(receipt).error());
  }
  return Loaded{.receipt = *std::move(receipt), .was_already_done = false};
}

bool is_warehouse(std::string_view kind) { return kind == "duckdb" || kind == "postgres"; }

Result<bool> warehouse_exists(const Json& connection) {
  WEIR_ASSIGN(const auto kind, json_field_or<std::string>(connection, "kind", "duckdb"));
  if (kind != "duckdb") return true;
  WEIR_ASSIGN(const auto path, json_field<std::string>(connection, "path"));
  std::error_code error;
  const bool exists = std::filesystem::exists(path, error);
  if (error)
    return fail(ErrorCode::kUnavailable, "the warehouse file '{}': {}", path, error.message());
  return exists;
}

Result<std::unique_ptr<Warehouse>> open_warehouse(const OpenOptions& options) {
  WEIR_ASSIGN(const auto kind, json_field_or<std::string>(options.connection, "kind", "duckdb"));
  if (kind == "duckdb") return open_duckdb_warehouse(options);
  if (kind == "postgres") return open_postgres_warehouse(options);
  return fail_with_hint(
      ErrorCode::kUnsupported, fmt::format("no warehouse of kind '{}' is served", kind),
      did_you_mean(kind, {"duckdb", "postgres"}) + "known kinds: duckdb, postgres");
}

}  // namespace weir::warehouse
