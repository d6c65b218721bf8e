#include "table/rejected_rows.h"

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "parquet/parquet.h"

namespace weir::table {
namespace {

Status write(sql::Session& session, storage::Storage& store, const std::string& name,
             const std::string& query, const std::map<std::string, std::string>& footer) {
  WEIR_ASSIGN(const auto rows, session.stream(query));
  WEIR_ASSIGN(const auto writer, parquet::create_file(store, name, rows->schema(), {}));
  while (true) {
    WEIR_ASSIGN(const std::shared_ptr<arrow::RecordBatch> batch, rows->next());
    if (batch == nullptr) break;
    WEIR_TRY(writer->write(*batch));
  }
  const auto written = writer->commit(footer, storage::Put::kIfAbsent);
  if (!written && written.error().code != ErrorCode::kAlreadyExists)
    return std::unexpected(written.error());
  return {};
}

}  // namespace

Result<Quarantined> write_rejected(sql::Session& session, storage::Storage* store, int64_t rows,
                                   const std::string& query, const model::Operation& operation) {
  Quarantined out;
  if (rows == 0) return out;
  if (store == nullptr)
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("{} rows must be quarantined and there is no place for them", rows),
        "give the operation's target a `rejected_uri`");
  out.name = fmt::format("merge-{}.parquet", operation.token.substr(0, 16));
  model::Counts rejected;
  rejected.rejected = rows;
  WEIR_TRY(while_doing(write(session, *store, out.name, query,
                             {{"weir.token", operation.token},
                              {"weir.identity", operation.token},
                              {"weir.counts", dump_json(model::to_json(rejected))},
                              {"weir.run", operation.origin.run_id}}),
                       "writing rejected rows"));
  WEIR_ASSIGN(const parquet::FileInfo info, parquet::read_info(*store, out.name));
  const auto token = info.footer.find("weir.token");
  if (token == info.footer.end() || token->second != operation.token)
    return fail(ErrorCode::kConflict, "'{}' in '{}' belongs to another merge", out.name,
                store->uri());
  WEIR_ASSIGN(const storage::Written digest, storage::digest_of(*store, out.name));
  out.rows = info.rows;
  out.size_bytes = digest.size_bytes;
  out.sha256 = digest.sha256;
  return out;
}

}  // namespace weir::table
