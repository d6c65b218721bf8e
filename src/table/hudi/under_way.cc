#include "table/hudi/under_way.h"

#include <fmt/format.h>

#include "table/hudi/timeline.h"

namespace weir::table {

Status check_none_under_way(storage::Storage& store, std::string_view own) {
  WEIR_ASSIGN(const Timeline timeline, Timeline::load(store));
  auto pending = timeline.pending_commits();
  std::erase_if(pending, [&](const Instant& each) { return each.time == own; });
  if (pending.empty()) return {};
  return fail_with_hint(
      ErrorCode::kConflict,
      fmt::format("{} {} of another writer is under way: it would not go on from a commit on top "
                  "of it",
                  pending.front().action, pending.front().time),
      "if its writer has died, let Spark write to the table: it rolls the commit back");
}

}  // namespace weir::table
