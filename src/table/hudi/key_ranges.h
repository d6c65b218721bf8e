#pragma once

/// Between which values the key columns of a data file lie. A commit records it beside the file
/// (`weir.key_ranges`), so that a writer that looks keys up need not open files that cannot have
/// them: with a filter of a million keys in it a footer alone is megabytes.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>

#include "base/result.h"
#include "table/hudi.h"

namespace weir::table {

/// Of one file in the making, in the columns that are whole numbers, decimals, dates or text.
class KeyRangesOfFile {
 public:
  /// `columns` by name among those of `schema`.
  KeyRangesOfFile(const arrow::Schema& schema, const std::vector<std::string>& columns);

  /// Rows that go into the file, in the schema's columns.
  Status take(const arrow::ArrayVector& rows);

  /// Values as text that a cast reads back. A column is left out where it has no value, or one that
  /// is too long to be recorded.
  Result<std::vector<KeyRange>> ranges() const;

 private:
  std::vector<std::pair<int, std::shared_ptr<arrow::Field>>> columns_;
  std::vector<std::vector<std::shared_ptr<arrow::Scalar>>> ends_;  ///< Of each, by batch.
};

}  // namespace weir::table
