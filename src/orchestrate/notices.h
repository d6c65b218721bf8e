#pragma once

/// What the rules of a configuration have to say about a change of state: notices, to be written in
/// the same transaction. It sends nothing (courier.h), and decides nothing about runs.

#include <vector>

#include "catalog/catalog.h"
#include "catalog/waiting_starts.h"
#include "orchestrate/services.h"

namespace weir::orchestrate {

/// The end of a run, as it is about to be stored, for people and for lineage. `rows` are its
/// tasks; `run` as it was before, with `error_code` and `error_text` of the end.
/// Never fails a run: where the catalog does not say whether a success is a recovery, it is none.
catalog::Notices notices_of_end(const Services& services, const model::Configuration& configuration,
                                const catalog::FlowRun& run, catalog::RunState to,
                                const std::vector<catalog::TaskRun>& rows);

/// A task that is about to be held.
catalog::Notices notices_of_hold(const Services& services,
                                 const model::Configuration& configuration,
                                 const catalog::FlowRun& run, const catalog::TaskRun& row);

/// A run that has taken longer than rules allow by now. The keys are those of the run and the rule:
/// asking again makes no second message.
catalog::Notices notices_of_slow(const Services& services,
                                 const model::Configuration& configuration,
                                 const catalog::FlowRun& run);

/// Files that should have come: also the event `late`, about a flow.
struct Missing {
  std::string flow_id;
  std::string key;  ///< Of the fact: asking again makes no second message.
  std::string text;
  int64_t since_us = 0;
};
catalog::Notices notices_of_missing(const Services& services,
                                    const model::Configuration& configuration,
                                    const Missing& missing);

/// A run that is due and cannot begin: the event `failed`, about a flow without a run.
catalog::Notices notices_of_waiting_start(const Services& services,
                                          const model::Configuration& configuration,
                                          const catalog::WaitingStart& start);

/// A run that has not ended by its flow's deadline. As above, asking again makes no second message.
catalog::Notices notices_of_late(const Services& services,
                                 const model::Configuration& configuration,
                                 const catalog::FlowRun& run);

}  // namespace weir::orchestrate
