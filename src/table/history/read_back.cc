#include "table/history/read_back.h"

#include <set>

#include <fmt/format.h>

#include "table/relations.h"

namespace weir::table::history {
namespace {

using model::Schema;
using model::TypeKind;

Status expect(int64_t found, int64_t expected, std::string_view what) {
  if (found == expected) return {};
  return fail(ErrorCode::kCheckFailed, "read back {} {}, expected {}", found, what, expected);
}

Schema read_columns(const HistoryColumns& names) {
  const auto column = [](std::string_view name, TypeKind kind) {
    return model::Column{std::string(name), {kind, 0, 0, {}}, true};
  };
  return {
      column(kMetaColumns[0], TypeKind::kVarchar), column(names.valid_from, TypeKind::kTimestamp),
      column(names.valid_to, TypeKind::kTimestamp), column(names.is_current, TypeKind::kBoolean),
      column(names.is_deleted, TypeKind::kBoolean)};
}

/// Open versions of files that this merge did not touch, by reading one flag of them; a file of
/// role current holds nothing else.
Result<int64_t> untouched_open(sql::Session& session, storage::Storage& store,
                               const ReadBackInput& input,
                               const std::vector<FileSlice>& untouched) {
  int64_t open = 0;
  std::vector<std::string> mixed;
  for (const FileSlice& slice : untouched) {
    if (slice.role == Role::kCurrent && slice.rows >= 0) open += slice.rows;
    if (slice.role == Role::kMixed || (slice.role == Role::kCurrent && slice.rows < 0)) {
      WEIR_ASSIGN(std::string path, session.objects().path_of(store, slice.name));
      mixed.push_back(std::move(path));
    }
  }
  if (mixed.empty()) return open;
  const Schema columns = {{input.columns.is_current, {TypeKind::kBoolean, 0, 0, {}}, true}};
  WEIR_ASSIGN(const int64_t found,
              session.query_number(fmt::format("SELECT count(*) FROM {} f WHERE {}",
                                               relation(mixed, columns),
                                               model::quote_name(input.columns.is_current))));
  return open + found;
}

struct Found {
  int64_t rows = 0;
  int64_t open = 0;
  int64_t inserted = 0;
  int64_t updated = 0;
  int64_t closed_by_change = 0;
  int64_t closed_by_absence = 0;
};

Result<Found> read_written(sql::Session& session, storage::Storage& store,
                           const ReadBackInput& input) {
  std::vector<std::string> paths;
  for (const std::vector<FileSlice>* slices : {&input.written.current, &input.written.history}) {
    for (const FileSlice& slice : *slices) {
      WEIR_ASSIGN(std::string path, session.objects().path_of(store, slice.name));
      paths.push_back(std::move(path));
    }
  }
  const std::string now = instant_literal(input.as_of_us);
  const HistoryColumns& names = input.columns;
  WEIR_ASSIGN(
      const sql::TextResult read,
      session.query(fmt::format(
          "SELECT count(*), count(*) FILTER ({0}), count(*) FILTER (is_new AND {0} AND {1} = {2}), "
          "count(*) FILTER (is_new AND {0} AND {1} < {2}), "
          "count(*) FILTER (is_new AND NOT {0} AND {3} = {2} AND NOT {4}), "
          "count(*) FILTER (is_new AND NOT {0} AND {3} = {2} AND {4}) "
          "FROM (SELECT *, {5} = {6} AS is_new FROM {7} f) f",
          model::quote_name(names.is_current), model::quote_name(names.valid_from), now,
          model::quote_name(names.valid_to), model::quote_name(names.is_deleted), kMetaColumns[0],
          model::quote_text(input.instant), relation(paths, read_columns(names)))));
  const auto number = [&](size_t i) { return std::stoll(read.rows.at(0).at(i).value_or("0")); };
  return Found{number(0), number(1), number(2), number(3), number(4), number(5)};
}

}  // namespace

Result<model::Counts> read_back(sql::Session& session, HudiTable& table,
                                const ReadBackInput& input) {
  std::set<std::string> rewritten;
  for (const FileSlice& slice : input.written.current) rewritten.insert(slice.file_group_id);
  for (const FileSlice& slice : input.written.history) rewritten.insert(slice.file_group_id);
  std::vector<FileSlice> untouched;
  int64_t rows_before = 0;
  int64_t rows_untouched = 0;
  for (FileSlice slice : input.before) {
    if (slice.rows < 0) {
      WEIR_ASSIGN(const auto reader, table.open(slice));
      slice.rows = reader->info().rows;
    }
    rows_before += slice.rows;
    if (rewritten.contains(slice.file_group_id)) continue;
    rows_untouched += slice.rows;
    untouched.push_back(slice);
  }
  WEIR_ASSIGN(const Found found, read_written(session, table.store(), input));
  WEIR_ASSIGN(const int64_t open_elsewhere,
              untouched_open(session, table.store(), input, untouched));

  const DiffCounts& counts = input.counts;
  model::Counts out;
  out.in = input.rows_in;
  out.inserted = found.inserted;
  out.updated_in_place = found.updated;
  out.rejected = input.rejected;
  out.deduplicated = counts.deduplicated;
  out.closed_by_change = found.closed_by_change;
  out.closed_by_absence = found.closed_by_absence;
  out.out = rows_untouched + found.rows;
  // Every version that is open now was confirmed by a row of the snapshot, or stayed without one.
  out.unchanged = open_elsewhere + found.open - found.inserted - found.updated - counts.retained;
  WEIR_TRY(expect(found.inserted, counts.fresh + counts.changed, "new versions"));
  WEIR_TRY(expect(found.updated, counts.in_place, "versions changed in place"));
  WEIR_TRY(expect(found.closed_by_change, counts.changed, "versions closed by change"));
  WEIR_TRY(expect(found.closed_by_absence, counts.vanished, "versions closed by absence"));
  WEIR_TRY(expect(out.out, rows_before + counts.fresh + counts.changed, "rows of the table"));
  WEIR_TRY(expect(input.rejected, counts.null_key + counts.conflicting, "rejected rows"));
  if (!out.is_closed())
    return fail(
        ErrorCode::kCheckFailed,
        "the counts do not close: in {} ≠ inserted {} + updated in place {} + rejected {} + "
        "deduplicated {} + unchanged {}",
        out.in, out.inserted, out.updated_in_place, out.rejected, out.deduplicated, out.unchanged);
  return out;
}

}  // namespace weir::table::history
