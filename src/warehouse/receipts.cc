#include "warehouse/receipts.h"

namespace weir::warehouse {
namespace {

Result<int64_t> number_from(const std::optional<std::string>& text) {
  WEIR_ASSIGN(const Json value, parse_json(text.value_or("null")));
  if (!value.is_number_integer())
    return fail(ErrorCode::kCorrupt, "_weir_load holds '{}' where a number belongs",
                text.value_or("NULL"));
  return value.get<int64_t>();
}

}  // namespace

Result<Receipt> receipt_from(const sql::Row& row) {
  Receipt receipt{.token = row[0].value_or(""),
                  .table_name = row[1].value_or(""),
                  .run_id = row[3].value_or(""),
                  .digest = row[5].value_or("")};
  WEIR_ASSIGN(receipt.loaded_at_us, number_from(row[2]));
  WEIR_ASSIGN(receipt.rows, number_from(row[4]));
  WEIR_ASSIGN(const Json counts, parse_json(row[6].value_or("")));
  WEIR_ASSIGN(receipt.counts, model::counts_from_json(counts));
  WEIR_ASSIGN(const Json details, parse_json(row[7].value_or("{}")));
  WEIR_ASSIGN(receipt.number, json_field_or<int64_t>(details, "number", 0));
  WEIR_ASSIGN(const Json state, json_field_or<Json>(details, "state", Json::object()));
  WEIR_ASSIGN(receipt.state.rows, json_field_or<int64_t>(state, "rows", 0));
  WEIR_ASSIGN(receipt.state.high, json_field_or<std::string>(state, "high", "0"));
  WEIR_ASSIGN(receipt.state.low, json_field_or<std::string>(state, "low", "0"));
  WEIR_ASSIGN(const Json columns, json_field_or<Json>(details, "columns", Json::array()));
  for (const auto& name : columns)
    if (name.is_string()) receipt.columns.push_back(name.get<std::string>());
  WEIR_ASSIGN(receipt.inputs, json_field_or<Json>(details, "inputs", Json::array()));
  WEIR_ASSIGN(receipt.sums, json_field_or<Json>(details, "sums", Json::object()));
  return receipt;
}

Json details_of(const Receipt& receipt) {
  return {
      {"number", receipt.number},
      {"state",
       {{"rows", receipt.state.rows}, {"high", receipt.state.high}, {"low", receipt.state.low}}},
      {"columns", receipt.columns},
      {"inputs", receipt.inputs},
      {"sums", receipt.sums}};
}

Result<TableState> state_from(const sql::Row& row) {
  WEIR_ASSIGN(const int64_t rows, number_from(row.at(0)));
  return TableState{.rows = rows, .high = row.at(1).value_or("0"), .low = row.at(2).value_or("0")};
}

}  // namespace weir::warehouse
