#pragma once

/// What the commands about runs share: how a run is found by a word, watched, and shown at its end.

#include <string>

#include "base/cancel.h"
#include "catalog/catalog.h"
#include "cli/event_log.h"
#include "cli/run_view.h"
#include "cli/session.h"
#include "orchestrate/runner.h"

namespace weir::cli {

/// Services with a view that shows events.
struct Shown {
  explicit Shown(Session& session) : view(session), services(session.services()) {
    services.on_event = [this, log = session.json_log()](const orchestrate::Event& event) {
      view.show(event);
      if (log != nullptr) log_event(*log, event);
    };
  }
  RunView view;
  orchestrate::Services services;
};

/// Shows the run as it stands; the exit status that it asks for.
Result<int> finish(Session& session, const orchestrate::RunReport& report);

/// A run that servers bring to its end.
Result<int> say_queued(Session& session, const catalog::FlowRun& run);

/// A run by its id, or the newest run of a flow. kNotFound.
Result<catalog::FlowRun> find_run(catalog::Catalog& catalog, const std::string& word);

/// kNotFound, with the nearest name, where the configuration has no such flow.
Result<const model::Flow*> find_flow(const model::Configuration& configuration,
                                     const std::string& flow_id);

/// Who gives the command, as logs of changes name people.
std::string author_of(Session& session);

/// False: cancelled meanwhile.
bool wait_ms(Cancel& cancel, int64_t ms);

}  // namespace weir::cli
