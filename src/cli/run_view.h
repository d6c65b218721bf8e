#pragma once

/// What a run looks like while it goes and after it ended.

#include <mutex>

#include "catalog/run_json.h"
#include "cli/session.h"
#include "orchestrate/runner.h"

namespace weir::cli {

/// Shows events as they come: lines on a pipe, JSON lines with --output json. Safe from many
/// threads.
class RunView {
 public:
  explicit RunView(Session& session) : session_(session) {}
  void show(const orchestrate::Event& event);

 private:
  std::string line_of(const orchestrate::Event& event);

  Session& session_;
  std::mutex mutex_;
};

Json to_json(const catalog::TaskRun& row);
/// The end of a run: state, tasks with their counts, errors with hints, what to do next.
std::string end_text(const orchestrate::RunReport& report);
/// Its last part: what went wrong and what to do; empty where nothing did.
std::string fault_text(const orchestrate::RunReport& report);
/// `28,875 in = 28,875 new` and so on: a custody line without zeros.
std::string counts_text(const model::Counts& counts);

}  // namespace weir::cli
