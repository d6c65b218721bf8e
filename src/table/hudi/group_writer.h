#pragma once

/// Rows on their way into one data file: Hudi's five columns in front, the footer that Hudi reads
/// behind. It knows nothing of the timeline.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "base/result.h"
#include "parquet/parquet.h"
#include "table/hudi.h"
#include "table/hudi/commit_metadata.h"

namespace weir::table {

/// What one data file is to be.
struct GroupPlan {
  std::string name;  ///< Object name.
  std::string file_group_id;
  std::string partition;
  Role role = Role::kMixed;
  std::string instant;
  int64_t ordinal = 0;  ///< Of the file within its commit; in sequence numbers.
  std::string token;
  std::string avro_schema;                ///< With Hudi's columns.
  std::shared_ptr<arrow::Schema> schema;  ///< Of the file: Hudi's columns first.
  std::vector<std::string> key = {};      ///< Columns whose ranges are recorded.
  double bloom_false_positives = 0;       ///< 0: no filter.
  FileSlice previous;                     ///< Empty name: the group is new.
  int64_t threads = 1;
};

/// Called once, when the file stands: what the commit says of it.
using OnFinished = std::function<void(const FileSlice&, const WriteStat&)>;

Result<std::unique_ptr<GroupWriter>> make_group_writer(storage::Storage& store, GroupPlan plan,
                                                       OnFinished on_finished);

/// The file's schema: Hudi's five text columns and then these.
Result<std::shared_ptr<arrow::Schema>> file_schema(const model::Schema& schema);

}  // namespace weir::table
