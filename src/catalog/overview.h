#pragma once

/// What a server shows of the catalog: pages of flows, runs, datasets, holds, rejected rows and log
/// lines, and how many there are in which state. Reading alone, limited in every list, and only of
/// the flows that the asker may see.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "catalog/waiting_starts.h"

namespace weir::catalog {

/// Which flows count: a pattern is the id of one flow, or the beginning of ids with `*` behind it.
/// Without patterns none do.
struct FlowScope {
  std::vector<std::string> patterns;

  static FlowScope all() { return {{"*"}}; }
  bool has_all() const;
  bool has(std::string_view flow_id) const;
};

/// Whether a text is a pattern that FlowScope takes: no `*` but at its end, and no `/`.
bool is_flow_pattern(std::string_view text);

/// One FlowScope has no more patterns than this.
inline constexpr size_t kMaxScopePatterns = 64;

struct FlowLine {
  std::string flow_id;
  std::string description;
  std::string owner;
  bool is_enabled = true;
  bool is_paused = false;
  int64_t task_count = 0;
  Json schedule = Json();                    ///< `{cron, every, timezone, options}`, or null.
  std::optional<FlowRun> last_run = {};      ///< The newest.
  std::optional<int64_t> last_success = {};  ///< When the newest that succeeded ended, in µs.
};

/// Where a list of runs goes on: behind this one.
struct RunPlace {
  int64_t created_at_us = 0;
  std::string run_id;
};

struct RunFilter {
  FlowScope scope;
  std::string flow_id = {};  ///< Empty: of all flows.
  std::optional<RunState> state = {};
  std::optional<RunPlace> before = {};
  int64_t limit = 50;
};

struct NumberedLogLine : Catalog::LogLine {
  int64_t task_log_id = 0;
};

struct LogFilter {
  std::string run_id;
  std::string task_id = {};  ///< Empty: of all tasks.
  int64_t after_id = 0;
  int64_t limit = 1000;
};

struct DatasetLine {
  std::string dataset;  ///< `layer.name`
  std::string format;
  std::string identity;
  bool is_declared = false;  ///< False: nobody wrote a row for it, it was published.
  int64_t publication_count = 0;
  int64_t published_at_us = 0;  ///< 0: never
};

struct RejectedLine {
  std::string run_id;
  std::string flow_id;
  std::string task_id;
  std::string dataset;  ///< Where the rows lie.
  std::string reason;
  std::string column;
  int64_t row_count = 0;
  int64_t created_at_us = 0;  ///< Of the run.
};

struct HoldLine {
  Hold hold;
  std::string flow_id;
};

/// How much there is of what, as `/metrics` shows it.
struct Numbers {
  std::map<std::string, int64_t> runs;             ///< By state.
  std::map<std::string, int64_t> tasks;            ///< By state, of runs that have not ended.
  std::map<std::string, int64_t> notices;          ///< By state.
  std::map<std::string, int64_t> last_success_us;  ///< By flow.
  int64_t open_holds = 0;
  std::vector<WaitingStart> waiting_starts = {};
};

/// Safe to use from many threads at once. Codes as those of Catalog.
class Overview {
 public:
  virtual ~Overview() = default;

  /// By flow_id, from behind `after`.
  virtual Result<std::vector<FlowLine>> flow_lines(const FlowScope& scope, const std::string& after,
                                                   int64_t limit) = 0;
  /// The rows of a flow as columns and values: those of `flow`, `task`, `task_dependency`,
  /// `schedule` and `file_trigger`, in normal form. Empty where there is no such flow.
  virtual Result<std::vector<ConfigRow>> rows_of_flow(const std::string& flow_id) = 0;
  /// Newest first.
  virtual Result<std::vector<FlowRun>> run_page(const RunFilter& filter) = 0;
  /// By their number.
  virtual Result<std::vector<NumberedLogLine>> log_page(const LogFilter& filter) = 0;
  /// By name, from behind `after`; those that a task of a flow in scope names, all for all flows.
  virtual Result<std::vector<DatasetLine>> dataset_lines(const FlowScope& scope,
                                                         const std::string& after,
                                                         int64_t limit) = 0;
  /// Whether a task of a flow in scope names the dataset; for all flows whether it is known.
  virtual Result<bool> knows_dataset(const FlowScope& scope, const std::string& dataset) = 0;
  /// Newest run first; empty run_id: of all runs.
  virtual Result<std::vector<RejectedLine>> rejected_lines(const FlowScope& scope,
                                                           const std::string& run_id,
                                                           int64_t limit) = 0;
  /// Newest first; empty state: all.
  virtual Result<std::vector<HoldLine>> hold_lines(const FlowScope& scope, const std::string& state,
                                                   int64_t limit) = 0;
  /// kNotFound for no such hold.
  virtual Result<HoldLine> hold_line(const std::string& token) = 0;
  virtual Result<Numbers> numbers() = 0;
  /// One question to the database, for whoever asks whether it is there.
  virtual Status ping() = 0;
};

}  // namespace weir::catalog
