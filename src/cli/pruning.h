#pragma once

/// Forgetting of runs that ended long ago, by command and by servers.

#include "catalog/retention.h"
#include "cli/session.h"

namespace weir::cli {

/// A day: who prunes must not meet a run that is just beginning.
inline constexpr int64_t kShortestKeepMs = 86'400'000;

/// `90d` of `--older-than` and `--keep-runs` in milliseconds; kInvalidConfig below a day.
Result<int64_t> read_age(const std::string& text, const std::string& flag);

/// One call of Retention::prune for what ended so long ago, with a line in the audit log for what
/// went.
Result<catalog::Pruned> prune(Session& session, int64_t age_ms, catalog::PruneRequest request,
                              const std::string& author);

std::string text_of(const catalog::Pruned& pruned);
Json to_json(const catalog::Pruned& pruned);

}  // namespace weir::cli
