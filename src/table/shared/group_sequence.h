#pragma once

/// Rows of one role on their way into file groups: one open writer at a time, a new group when it
/// is full. Memory is one batch and what the writer holds.

#include <memory>
#include <optional>
#include <vector>

#include "table/hudi.h"

namespace weir::table {

/// Rows come as the commit's data columns, in any order of columns and in narrower types: this
/// brings them into the schema that a writer takes. NULL for a column that is not there.
Result<std::shared_ptr<arrow::RecordBatch>> conform(const arrow::RecordBatch& batch,
                                                    const std::shared_ptr<arrow::Schema>& schema);

/// A group whose rows come again as they are, or where new rows join them.
class CopiedGroup {
 public:
  /// The writer of the group's next version; nothing is copied yet.
  static Result<CopiedGroup> open(HudiTable& table, Commit& commit, const FileSlice& slice);

  int64_t row_groups() const { return reader_->info().row_groups; }
  int64_t rows() const { return reader_->info().rows; }
  /// One row group with meta columns, in the commit's schema.
  Result<std::shared_ptr<arrow::RecordBatch>> read(int64_t row_group);
  Status copy_whole();
  GroupWriter& writer() { return *writer_; }
  std::unique_ptr<GroupWriter> release() && { return std::move(writer_); }

 private:
  std::unique_ptr<parquet::FileReader> reader_;
  std::unique_ptr<GroupWriter> writer_;
  std::shared_ptr<arrow::Schema> schema_;  ///< Meta columns, then the commit's data columns.
  std::vector<std::string> columns_;       ///< What is read of the file.
};

/// Not for several threads at once.
class GroupSequence {
 public:
  /// New groups lie in `partition`; empty: the table has none.
  GroupSequence(Commit& commit, Role role, int64_t target_bytes, std::string partition = {})
      : commit_(commit),
        role_(role),
        target_bytes_(target_bytes),
        partition_(std::move(partition)) {}

  /// Goes on in this writer until it is full. `updated` and `deleted` are told of its group when it
  /// ends.
  void adopt(std::unique_ptr<GroupWriter> writer, int64_t updated, int64_t deleted);

  /// Rows that are new or changed; `key_column` is the text column with their record keys, one of
  /// the table's or one beside them.
  Status write(const arrow::RecordBatch& data, const std::string& key_column);

  /// Ends the open file. The slices are complete only after it.
  Status finish();
  const std::vector<FileSlice>& slices() const { return slices_; }

 private:
  Commit& commit_;
  Role role_;
  int64_t target_bytes_;
  std::string partition_;
  std::unique_ptr<GroupWriter> writer_;
  int64_t updated_ = 0;
  int64_t deleted_ = 0;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<FileSlice> slices_;
};

/// The meta columns (without the file's name) and the data columns of a commit: what is copied.
Result<std::shared_ptr<arrow::Schema>> copied_schema(const Commit& commit);

}  // namespace weir::table
