#pragma once

/// Rows about files that start flows: what is known of each file, and events from outside. Values
/// only; the catalog keeps them, arrivals gives them their meaning.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace weir::catalog {

enum class ArrivalState {
  kWaiting,  ///< It has not started a run.
  kDue,      ///< It belongs to a run that must be started: its `run_key`.
  kStarted,  ///< That run is there.
  kIgnored,  ///< It was there before the trigger.
};
std::string_view to_text(ArrivalState state);

/// What is known of one name; the newest bytes that were seen under it.
struct Arrival {
  std::string name;  ///< `layer/name`
  ArrivalState state = ArrivalState::kWaiting;
  int64_t size_bytes = 0;
  std::string version;        ///< Entry::version
  std::string sha256;         ///< Of the content that a run was started for last; empty: unknown.
  std::string run_key;        ///< Of that run.
  int64_t seen_at_us = 0;     ///< Since when it waits, or waited.
  int64_t changed_at_us = 0;  ///< When these bytes were seen first.
  int64_t taken_at_us = 0;    ///< When the run was decided; 0: not yet.
  int64_t gone_at_us = 0;     ///< Since when it is not there any more; 0: it is there.
  bool operator==(const Arrival&) const = default;
};

/// All of one flow.
struct Arrivals {
  int64_t revision = 0;               ///< Counts the changes; 0: nobody has looked yet.
  int64_t since_us = 0;               ///< When somebody looked first.
  std::vector<std::string> patterns;  ///< Those whose old files are known.
  std::vector<Arrival> files;         ///< By name.
};

struct ArrivalChanges {
  std::string flow_id;
  int64_t revision = 0;               ///< Arrivals::revision that they are made from.
  std::vector<std::string> patterns;  ///< As they are then.
  std::vector<Arrival> files;         ///< New, or in place of what is known of the name.
  std::vector<std::string> removed;
};

/// Something that came from outside, as it came in.
struct InboxEvent {
  std::string event_id;  ///< The sender's: a second one of the same id changes nothing.
  std::string kind;
  Json payload = Json::object();
  int64_t received_at_us = 0;
};

}  // namespace weir::catalog
