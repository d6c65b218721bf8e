#include "table/write_rows.h"

#include <algorithm>
#include <set>

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "table/rows/control.h"
#include "table/rows/match.h"
#include "table/shared/batches.h"
#include "table/shared/group_sequence.h"

namespace weir::table {
namespace {

using model::Column;
using model::Schema;
using rows::kKeyColumn;
using rows::kNumberColumn;
using rows::kPartitionColumn;

// A group below this part of the target size is small: worth copying to let rows join it, if they
// are not too few: what is copied for their sake is bounded by what comes. `table optimize` joins
// what stays small.
constexpr int64_t kSmallPart = 4;
constexpr int64_t kCopiedRowsPerRow = 16;
constexpr int64_t kAlwaysJoinedBytes = int64_t{2} << 20;

bool overwrites(RowOperation operation) {
  return operation == RowOperation::kOverwritePartitions ||
         operation == RowOperation::kOverwriteTable;
}

std::string_view name_of(RowOperation operation) {
  switch (operation) {
    case RowOperation::kInsert: return "INSERT";
    case RowOperation::kUpsert: return "UPSERT";
    case RowOperation::kDelete: return "DELETE";
    case RowOperation::kOverwritePartitions: return "INSERT_OVERWRITE";
    case RowOperation::kOverwriteTable: return "INSERT_OVERWRITE_TABLE";
  }
  return "UPSERT";
}

/// The table's columns, widened by those that come.
Result<Schema> widened(const Schema& table, const Schema& rows) {
  Schema out = table;
  for (const Column& column : rows) {
    const auto old = std::ranges::find(out, column.name, &Column::name);
    if (old == out.end()) {
      out.push_back(column);
      out.back().is_nullable = true;
    } else if (model::widens(old->type, column.type)) {
      old->type = column.type;
    } else if (!model::widens(column.type, old->type)) {
      return fail_with_hint(
          ErrorCode::kSchemaDrift,
          fmt::format("column '{}' is {} in the table and comes as {}", column.name,
                      model::to_text(old->type), model::to_text(column.type)),
          "a type may only widen (integer to bigint, decimals in both parts)");
    }
  }
  return out;
}

/// Rows of one group that are replaced, go, or stay.
enum class Mark : uint8_t { kStays, kReplaced, kGoes };

/// One write, step by step.
class RowWriter {
 public:
  RowWriter(sql::Session& session, HudiTable& table, const RowWrite& write, const Cancel& cancel)
      : session_(session), table_(table), write_(write), cancel_(cancel) {
    std::erase_if(write_.schema,
                  [&](const Column& column) { return column.name == write.delete_flag; });
  }

  Result<RowsWritten> run() {
    WEIR_ASSIGN(layout_, key_layout_of(table_.properties()));
    WEIR_ASSIGN(const auto turn, table_.prepare(action()));
    RowsWritten out;
    WEIR_ASSIGN(auto done, table_.find_token(write_.token));
    if (done) {
      out.commit = *std::move(done);
      out.was_done = true;
      return out;
    }
    WEIR_ASSIGN(snapshot_, table_.snapshot());
    WEIR_ASSIGN(schema_, schema());
    WEIR_TRY(check_key_types(layout_, schema_));
    const rows::MatchInput input{write_, layout_, schema_};
    WEIR_ASSIGN(const rows::Incoming incoming,
                while_doing(rows::take_rows(session_, input), "reading the rows"));
    partitions_ = incoming.partitions;
    WEIR_ASSIGN(const rows::Groups groups, find_groups(input));
    WEIR_ASSIGN(matched_,
                while_doing(rows::match_rows(session_, input, groups), "looking keys up"));
    WEIR_TRY(cancel_.check());
    WEIR_ASSIGN(commit_, turn->begin(begin_options()));
    WEIR_TRY(write_partitions());
    WEIR_TRY(cancel_.check());
    out.in = incoming.rows;
    out.deduplicated = incoming.deduplicated;
    out.stale = matched_.stale;
    out.inserted = matched_.inserted;
    out.updated = matched_.updated;
    out.flagged = matched_.flagged;
    out.passed_over = matched_.passed_over;
    out.deleted = matched_.deleted;
    const rows::WrittenFiles files = written_files();
    WEIR_ASSIGN(out.rows_before, rows_before(files));
    WEIR_ASSIGN(out.rows, count_rows(files));
    WEIR_ASSIGN(out.sums, rows::sums_written(session_, table_.store(), input, files));
    std::map<std::string, std::string> extra;
    if (write_.extra) {
      WEIR_ASSIGN(extra, write_.extra(out));
    }
    WEIR_ASSIGN(out.commit, commit_->complete(extra));
    return out;
  }

 private:
  Result<Schema> schema() const {
    if (!write_.table_schema.empty()) return write_.table_schema;
    if (write_.operation == RowOperation::kDelete) return snapshot_.schema;
    return widened(snapshot_.schema, write_.schema);
  }

  Action action() const {
    return overwrites(write_.operation) ? Action::kReplaceCommit : Action::kCommit;
  }

  BeginOptions begin_options() const {
    BeginOptions options;
    options.action = action();
    options.operation_type = name_of(write_.operation);
    options.schema = schema_;
    options.token = write_.token;
    options.write_token = write_.write_token;
    options.target_file_bytes = write_.target_file_bytes;
    return options;
  }

  int64_t number_of(const std::string& partition) const {
    const auto found = std::ranges::find(partitions_, partition);
    return found == partitions_.end() ? -1 : found - partitions_.begin();
  }

  /// Groups where keys of the rows may be.
  Result<rows::Groups> find_groups(const rows::MatchInput& input) {
    rows::Groups groups;
    if (overwrites(write_.operation)) return groups;
    WEIR_ASSIGN(const auto may_hold, rows::may_hold_keys(session_, input, snapshot_.slices));
    for (size_t i = 0; i < snapshot_.slices.size(); ++i) {
      const FileSlice& slice = snapshot_.slices[i];
      const int64_t number = number_of(slice.partition);
      if (!may_hold[i] || (write_.scope == KeyScope::kPartition && number < 0)) continue;
      WEIR_ASSIGN(auto path, session_.objects().path_of(table_.store(), slice.name));
      groups.files.push_back(std::move(path));
      groups.partition_of.push_back(number);
      groups_.push_back(slice);
    }
    return groups;
  }

  struct Touched {
    size_t group_no = 0;
    int64_t replaced = 0;
    int64_t gone = 0;
    int64_t moved = 0;
  };

  Result<std::vector<Touched>> touched_groups() {
    WEIR_ASSIGN(const auto found,
                session_.query("SELECT group_no, count(n), count(*) FILTER (n IS NULL), count(*) "
                               "FILTER (moves) FROM change GROUP BY group_no ORDER BY group_no"));
    std::vector<Touched> touched;
    for (const auto& row : found.rows)
      touched.push_back({std::stoull(row[0].value_or("0")), std::stoll(row[1].value_or("0")),
                         std::stoll(row[2].value_or("0")), std::stoll(row[3].value_or("0"))});
    return touched;
  }

  /// Rows that come new, by the number of their partition.
  Result<std::map<int64_t, int64_t>> arrivals() {
    WEIR_ASSIGN(const auto found,
                session_.query(fmt::format("SELECT i.{0}, count(*) FROM {1} GROUP BY i.{0}",
                                           kPartitionColumn, rows::arrivals())));
    std::map<int64_t, int64_t> counts;
    for (const auto& row : found.rows)
      counts[std::stoll(row[0].value_or("0"))] = std::stoll(row[1].value_or("0"));
    return counts;
  }

  Status write_partitions() {
    if (overwrites(write_.operation)) replace_groups();
    WEIR_ASSIGN(const auto touched, touched_groups());
    WEIR_ASSIGN(auto waiting, arrivals());
    std::map<std::string, std::vector<Touched>> by_partition;
    for (const Touched& each : touched)
      by_partition[groups_[each.group_no].partition].push_back(each);
    for (const auto& [number, count] : waiting)
      by_partition.try_emplace(partitions_[static_cast<size_t>(number)]);
    for (auto& [partition, groups] : by_partition) {
      const auto waits = waiting.find(number_of(partition));
      const int64_t arrivals = waits == waiting.end() ? 0 : waits->second;
      WEIR_TRY(while_doing(write_partition(partition, groups, arrivals),
                           partition.empty() ? std::string("writing rows")
                                             : fmt::format("writing partition '{}'", partition)));
    }
    return {};
  }

  void replace_groups() {
    for (const FileSlice& slice : snapshot_.slices) {
      if (is_replaced(slice)) commit_->replace(slice);
    }
  }

  /// New rows join the emptiest group that is rewritten anyway and has room: it comes last, so that
  /// its writer is open then. Else they join a small group, else they begin one.
  Status write_partition(const std::string& partition, std::vector<Touched>& touched,
                         int64_t arrivals) {
    const bool has_arrivals = arrivals > 0;
    GroupSequence fresh(*commit_, write_.role, write_.target_file_bytes, partition);
    bool has_home = false;
    if (has_arrivals) {
      const auto home = std::ranges::min_element(
          touched, {}, [&](const Touched& each) { return groups_[each.group_no].size_bytes; });
      has_home =
          home != touched.end() && groups_[home->group_no].size_bytes < write_.target_file_bytes;
      if (has_home) std::rotate(home, home + 1, touched.end());
    }
    for (size_t i = 0; i < touched.size(); ++i) {
      WEIR_TRY(cancel_.check());
      GroupSequence* home = has_home && i + 1 == touched.size() ? &fresh : nullptr;
      WEIR_TRY(while_doing(
          rewrite_group(touched[i], home),
          fmt::format("rewriting file group '{}'", groups_[touched[i].group_no].file_group_id)));
    }
    if (!has_arrivals) return {};
    if (!has_home) WEIR_TRY(extend_small_group(partition, touched, arrivals, fresh));
    WEIR_TRY(write_arrivals(number_of(partition), fresh));
    WEIR_TRY(fresh.finish());
    written_.insert(written_.end(), fresh.slices().begin(), fresh.slices().end());
    return {};
  }

  /// Of files that go by their footers, not by what commits say of them; the others are counted
  /// alike before and after.
  Result<int64_t> rows_before(const rows::WrittenFiles& files) {
    std::set<std::string> kept;
    for (const FileSlice& slice : files.kept) kept.insert(slice.name);
    int64_t rows = 0;
    for (const FileSlice& slice : snapshot_.slices) {
      if (kept.contains(slice.name)) {
        WEIR_ASSIGN(const int64_t of_slice, rows_in(slice));
        rows += of_slice;
        continue;
      }
      WEIR_ASSIGN(const auto info, parquet::read_info(table_.store(), slice.name));
      rows += info.rows;
    }
    return rows;
  }

  /// The table's files as they will be.
  rows::WrittenFiles written_files() const {
    rows::WrittenFiles files{written_, {}, commit_->instant()};
    std::set<std::pair<std::string, std::string>> touched;
    for (const FileSlice& slice : written_) touched.insert({slice.partition, slice.file_group_id});
    for (const FileSlice& slice : snapshot_.slices) {
      if (!is_replaced(slice) && !touched.contains({slice.partition, slice.file_group_id}))
        files.kept.push_back(slice);
    }
    return files;
  }

  /// Of the table as it will be, read back from the footers of what was written.
  Result<int64_t> count_rows(const rows::WrittenFiles& files) {
    int64_t rows = 0;
    for (const FileSlice& slice : files.written) {
      WEIR_ASSIGN(const auto info, parquet::read_info(table_.store(), slice.name));
      rows += info.rows;
    }
    for (const FileSlice& slice : files.kept) {
      WEIR_ASSIGN(const int64_t of_slice, rows_in(slice));
      rows += of_slice;
    }
    return rows;
  }

  Result<int64_t> rows_in(const FileSlice& slice) {
    if (slice.rows >= 0) return slice.rows;
    WEIR_ASSIGN(const auto info, parquet::read_info(table_.store(), slice.name));
    return info.rows;
  }

  bool is_replaced(const FileSlice& slice) const {
    return write_.operation == RowOperation::kOverwriteTable ||
           (write_.operation == RowOperation::kOverwritePartitions &&
            number_of(slice.partition) >= 0);
  }

  Status rewrite_group(const Touched& touched, GroupSequence* home) {
    WEIR_ASSIGN(CopiedGroup group, CopiedGroup::open(table_, *commit_, groups_[touched.group_no]));
    WEIR_ASSIGN(const std::vector<Mark> marks, marks_of(touched.group_no, group.rows()));
    int64_t row = 0;
    for (int64_t i = 0; i < group.row_groups(); ++i) {
      WEIR_ASSIGN(const auto batch, group.read(i));
      WEIR_TRY(copy_what_stays(*batch, marks, row, group.writer()));
      row += batch->num_rows();
      WEIR_TRY(cancel_.check());
    }
    if (touched.replaced > 0) WEIR_TRY(write_replacements(touched.group_no, group.writer()));
    if (home != nullptr) {
      home->adopt(std::move(group).release(), touched.replaced, touched.gone);
      return {};
    }
    WEIR_ASSIGN(written_.emplace_back(), group.writer().finish(touched.replaced, touched.gone));
    return {};
  }

  Result<std::vector<Mark>> marks_of(size_t group_no, int64_t rows) {
    std::vector<Mark> marks(static_cast<size_t>(rows), Mark::kStays);
    WEIR_TRY(stream(
        fmt::format("SELECT group_row, n IS NOT NULL FROM change WHERE group_no = {}", group_no),
        [&](const arrow::RecordBatch& batch) -> Status {
          const auto& places = static_cast<const arrow::Int64Array&>(*batch.column(0));
          const auto& is_replaced = static_cast<const arrow::BooleanArray&>(*batch.column(1));
          for (int64_t i = 0; i < batch.num_rows(); ++i) {
            const int64_t place = places.Value(i);
            if (place < 0 || place >= rows)
              return fail(ErrorCode::kInternal, "row {} of a file group of {} rows", place, rows);
            marks[static_cast<size_t>(place)] =
                is_replaced.Value(i) ? Mark::kReplaced : Mark::kGoes;
          }
          return {};
        }));
    return marks;
  }

  static Status copy_what_stays(const arrow::RecordBatch& batch, const std::vector<Mark>& marks,
                                int64_t first, GroupWriter& writer) {
    const auto begin = marks.begin() + first;
    const auto end = begin + batch.num_rows();
    if (std::all_of(begin, end, [](Mark mark) { return mark == Mark::kStays; }))
      return writer.write_copied(batch);
    arrow::BooleanBuilder builder;
    auto status = builder.Reserve(batch.num_rows());
    for (auto mark = begin; status.ok() && mark != end; ++mark)
      builder.UnsafeAppend(*mark == Mark::kStays);
    std::shared_ptr<arrow::Array> mask;
    if (status.ok()) status = builder.Finish(&mask);
    if (!status.ok()) return std::unexpected(parquet::to_error(status));
    const auto kept = arrow::compute::Filter(arrow::Datum(batch.Slice(0)), arrow::Datum(mask));
    if (!kept.ok()) return std::unexpected(parquet::to_error(kept.status()));
    return writer.write_copied(*kept->record_batch());
  }

  /// The data columns and the key of the rows `i` that `from` has of `incoming`.
  std::string row_query(const std::string& from) const {
    std::string columns;
    for (const Column& column : schema_) {
      if (model::find_column(write_.schema, column.name) != nullptr)
        columns += fmt::format("i.{}, ", model::quote_name(column.name));
    }
    return fmt::format("SELECT {}i.{} FROM {}", columns, kKeyColumn, from);
  }

  Status write_replacements(size_t group_no, GroupWriter& writer) {
    WEIR_ASSIGN(const auto schema, parquet::to_arrow(schema_));
    return stream(row_query(fmt::format("incoming i JOIN change c ON c.n = i.{0} WHERE c.group_no "
                                        "= {1} ORDER BY c.group_row",
                                        kNumberColumn, group_no)),
                  [&](const arrow::RecordBatch& batch) -> Status {
                    WEIR_ASSIGN(const auto rows, conform(batch, schema));
                    return writer.write_changed(*rows,
                                                *batch.GetColumnByName(std::string(kKeyColumn)));
                  });
  }

  /// By their keys, so that a group's keys are a range where rows come in their order.
  Status write_arrivals(int64_t partition, GroupSequence& fresh) {
    std::string order;
    for (const std::string& name : layout_.key)
      order += fmt::format("{}i.{}", order.empty() ? "" : ", ", model::quote_name(name));
    return stream(row_query(fmt::format("{} AND i.{} = {} ORDER BY {}", rows::arrivals(),
                                        kPartitionColumn, partition, order)),
                  [&](const arrow::RecordBatch& batch) {
                    return fresh.write(batch, std::string(kKeyColumn));
                  });
  }

  /// No group of the partition that has room is rewritten: the smallest may take the new rows.
  Status extend_small_group(const std::string& partition, const std::vector<Touched>& touched,
                            int64_t arrivals, GroupSequence& fresh) {
    if (overwrites(write_.operation)) return {};
    std::set<std::string> written;
    for (const Touched& each : touched) written.insert(groups_[each.group_no].name);
    const FileSlice* smallest = nullptr;
    for (const FileSlice& slice : snapshot_.slices) {
      if (slice.partition != partition || slice.role == Role::kHistory ||
          written.contains(slice.name))
        continue;
      if (smallest == nullptr || slice.size_bytes < smallest->size_bytes) smallest = &slice;
    }
    if (smallest == nullptr || smallest->size_bytes >= write_.target_file_bytes / kSmallPart)
      return {};
    if (smallest->size_bytes > kAlwaysJoinedBytes) {
      WEIR_ASSIGN(const int64_t rows, rows_in(*smallest));
      if (rows > arrivals * kCopiedRowsPerRow) return {};
    }
    WEIR_ASSIGN(CopiedGroup group, CopiedGroup::open(table_, *commit_, *smallest));
    WEIR_TRY(group.copy_whole());
    fresh.adopt(std::move(group).release(), 0, 0);
    return {};
  }

  Status stream(const std::string& query,
                const std::function<Status(const arrow::RecordBatch&)>& take) {
    return for_each_batch(session_, query, cancel_, take);
  }

  sql::Session& session_;
  HudiTable& table_;
  RowWrite write_;
  const Cancel& cancel_;
  KeyLayout layout_;
  Snapshot snapshot_;
  Schema schema_;
  std::vector<std::string> partitions_;
  std::vector<FileSlice> groups_;  ///< By number.
  std::vector<FileSlice> written_;
  rows::Matched matched_;
  std::unique_ptr<Commit> commit_;
};

}  // namespace

Result<RowsWritten> write_rows(sql::Session& session, HudiTable& table, const RowWrite& write,
                               const Cancel& cancel) {
  return RowWriter(session, table, write, cancel).run();
}

}  // namespace weir::table
