#pragma once

/// Control sums of an ingestion: texts as the file has them on one side, typed values and what the
/// published object holds on the other. DuckDB, which casts the one to the other, is asked neither.

#include <string>
#include <vector>

#include "engine/embedded/ingest_files_cast.h"
#include "files/csv_reader.h"
#include "model/control_sums.h"
#include "storage/storage.h"

namespace weir::engine::embedded {

class IngestSums {
 public:
  /// kInvalidConfig where a control column is none of the plan's, or does not add up exactly.
  static Result<IngestSums> open(const std::vector<std::string>& columns,
                                 const files::ColumnPlan& plan, char decimal_separator,
                                 const std::string& dataset);

  bool is_empty() const { return columns_.empty(); }
  /// One chunk of the file: its texts, what was rejected of them, and what was made of the rest.
  Status add(const files::Chunk& chunk, const CastChunk& cast);
  const model::HopSums& sums() const { return sums_; }
  /// The same with `out`: what the rows that were handed on hold.
  model::HopSums finish();

 private:
  struct Column {
    std::string name;
    size_t place = 0;         ///< In the plan.
    bool is_in_file = false;  ///< A column that the file lacks is NULL in every row.
  };
  Status add_rejects(const std::vector<files::Reject>& rejects, bool are_in_batches);

  std::vector<Column> columns_;
  char decimal_separator_ = '.';
  model::HopSums sums_;
};

/// kCheckFailed where the object does not hold the sums that its footer tells of.
Status check_delivered(storage::Storage& store, const std::string& name, const model::HopSums& sums,
                       const Cancel& cancel);

}  // namespace weir::engine::embedded
