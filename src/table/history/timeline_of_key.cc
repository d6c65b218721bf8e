#include "table/history/timeline_of_key.h"

#include <algorithm>
#include <span>

#include "base/instant.h"

namespace weir::table {
namespace {

/// The observations of one instant as one: a delete wins, equal upserts collapse.
Result<Observation> settle(std::span<const Observation> instant) {
  const auto is_delete = [](const Observation& seen) { return seen.is_delete; };
  if (const auto found = std::ranges::find_if(instant, is_delete); found != instant.end())
    return *found;
  const Observation& first = instant.front();
  for (const Observation& other : instant) {
    if (other.row_hash != first.row_hash)
      return fail(ErrorCode::kInvalidData, "two different rows of one key at {}",
                  format_instant(first.at_us));
  }
  return first;
}

void close(Version& version, int64_t at_us, Closed why) {
  version.to_us = at_us;
  version.closed = why;
}

}  // namespace

Result<std::vector<Version>> timeline_of_key(std::vector<Observation> observations) {
  std::ranges::stable_sort(observations, {}, &Observation::at_us);
  std::vector<Version> versions;
  for (size_t begin = 0, end = 0; begin < observations.size(); begin = end) {
    while (end < observations.size() && observations[end].at_us == observations[begin].at_us) ++end;
    WEIR_ASSIGN(const Observation seen,
                settle(std::span(observations).subspan(begin, end - begin)));
    const bool is_open = !versions.empty() && versions.back().is_open();
    if (seen.is_delete) {
      if (is_open) close(versions.back(), seen.at_us, Closed::kByDelete);
      continue;
    }
    if (is_open && versions.back().row_hash == seen.row_hash) continue;  // the run goes on
    if (is_open) close(versions.back(), seen.at_us, Closed::kByChange);
    versions.push_back({seen.at_us, std::nullopt, seen.row_hash, Closed::kNot});
  }
  return versions;
}

}  // namespace weir::table
