#pragma once

/// Which files belong to one run, and whether all that it needs is there. Decides by what was seen;
/// it opens nothing.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "arrivals/manifest.h"
#include "arrivals/watch/known_files.h"

namespace weir::arrivals {

/// Files of one run to be.
struct Group {
  std::string key;                  ///< Key::text, the manifest, or the one file; empty: a batch.
  std::vector<KnownFile*> files;    ///< Data, by name.
  std::vector<KnownFile*> said_by;  ///< Its manifest or control files.
  std::vector<Listed> listed;       ///< Of the manifest: what the contents must be.
  bool is_ready = false;
  std::string why;          ///< What it waits for; empty where it is ready.
  int64_t since_us = 0;     ///< Since when the first of its files waits.
  int64_t wakes_at_us = 0;  ///< It may be ready then though nothing comes; 0: not by time.
};

/// An instant as a reason names it: to the second, and not before it.
std::string time_text(int64_t at_us);

/// What groups are made with. Calls may look at the store.
struct GroupGround {
  const Trigger* trigger = nullptr;
  KnownFiles* known = nullptr;
  int64_t now_us = 0;
  bool must_be_seen = true;  ///< Only what this poll saw is taken for unchanged.
  /// Whether a file (`layer/name`) is there.
  std::function<Result<bool>(const Source& source, const std::string& name)> is_there;
  /// What a manifest or control file says.
  std::function<Result<Manifest>(const KnownFile& file)> read;
};

/// All groups that have something new, in order of their files. A manifest that does not read is a
/// group that is not ready, with the fault as what it waits for.
Result<std::vector<Group>> make_groups(const GroupGround& ground);

}  // namespace weir::arrivals
