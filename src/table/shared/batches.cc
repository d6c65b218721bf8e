#include "table/shared/batches.h"

namespace weir::table {

Status for_each_batch(sql::Session& session, const std::string& query, const Cancel& cancel,
                      const std::function<Status(const arrow::RecordBatch&)>& take) {
  WEIR_ASSIGN(const auto reader, session.stream(query));
  while (true) {
    WEIR_TRY(cancel.check());
    WEIR_ASSIGN(const auto batch, reader->next());
    if (batch == nullptr) return {};
    WEIR_TRY(take(*batch));
  }
}

}  // namespace weir::table
