#include "lake/changes.h"

#include <arrow/record_batch.h>

#include "lake/maintenance.h"
#include "model/schema.h"

namespace weir::lake {
namespace {

/// A name that no column has.
std::string free_name(std::string name, const model::Schema& schema) {
  while (model::find_column(schema, name) != nullptr) name = "_" + name;
  return name;
}

}  // namespace

Result<ChangedRows> changed_rows(const Lake& lake, const std::string& word, const std::string& from,
                                 const std::string& to, int64_t max_rows) {
  WEIR_ASSIGN(const ReadTable read, open_for_reading(lake, word));
  ChangedRows out;
  WEIR_ASSIGN(out.changes, read.table->changes(from, to));
  sql::SessionOptions options;
  options.temp_folder = lake.temp_folder;
  options.preserves_order = false;
  WEIR_ASSIGN(const auto session, sql::open_session(options, *lake.cancel));
  WEIR_ASSIGN(const auto reader,
              read.table->read(out.changes, {.columns = {}, .meta = table::MetaColumns::kFirst}));
  // Row group by row group, so that a large table is DuckDB's to spill.
  std::string verb = "CREATE TEMP TABLE changed AS";
  const auto take = [&](std::vector<std::shared_ptr<arrow::RecordBatch>> batches) -> Status {
    WEIR_TRY(session->add_arrow_table("part", reader->schema(), std::move(batches)));
    WEIR_TRY(session->run(verb + " SELECT * FROM part; DROP TABLE part"));
    verb = "INSERT INTO changed";
    return {};
  };
  WEIR_TRY(take({}));
  while (true) {
    WEIR_TRY(lake.cancel->check());
    WEIR_ASSIGN(auto batch, reader->next());
    if (!batch) break;
    WEIR_TRY(take({std::move(batch)}));
  }
  WEIR_ASSIGN(out.all_rows, session->query_number("SELECT count(*) FROM changed"));
  std::string columns;
  for (const auto& column : out.changes.schema) columns += ", " + model::quote_name(column.name);
  WEIR_ASSIGN(out.rows, session->query(
                            fmt::format("SELECT _hoodie_commit_time AS {}{} FROM changed ORDER BY "
                                        "_hoodie_commit_time, _hoodie_record_key LIMIT {}",
                                        model::quote_name(free_name("instant", out.changes.schema)),
                                        columns, max_rows),
                            max_rows));
  return out;
}

}  // namespace weir::lake
