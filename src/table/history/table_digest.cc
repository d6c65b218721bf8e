#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "base/digest.h"
#include "table/history.h"
#include "table/history/layout.h"
#include "table/relations.h"

// The digest is over 32 hex digits and a line feed for each row, in the order of the digits: what
// an engine can make with one sort of narrow values.

namespace weir::table {
namespace {

/// Columns that are the table's content and not the trace of how it was made.
std::vector<std::string> content_columns(const model::Schema& schema) {
  const HistoryColumns names;
  std::vector<std::string> out;
  if (history::has_history(schema, names)) {
    for (const model::Column& column : history::business_columns(schema, names))
      out.push_back(column.name);
    for (const std::string* name :
         {&names.valid_from, &names.valid_to, &names.is_current, &names.is_deleted})
      out.push_back(*name);
    return out;
  }
  for (const model::Column& column : schema) {
    if (!column.name.starts_with('_')) out.push_back(column.name);
  }
  return out;
}

}  // namespace

Result<std::string> table_digest(HudiTable& table, const Snapshot& snapshot, const Cancel& cancel) {
  sql::SessionOptions options;
  options.preserves_order = false;
  WEIR_ASSIGN(const auto session, sql::open_session(options, cancel));
  std::vector<std::string> paths;
  for (const FileSlice& slice : snapshot.slices) {
    WEIR_ASSIGN(std::string path, session->objects().path_of(table.store(), slice.name));
    paths.push_back(std::move(path));
  }
  WEIR_ASSIGN(const auto rows,
              session->stream(fmt::format("SELECT {} AS h FROM {} x ORDER BY h",
                                          hash_of(content_columns(snapshot.schema), "x"),
                                          relation(paths, snapshot.schema))));
  Sha256 digest;
  while (true) {
    WEIR_TRY(cancel.check());
    WEIR_ASSIGN(const std::shared_ptr<arrow::RecordBatch> batch, rows->next());
    if (batch == nullptr) return digest.finish_hex();
    const auto& hashes = static_cast<const arrow::StringArray&>(*batch->column(0));
    for (int64_t i = 0; i < hashes.length(); ++i) {
      digest.update(hashes.GetView(i));
      digest.update("\n");
    }
  }
}

}  // namespace weir::table
