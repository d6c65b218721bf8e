#include "table/history/quarantine.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weir::table::history {

Result<Quarantined> quarantine(sql::Session& session, storage::Storage* store,
                               const DiffInput& input, const DiffCounts& counts,
                               const VersionOrigin& origin, const model::Operation& operation) {
  const int64_t rows = counts.null_key + counts.conflicting;
  WEIR_ASSIGN(Quarantined out,
              write_rejected(session, store, rows, quarantined_rows(input, origin), operation));
  const std::string key = fmt::format("{}", fmt::join(input.layout.key, ", "));
  if (counts.null_key > 0) out.reasons.push_back({"null_key", key, counts.null_key});
  if (counts.conflicting > 0) out.reasons.push_back({"conflict_same_key", key, counts.conflicting});
  return out;
}

}  // namespace weir::table::history
