#pragma once

/// What patterns of `for_each` mean: for a run by asking databases and stores, for all else as the
/// newest run of their flow saw it.

#include <string>
#include <vector>

#include "base/json.h"
#include "cli/session.h"
#include "config/for_each_patterns.h"
#include "config/places.h"
#include "orchestrate/services.h"

namespace weir::cli {

/// A run that is about to be, as far as its lists depend on it.
struct RunToBe {
  std::string flow_id;             ///< Empty: none, and nobody is asked for anything.
  Json params = Json::object();    ///< With the files that start it, under `trigger.files`.
  std::string lists_of_hash = {};  ///< Takes the lists of that version in place of looking.
};

/// What a pattern is that no run has seen.
enum class Unseen {
  kNothing,    ///< A list without values.
  kAsWritten,  ///< Open: its task stays as written.
};

/// The patterns of a configuration that is not resolved yet, as known from earlier runs. Nobody is
/// asked.
Result<config::FoundValues> found_as_seen(Session& session,
                                          const model::Configuration& configuration,
                                          Unseen unseen = Unseen::kNothing);

/// Whether each run of the flow looks something up.
bool has_pattern(const model::Flow& flow);

struct LookedUp {
  config::FoundValues found;
  /// Tables that the run before had and that are not found any more; files without a key.
  std::vector<orchestrate::Pinned::Warning> warnings;
};

/// The same with the patterns of the run's flow looked up now; `configuration` needs no other flow.
/// kNotFound where one fits no table;
/// kInvalidConfig where it means the files of an event and none started the run; errors of
/// resolving, connecting and listing.
Result<LookedUp> look_up_patterns(Session& session, const model::Configuration& configuration,
                                  const config::Places& places, const RunToBe& run);

}  // namespace weir::cli
