#include "table/history/rewrite.h"

#include <algorithm>
#include <span>

#include <arrow/api.h>
#include <arrow/compute/api.h>

#include "table/shared/batches.h"
#include "table/shared/group_sequence.h"

namespace weir::table::history {
namespace {

// A group below this part of the target size is small: worth copying to let rows join it.
constexpr int64_t kSmallPart = 4;
// Rows are split in pieces: what a piece becomes fits into caches, and beside the row group there
// is never a second copy of it in memory.
constexpr int64_t kPieceRows = 16'384;

Result<std::shared_ptr<arrow::RecordBatch>> rows_where(const arrow::RecordBatch& batch,
                                                       const std::shared_ptr<arrow::Array>& mask) {
  auto rows = arrow::compute::Filter(arrow::Datum(batch.Slice(0)), arrow::Datum(mask));
  if (!rows.ok()) return std::unexpected(parquet::to_error(rows.status()));
  return rows->record_batch();
}

/// True for each mark that `is_wanted`.
Result<std::shared_ptr<arrow::Array>> mask_of(std::span<const Kind> marks, auto&& is_wanted) {
  arrow::BooleanBuilder builder;
  if (const auto status = builder.Reserve(static_cast<int64_t>(marks.size())); !status.ok())
    return std::unexpected(parquet::to_error(status));
  for (const Kind mark : marks) builder.UnsafeAppend(is_wanted(mark));
  std::shared_ptr<arrow::Array> mask;
  if (const auto status = builder.Finish(&mask); !status.ok())
    return std::unexpected(parquet::to_error(status));
  return mask;
}

bool leaves(Kind mark) { return mark == Kind::kChanged || mark == Kind::kGone; }

/// One rewrite, step by step.
class Rewrite {
 public:
  Rewrite(sql::Session& session, HudiTable& table, Commit& commit, const RewriteInput& input,
          const Cancel& cancel)
      : session_(session),
        table_(table),
        commit_(commit),
        input_(input),
        cancel_(cancel),
        target_bytes_(input.diff.options.target_file_bytes),
        arrivals_(commit, Role::kCurrent, target_bytes_),
        closed_(commit, Role::kHistory, target_bytes_) {}

  Result<Rewritten> run() {
    WEIR_ASSIGN(std::vector<Touched> touched, touched_groups(session_));
    put_home_last(touched);
    const bool has_arrivals = input_.counts.fresh + input_.counts.changed > 0;
    for (size_t i = 0; i < touched.size(); ++i) {
      WEIR_TRY(cancel_.check());
      const bool is_home = has_home_ && i + 1 == touched.size();
      WEIR_TRY(while_doing(
          rewrite_group(touched[i], is_home),
          fmt::format("rewriting file group '{}'", slice_of(touched[i]).file_group_id)));
    }
    WEIR_TRY(closed_.finish());
    if (has_arrivals) {
      if (!has_home_) WEIR_TRY(extend_small_group());
      WEIR_TRY(while_doing(write_arrivals(), "writing new versions"));
    }
    WEIR_TRY(arrivals_.finish());
    out_.current.insert(out_.current.end(), arrivals_.slices().begin(), arrivals_.slices().end());
    out_.history = closed_.slices();
    return std::move(out_);
  }

 private:
  const FileSlice& slice_of(const Touched& touched) const {
    return input_.open_groups[touched.group_no];
  }

  /// New versions join the emptiest group that is rewritten anyway and has room: it comes last, so
  /// that its writer is open when they come.
  void put_home_last(std::vector<Touched>& touched) {
    const auto bytes_left = [&](const Touched& group) {
      const FileSlice& slice = slice_of(group);
      const int64_t rows = std::max<int64_t>(slice.rows, 1);
      return slice.size_bytes / rows * std::max<int64_t>(rows - group.closed, 0);
    };
    const auto home = std::ranges::min_element(touched, {}, bytes_left);
    has_home_ = home != touched.end() && bytes_left(*home) < target_bytes_;
    if (has_home_) std::rotate(home, home + 1, touched.end());
  }

  Status rewrite_group(const Touched& touched, bool is_home) {
    WEIR_ASSIGN(CopiedGroup group, CopiedGroup::open(table_, commit_, slice_of(touched)));
    WEIR_ASSIGN(const std::vector<Kind> marks, marks_of(session_, touched.group_no, group.rows()));
    std::span<const Kind> left = marks;
    for (int64_t i = 0; i < group.row_groups(); ++i) {
      WEIR_ASSIGN(const std::shared_ptr<arrow::RecordBatch> batch, group.read(i));
      for (int64_t from = 0; from < batch->num_rows(); from += kPieceRows) {
        const auto piece = batch->Slice(from, kPieceRows);  // the last one is shorter
        const auto rows = static_cast<size_t>(piece->num_rows());
        WEIR_TRY(split(*piece, left.first(rows), group.writer()));
        left = left.subspan(rows);
      }
      WEIR_TRY(cancel_.check());
    }
    if (touched.in_place > 0) WEIR_TRY(write_in_place(touched.group_no, group.writer()));
    if (is_home) {
      arrivals_.adopt(std::move(group).release(), touched.in_place, touched.closed);
      return {};
    }
    WEIR_ASSIGN(FileSlice slice, group.writer().finish(touched.in_place, touched.closed));
    out_.current.push_back(std::move(slice));
    return {};
  }

  /// Rows that stay are copied, rows that close go to history, rows in place come again later.
  Status split(const arrow::RecordBatch& batch, std::span<const Kind> marks, GroupWriter& writer) {
    if (std::ranges::all_of(marks, [](Kind mark) { return mark == Kind::kKept; }))
      return writer.write_copied(batch);
    WEIR_ASSIGN(const auto stays, mask_of(marks, [](Kind mark) { return mark == Kind::kKept; }));
    WEIR_ASSIGN(const std::shared_ptr<arrow::RecordBatch> kept, rows_where(batch, stays));
    if (kept->num_rows() > 0) WEIR_TRY(writer.write_copied(*kept));
    if (!std::ranges::any_of(marks, leaves)) return {};
    WEIR_ASSIGN(const auto goes, mask_of(marks, leaves));
    WEIR_ASSIGN(const std::shared_ptr<arrow::RecordBatch> closing, rows_where(batch, goes));
    std::vector<Kind> why;
    std::ranges::copy_if(marks, std::back_inserter(why), leaves);
    return write_closed(*closing, why);
  }

  Status write_closed(const arrow::RecordBatch& rows, const std::vector<Kind>& why) {
    const HistoryColumns& columns = input_.diff.options.columns;
    const auto instant = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    auto ends = arrow::MakeArrayFromScalar(arrow::TimestampScalar(input_.origin.as_of_us, instant),
                                           rows.num_rows());
    if (!ends.ok()) return std::unexpected(parquet::to_error(ends.status()));
    auto is_current = arrow::MakeArrayFromScalar(arrow::BooleanScalar(false), rows.num_rows());
    if (!is_current.ok()) return std::unexpected(parquet::to_error(is_current.status()));
    WEIR_ASSIGN(const auto is_deleted, mask_of(why, [](Kind mark) { return mark == Kind::kGone; }));
    WEIR_ASSIGN(auto closed, with_column(rows.Slice(0), columns.valid_to, *ends));
    WEIR_ASSIGN(closed, with_column(closed, columns.is_current, *is_current));
    WEIR_ASSIGN(closed, with_column(closed, columns.is_deleted, is_deleted));
    if (!has_closed_) WEIR_TRY(extend_history());
    has_closed_ = true;
    return closed_.write(*closed, columns.version_id);
  }

  static Result<std::shared_ptr<arrow::RecordBatch>> with_column(
      const std::shared_ptr<arrow::RecordBatch>& rows, const std::string& name,
      const std::shared_ptr<arrow::Array>& values) {
    const int at = rows->schema()->GetFieldIndex(name);
    if (at < 0) return fail(ErrorCode::kInternal, "rows without column '{}'", name);
    auto changed = rows->SetColumn(at, rows->schema()->field(at), values);
    if (!changed.ok()) return std::unexpected(parquet::to_error(changed.status()));
    return *std::move(changed);
  }

  /// Closed versions join the newest history group while it is small; larger ones are never read.
  Status extend_history() {
    if (input_.history_groups.empty()) return {};
    const FileSlice& newest = input_.history_groups.back();
    if (newest.size_bytes >= target_bytes_ / kSmallPart) return {};
    WEIR_ASSIGN(CopiedGroup group, CopiedGroup::open(table_, commit_, newest));
    WEIR_TRY(group.copy_whole());
    closed_.adopt(std::move(group).release(), 0, 0);
    return {};
  }

  /// No group is rewritten anyway: the smallest one may take the new versions.
  Status extend_small_group() {
    const auto home = std::ranges::min_element(input_.open_groups, {}, &FileSlice::size_bytes);
    if (home == input_.open_groups.end() || home->size_bytes >= target_bytes_ / kSmallPart ||
        !out_.current.empty())
      return {};
    WEIR_ASSIGN(CopiedGroup group, CopiedGroup::open(table_, commit_, *home));
    WEIR_TRY(group.copy_whole());
    arrivals_.adopt(std::move(group).release(), 0, 0);
    return {};
  }

  Status write_in_place(size_t group_no, GroupWriter& writer) {
    WEIR_ASSIGN(const auto schema, parquet::to_arrow(commit_.schema()));
    return stream(versions_in_place(input_.diff, group_no),
                  [&](const arrow::RecordBatch& batch) -> Status {
                    WEIR_ASSIGN(const auto rows, conform(batch, schema));
                    return writer.write_changed(
                        *rows, *rows->GetColumnByName(input_.diff.options.columns.version_id));
                  });
  }

  Status write_arrivals() {
    return stream(opened_versions(input_.diff, input_.counts, input_.origin),
                  [&](const arrow::RecordBatch& batch) {
                    return arrivals_.write(batch, input_.diff.options.columns.version_id);
                  });
  }

  Status stream(const std::string& query,
                const std::function<Status(const arrow::RecordBatch&)>& take) {
    return for_each_batch(session_, query, cancel_, take);
  }

  sql::Session& session_;
  HudiTable& table_;
  Commit& commit_;
  const RewriteInput& input_;
  const Cancel& cancel_;
  int64_t target_bytes_;
  GroupSequence arrivals_;
  GroupSequence closed_;
  bool has_home_ = false;
  bool has_closed_ = false;
  Rewritten out_;
};

}  // namespace

Result<Rewritten> rewrite(sql::Session& session, HudiTable& table, Commit& commit,
                          const RewriteInput& input, const Cancel& cancel) {
  return Rewrite(session, table, commit, input, cancel).run();
}

}  // namespace weir::table::history
