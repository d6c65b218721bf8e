#pragma once

/// The history of one key: which versions a set of observations makes. Pure: observations in,
/// versions out; no clock, no I/O. The order of the input does not matter. The merge itself streams
/// (history.h); this fold is the definition that it is tested against.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace weir::table {

/// What was seen of a key at one instant: its row, or that it is gone.
struct Observation {
  int64_t at_us = 0;  ///< UTC microseconds: as-of of the snapshot, or the event's sequence.
  bool is_delete = false;
  std::string row_hash;  ///< Canonical hash of the tracked columns; unused for a delete.
};

enum class Closed { kNot, kByChange, kByDelete };

/// One stretch of time in which a key had one value.
struct Version {
  int64_t from_us = 0;
  std::optional<int64_t> to_us;  ///< Exclusive; nothing while open.
  std::string row_hash;
  Closed closed = Closed::kNot;

  bool is_open() const { return !to_us.has_value(); }
  bool operator==(const Version&) const = default;
};

/// Versions in order of time. kInvalidData if two upserts share an instant and differ; the merge
/// then quarantines this key and goes on with the others.
Result<std::vector<Version>> timeline_of_key(std::vector<Observation> observations);

}  // namespace weir::table
