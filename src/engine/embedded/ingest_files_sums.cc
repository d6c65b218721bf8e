#include "engine/embedded/ingest_files_sums.h"

#include <algorithm>

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "base/json.h"
#include "parquet/column_sums.h"

namespace weir::engine::embedded {

Result<IngestSums> IngestSums::open(const std::vector<std::string>& columns,
                                    const files::ColumnPlan& plan, char decimal_separator,
                                    const std::string& dataset) {
  WEIR_TRY(model::check_control_columns(plan.schema, columns, dataset));
  IngestSums sums;
  sums.decimal_separator_ = decimal_separator;
  for (const auto& name : columns) {
    const auto found = std::ranges::find(plan.schema, name, &model::Column::name);
    const auto place = static_cast<size_t>(std::distance(plan.schema.begin(), found));
    sums.columns_.push_back({name, place, plan.field_of_column[place] >= 0});
    sums.sums_.columns.try_emplace(name);
  }
  return sums;
}

Status IngestSums::add(const files::Chunk& chunk, const CastChunk& cast) {
  for (const auto& column : columns_) {
    auto& parts = sums_.columns[column.name];
    for (const auto& batch : chunk.batches) {
      if (!column.is_in_file) break;
      const auto& texts =
          static_cast<const arrow::StringArray&>(*batch->column(static_cast<int>(column.place)));
      for (int64_t row = 0; row < texts.length(); ++row) {
        if (texts.IsNull(row)) continue;
        WEIR_ASSIGN([[maybe_unused]] const bool is_number, parts.in.add_text(texts.GetView(row)));
      }
    }
    for (const auto& rows : cast.rows)
      WEIR_TRY(parquet::add_values(*rows.columns[column.place], nullptr, parts.inserted));
  }
  WEIR_TRY(add_rejects(chunk.rejects, false));
  return add_rejects(cast.rejects, true);
}

/// Rejects of the reader never got into its batches; those of the cast did.
Status IngestSums::add_rejects(const std::vector<files::Reject>& rejects, bool are_in_batches) {
  if (columns_.empty()) return {};
  for (const auto& reject : rejects) {
    const auto values = parse_json(reject.values);
    if (!values || !values->is_object()) continue;
    for (const auto& column : columns_) {
      const auto found = values->find(column.name);
      if (found == values->end() || !found->is_string()) continue;
      std::string text = found->get<std::string>();
      if (decimal_separator_ != '.') std::ranges::replace(text, decimal_separator_, '.');
      auto& parts = sums_.columns[column.name];
      WEIR_ASSIGN(const bool is_number, parts.rejected.add_text(text));
      if (!is_number || are_in_batches) continue;
      WEIR_ASSIGN([[maybe_unused]] const bool is_in, parts.in.add_text(text));
    }
  }
  return {};
}

model::HopSums IngestSums::finish() {
  for (auto& [name, parts] : sums_.columns) parts.out = parts.inserted;
  return sums_;
}

Status check_delivered(storage::Storage& store, const std::string& name, const model::HopSums& sums,
                       const Cancel& cancel) {
  if (sums.columns.empty()) return {};
  std::vector<std::string> columns;
  for (const auto& [column, parts] : sums.columns) columns.push_back(column);
  parquet::ColumnSums found;
  WEIR_TRY(parquet::add_columns(store, name, columns, "", cancel, found));
  for (const auto& [column, parts] : sums.columns) {
    if (found[column] == parts.out) continue;
    return fail(ErrorCode::kCheckFailed,
                "object '{}' holds {} in control column '{}' (of {} values), {} (of {}) were "
                "loaded",
                name, found[column].text(), column, found[column].values(), parts.out.text(),
                parts.out.values());
  }
  return {};
}

}  // namespace weir::engine::embedded
