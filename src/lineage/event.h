#pragma once

/// Events of OpenLineage (specification 2-0-2) as values and as their JSON. It knows the format,
/// not what runs are: orchestrate says what happened. Pure.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "lineage/dataset.h"
#include "model/column_lineage.h"
#include "model/schema.h"

namespace weir::lineage {

enum class EventType { kStart, kComplete, kFail, kAbort };
std::string_view to_text(EventType type);

/// What was read or written of a dataset; −1 where nobody knows.
struct Amount {
  int64_t rows = -1;
  int64_t bytes = -1;
  int64_t files = -1;
};

/// A column that a value comes from, or that decides on it, and how; once for each use.
struct InputField {
  DatasetId dataset;
  std::string column;
  model::ColumnUse use = model::ColumnUse::kIdentity;
  auto operator<=>(const InputField&) const = default;
};
/// Output column → where its values come from. Columns of which nobody knows are not there.
using ColumnLineage = std::map<std::string, std::set<InputField>>;

struct Dataset {
  DatasetId id;
  std::string own_name;  ///< weir's: `raw.sales`, `landing/*.csv`; empty: none.
  model::Schema schema;  ///< Empty: not known.
  Amount amount;
  ColumnLineage columns = {};      ///< Of an output.
  std::set<InputField> rows = {};  ///< What decides on the rows of an output.
};

struct Job {
  std::string name_space;
  std::string name;
  std::string type;         ///< `FLOW`, `TASK`
  std::string description;  ///< Empty: none.
  std::string owner;        ///< Empty: none.
  std::string sql;          ///< In DuckDB's dialect; empty: none.
};

struct Parent {
  std::string run_id;
  std::string job_name;  ///< In the namespace of the job.
};

struct Event {
  EventType type = EventType::kStart;
  int64_t at_us = 0;
  std::string run_id;  ///< UUID
  Job job;
  std::optional<Parent> parent = {};
  int64_t interval_start_us = 0;  ///< Of the data; 0: not said.
  int64_t interval_end_us = 0;
  std::string error = {};     ///< Empty: none.
  Json own = Json::object();  ///< Fields of the facet `weir`.
  std::vector<Dataset> inputs = {};
  std::vector<Dataset> outputs = {};
};

/// `version`: of weir, who is the producer.
Json to_json(const Event& event, const std::string& version);

/// A UUID that is the same whenever it is asked for: of version 7, as those that OpenLineage's own
/// clients make (they sort by the time of the run, and consumers file them by it), with a SHA-256
/// over `what` in place of the random bits.
std::string derived_uuid7(int64_t at_us, std::string_view what);

}  // namespace weir::lineage
