#include <algorithm>
#include <map>

#include "base/ids.h"
#include "table/hudi/commit_metadata.h"
#include "table/services.h"
#include "table/shared/group_sequence.h"

namespace weir::table {
namespace {

/// Small groups that may be joined: those of one partition and one role.
using Batches = std::map<std::pair<std::string, Role>, std::vector<FileSlice>>;

Batches small_groups(const Snapshot& snapshot, int64_t small_bytes) {
  Batches batches;
  for (const FileSlice& slice : snapshot.slices) {
    if (slice.size_bytes < small_bytes) batches[{slice.partition, slice.role}].push_back(slice);
  }
  std::erase_if(batches, [](const auto& batch) { return batch.second.size() < 2; });
  return batches;
}

/// Writes the rows of some groups one after the other into as few as hold them.
class Joiner {
 public:
  Joiner(HudiTable& table, Commit& commit, const CompactOptions& options, const Cancel& cancel)
      : table_(table), commit_(commit), options_(options), cancel_(cancel) {}

  Status join(const std::string& partition, Role role, const std::vector<FileSlice>& groups,
              Compacted& out) {
    WEIR_ASSIGN(const auto schema, copied_schema(commit_));
    int64_t rows_before = 0;
    for (const FileSlice& slice : groups) {
      WEIR_TRY(cancel_.check());
      WEIR_ASSIGN(const auto reader, table_.open(slice));
      rows_before += reader->info().rows;
      for (int64_t i = 0; i < reader->info().row_groups; ++i) {
        if (writer_ && writer_->bytes_so_far() >= options_.target_file_bytes) WEIR_TRY(end(out));
        if (!writer_) {
          WEIR_ASSIGN(writer_, commit_.new_group(role, partition));
        }
        WEIR_ASSIGN(const auto batch, reader->read_row_group(i, {}));
        WEIR_ASSIGN(const auto rows, conform(*batch, schema));
        WEIR_TRY(writer_->write_copied(*rows));
      }
      commit_.replace(slice);
      ++out.groups_before;
    }
    WEIR_TRY(end(out));
    if (rows_ != rows_before)
      return fail(ErrorCode::kInternal, "{} rows became {} in partition '{}'", rows_before, rows_,
                  partition);
    out.rows += rows_;
    rows_ = 0;
    return {};
  }

 private:
  Status end(Compacted& out) {
    if (!writer_) return {};
    WEIR_ASSIGN(const FileSlice slice, writer_->finish(0, 0));
    writer_.reset();
    rows_ += slice.rows;
    ++out.groups_after;
    return {};
  }

  HudiTable& table_;
  Commit& commit_;
  const CompactOptions& options_;
  const Cancel& cancel_;
  std::unique_ptr<GroupWriter> writer_;
  int64_t rows_ = 0;
};

}  // namespace

Result<Compacted> compact(const TableContext& context, HudiTable& table,
                          const CompactOptions& options, const Cancel& cancel) {
  WEIR_ASSIGN(const auto turn, table.prepare(Action::kReplaceCommit));
  WEIR_ASSIGN(const Snapshot snapshot, table.snapshot());
  Compacted out;
  const Batches batches = small_groups(snapshot, options.small_file_bytes);
  if (batches.empty()) return out;
  BeginOptions begin;
  begin.action = Action::kReplaceCommit;
  begin.operation_type = "CLUSTER";
  begin.schema = snapshot.schema;
  begin.token = "compact " + make_uuid4(*context.random);
  begin.write_token = options.write_token;
  begin.target_file_bytes = options.target_file_bytes;
  WEIR_ASSIGN(const auto commit, turn->begin(begin));
  Joiner joiner(table, *commit, options, cancel);
  for (const auto& [where, groups] : batches)
    WEIR_TRY(joiner.join(where.first, where.second, groups, out));
  WEIR_ASSIGN(const CommitInfo done, commit->complete({{kServiceKey, "compact"}}));
  out.instant = done.time;
  return out;
}

}  // namespace weir::table
