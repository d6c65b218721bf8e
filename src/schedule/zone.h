#pragma once

/// Time zones of the IANA database, as this machine has it (/usr/share/zoneinfo, or where TZDIR
/// points): how far a wall clock is from UTC, and from when to when. Seconds are UTC since 1970.
/// Reads the database through Abseil (CCTZ), which also knows the rules beyond the last change that
/// a zone's file lists.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::schedule {

/// A stretch of time in which a zone's clocks are not changed.
struct Span {
  int64_t begin_s = 0;   ///< Inclusive.
  int64_t end_s = 0;     ///< Exclusive.
  int64_t offset_s = 0;  ///< What a wall clock shows, less UTC.
};

/// Immutable; safe to use from many threads at once.
class Zone {
 public:
  /// Times of a zone are known in [kBeginning, kEnd): the years 1 to 2399.
  static constexpr int64_t kBeginning = -62'135'596'800;
  static constexpr int64_t kEnd = 13'569'465'600;

  Zone(std::string name, std::vector<Span> spans);

  const std::string& name() const { return name_; }
  /// In order of time; neighbours differ in their offset, and there is no gap between them.
  const std::vector<Span>& spans() const { return spans_; }
  /// The place in spans() of the one that `at_s` lies in; the first or last for what is outside.
  size_t index_at(int64_t at_s) const;

  /// The instant at which a clock shows `wall_s` (see cron.h): the first where it shows it twice,
  /// the first after the gap where it never does.
  int64_t instant_of(int64_t wall_s) const;

  /// `2026-03-29T03:00:00+02:00`
  std::string local_text(int64_t at_us) const;

 private:
  std::string name_;
  std::vector<Span> spans_;
};

/// Zones that were asked for, read once. Not for use from several threads at once; the zones that
/// it gives are.
class Zones {
 public:
  /// kInvalidConfig with did-you-mean for a name that the database has not; kUnavailable where this
  /// machine has no database. UTC needs none.
  Result<std::shared_ptr<const Zone>> find(const std::string& name);

 private:
  std::map<std::string, std::shared_ptr<const Zone>, std::less<>> known_;
  std::vector<std::string> names_;  ///< Of the database; read when one is not known.
};

/// The release of the database that Zones reads, `2025b`; empty where it does not say.
std::string tzdata_version();

}  // namespace weir::schedule
