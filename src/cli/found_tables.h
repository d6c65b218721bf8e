#pragma once

/// What patterns of tables (`for_each: {tables: …}`) mean: for a run by asking the databases, for
/// all else as the newest run of their flow saw it.

#include <set>
#include <string>
#include <vector>

#include "cli/session.h"
#include "config/for_each.h"
#include "config/places.h"
#include "orchestrate/services.h"

namespace weir::cli {

/// The patterns of a configuration that is not resolved yet, as known from earlier runs; nothing
/// for a task that no run has seen. Databases are not asked.
Result<config::FoundTables> tables_as_seen(Session& session,
                                           const model::Configuration& configuration);

/// The flows of a configuration that have patterns.
std::set<std::string> flows_with_patterns(const model::Configuration& configuration);

struct LookedUp {
  config::FoundTables tables;  ///< Of all flows.
  /// Tables that the run before had and that are not found any more.
  std::vector<orchestrate::Pinned::Warning> warnings;
};

/// The same with the patterns of one flow looked up now. kNotFound where one fits no table; errors
/// of resolving and connecting.
Result<LookedUp> look_up_tables(Session& session, const model::Configuration& configuration,
                                const config::Places& places, const std::string& flow_id);

}  // namespace weir::cli
