#pragma once

/// Files whose arrival starts a flow: what a row of `file_trigger` says, and which words go
/// together. Values only; who looks at stores is arrivals' business.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace weir::model {

struct FileTrigger {
  std::string pattern;                     ///< `layer/glob`; empty where there is a set.
  std::map<std::string, std::string> set;  ///< Member → `layer/glob`: all must be there for a key.
  std::string key;        ///< Regular expression over the name below the layer, with named groups.
  bool is_batch = false;  ///< One run for all files that wait; else one a file, or a key.
  int64_t max_files = 1000;          ///< Of one run, for batches.
  int64_t max_bytes = 0;             ///< Of one run of several files, for batches; 0: any number.
  int64_t at_most_every_ms = 0;      ///< Between two runs, for batches; 0: no run waits.
  std::optional<int64_t> settle_ms;  ///< Unsaid: 10 s where a store shows half files, else none.
  std::string marker;                ///< Name beside each file, with `{name}` or `{stem}`.
  std::string manifest;              ///< `layer/glob` of files that list the files of a run.
  std::string control;               ///< `layer/glob` of files that say that a key is complete.
  int64_t expect = 0;                ///< So many files of a key, or of a batch; 0: any number.
  int64_t quiet_ms = 0;              ///< Nothing of the run's files came for so long.
  int64_t deadline_ms = 0;           ///< What waits longer is late; 0: never.
  int64_t silence_ms = 0;            ///< So long without any file is late, too; 0: never.
  std::optional<int64_t> poll_ms;    ///< Between two listings; unsaid: 30 s, 15 min with events.
  std::string events;                ///< Connection of kind `sqs` that tells of files.
  bool starts_existing = false;      ///< Files that were there before the trigger count, too.
  bool compares_content = true;      ///< The same bytes under the same name are no new file.
  Json expected = Json();            ///< By when files are due, as written (arrivals reads it).
  Json params = Json::object();      ///< Of the runs.

  bool has_groups() const { return !key.empty() || !manifest.empty(); }
  /// Each `layer/glob` of files that a run is about, by its member; the pattern by an empty name.
  std::vector<std::pair<std::string, std::string>> sources() const;
};

/// A text alone is the pattern. kInvalidConfig names the key that is unknown, of another type or
/// does not go with another, with what to write.
Result<FileTrigger> file_trigger_from_json(const Json& json);

/// A fault of one key, so that it can be shown at its place.
struct TriggerFault {
  std::string key;
  Error error;
};
/// All that is wrong with it; variables that are not resolved pass.
std::vector<TriggerFault> check_file_trigger(const Json& json);

/// `landing/sales/*.csv` → `landing`, `sales/*.csv`. kInvalidConfig where one of them is missing.
Result<std::pair<std::string, std::string>> split_glob(std::string_view pattern);

/// The name of the marker of `name` (below its layer): in the same folder.
std::string marker_name(std::string_view marker, std::string_view name);

/// A name that fits the glob, for checks: `sales/*.csv` → `sales/x.csv`.
std::string sample_name(std::string_view glob);

}  // namespace weir::model
