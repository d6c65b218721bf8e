#include "table/history/diff.h"

#include <map>

#include <arrow/array.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "table/relations.h"

namespace weir::table::history {
namespace {

using model::Column;
using model::Schema;

Schema only(const Schema& schema, const std::vector<std::string>& names) {
  Schema out;
  for (const Column& column : schema) {
    if (contains(names, column.name)) out.push_back(column);
  }
  return out;
}

int number(Kind kind) { return static_cast<int>(kind); }

/// Builds `change` and what belongs to it, step by step.
class Diff {
 public:
  Diff(sql::Session& session, const DiffInput& input)
      : session_(session), input_(input), layout_(input.layout) {}

  Result<DiffCounts> run() {
    WEIR_TRY(count_inputs());
    WEIR_TRY(join());
    WEIR_TRY(find_repeated());
    WEIR_TRY(keep_quarantined_keys());
    WEIR_TRY(settle_vanished());
    WEIR_TRY(count_kinds());
    return counts_;
  }

 private:
  std::string source(const Schema& columns) const { return relation(input_.source_files, columns); }

  /// Open versions with those columns, and the flag that says so: a group of unknown role may hold
  /// closed ones too.
  std::string current(std::vector<std::string> names) const {
    names.push_back(input_.options.columns.is_current);
    return fmt::format("(SELECT * FROM {} WHERE {})",
                       relation(input_.group_files, only(layout_.data, names)),
                       model::quote_name(input_.options.columns.is_current));
  }

  Status count_inputs() {
    WEIR_ASSIGN(counts_.rows,
                session_.query_number(fmt::format("SELECT count(*) FROM {} s", source({}))));
    WEIR_ASSIGN(counts_.open,
                session_.query_number(fmt::format("SELECT count(*) FROM {} c", current({}))));
    return {};
  }

  /// One row for each key's side in the join: key, place, hash of what is compared, hash of what is
  /// refreshed in place, and whether an added column has a value.
  std::string source_side() const {
    const bool is_first = counts_.open == 0;  // nothing to compare with: save the hashing
    return fmt::format("(SELECT {}, {} AS file, {} AS row, {} AS h, {} AS u, {} AS adds FROM {} x)",
                       columns_of(layout_.key, "x"), kFileColumn, kRowColumn,
                       is_first ? "NULL::UUID" : narrow_hash_of(layout_.compared, "x"),
                       is_first || layout_.refreshed.empty()
                           ? "NULL::UUID"
                           : narrow_hash_of(layout_.refreshed, "x"),
                       any_of(layout_.added, "x", "IS NOT NULL"), source(layout_.source));
  }

  std::string current_side() const {
    const std::string& row_hash = input_.options.columns.row_hash;
    // The stored hash covers every tracked column; where the snapshot lacks one, what both have is
    // hashed anew.
    bool lacks_tracked = false;
    for (const std::string& name : layout_.missing)
      lacks_tracked = lacks_tracked || contains(layout_.tracked, name);
    std::vector<std::string> names = layout_.key;
    names.push_back(row_hash);
    names.insert(names.end(), layout_.refreshed.begin(), layout_.refreshed.end());
    if (lacks_tracked) names.insert(names.end(), layout_.compared.begin(), layout_.compared.end());
    const std::string stored = fmt::format("TRY_CAST(x.{} AS UUID)", model::quote_name(row_hash));
    return fmt::format(
        "(SELECT {}, {} AS file, {} AS row, {} AS h, {} AS u FROM {} x)",
        columns_of(layout_.key, "x"), kFileColumn, kRowColumn,
        lacks_tracked ? narrow_hash_of(layout_.compared, "x") : stored,
        layout_.refreshed.empty() ? "NULL::UUID" : narrow_hash_of(layout_.refreshed, "x"),
        current(names));
  }

  Status join() {
    const std::string null_key = any_of(layout_.key, "s", "IS NULL");
    const std::string differs = "s.h IS DISTINCT FROM c.h";
    // `key_hash` only says whether new keys may repeat; find_repeated looks closer.
    const std::string key_hash = fmt::format("hash({})", columns_of(layout_.key, "s"));
    if (counts_.open == 0) {
      return session_.run(fmt::format(
          "CREATE TEMP TABLE change AS SELECT s.file AS source_file, s.row AS source_row, "
          "NULL::INTEGER AS group_no, NULL::BIGINT AS group_row, "
          "(CASE WHEN {} THEN {} ELSE {} END)::UTINYINT AS kind, {} AS key_hash FROM {} s",
          null_key, number(Kind::kNullKey), number(Kind::kNew), key_hash, source_side()));
    }
    return session_.run(fmt::format(
        "CREATE TEMP TABLE change AS SELECT s.file AS source_file, s.row AS source_row, "
        "c.file AS group_no, c.row AS group_row, (CASE WHEN s.row IS NULL THEN {} WHEN {} THEN {} "
        "WHEN c.row IS NULL THEN {} WHEN {} THEN {} ELSE {} END)::UTINYINT AS kind, "
        "CASE WHEN c.row IS NULL THEN {} END AS key_hash "
        "FROM {} s FULL JOIN {} c ON {} "
        "WHERE s.row IS NULL OR c.row IS NULL OR {} OR s.adds OR s.u IS DISTINCT FROM c.u",
        number(Kind::kGone), null_key, number(Kind::kNullKey), number(Kind::kNew), differs,
        number(Kind::kChanged), number(Kind::kInPlace), key_hash, source_side(), current_side(),
        same_key(layout_.key, "s", "c"), differs));
  }

  Result<int64_t> count_of(std::string_view condition) {
    return session_.query_number(fmt::format("SELECT count(*) FROM change WHERE {}", condition));
  }

  /// Whether a key may come more than once, from what the join has counted anyway: matched rows are
  /// then more than matched versions, or hashes of new keys repeat.
  Result<bool> may_repeat() {
    WEIR_ASSIGN(const int64_t unmatched, count_of("source_row IS NOT NULL AND group_row IS NULL"));
    WEIR_ASSIGN(const int64_t gone, count_of("source_row IS NULL"));
    if (counts_.rows - unmatched != counts_.open - gone) return true;
    WEIR_ASSIGN(const int64_t fresh, count_of(fmt::format("kind = {}", number(Kind::kNew))));
    WEIR_ASSIGN(const int64_t distinct,
                session_.query_number(fmt::format("SELECT count(*) FROM (SELECT DISTINCT key_hash "
                                                  "FROM change WHERE kind = {})",
                                                  number(Kind::kNew))));
    return fresh != distinct;
  }

  /// Exact repetitions of a row leave only the first; a key with different rows leaves none.
  Status find_repeated() {
    WEIR_ASSIGN(const bool is_possible, may_repeat());
    const std::string keys = columns_of(layout_.key);
    std::vector<std::string> all;
    for (const Column& column : layout_.source) all.push_back(column.name);
    const Schema key_columns = only(layout_.source, layout_.key);
    WEIR_TRY(session_.run(fmt::format(
        "CREATE TEMP TABLE repeated AS WITH twice AS (SELECT {0} FROM {1} k WHERE NOT {2} "
        "GROUP BY {0} HAVING count(*) > 1), "
        "found AS (SELECT {3}, x.{4} AS file, x.{5} AS row, {6} AS h FROM {7} x SEMI JOIN twice t "
        "ON {8}) SELECT {0}, file, row, min(h) OVER w <> max(h) OVER w AS is_conflict, "
        "row_number() OVER (PARTITION BY {0} ORDER BY file, row) AS nth FROM found "
        "WINDOW w AS (PARTITION BY {0})",
        keys, is_possible ? source(key_columns) : relation({}, key_columns),
        any_of(layout_.key, "k", "IS NULL"), columns_of(layout_.key, "x"), kFileColumn, kRowColumn,
        narrow_hash_of(all, "x"),
        is_possible ? source(layout_.source) : relation({}, layout_.source),
        same_key(layout_.key, "x", "t"))));
    if (!is_possible) return {};
    WEIR_ASSIGN(counts_.conflicting,
                session_.query_number("SELECT count(*) FROM repeated WHERE is_conflict"));
    WEIR_ASSIGN(counts_.deduplicated, session_.query_number("SELECT count(*) FROM repeated WHERE "
                                                            "NOT is_conflict AND nth > 1"));
    WEIR_ASSIGN(const int64_t held_open,
                session_.query_number(fmt::format(
                    "SELECT count(*) FROM {} c SEMI JOIN (FROM repeated WHERE is_conflict) r ON {}",
                    current(layout_.key), same_key(layout_.key, "c", "r"))));
    counts_.retained += held_open;
    return session_.run(
        "DELETE FROM change WHERE source_row IS NOT NULL AND EXISTS (FROM repeated r WHERE "
        "r.file = change.source_file AND r.row = change.source_row AND (r.is_conflict OR r.nth > "
        "1))");
  }

  /// A key that is there but was rejected on the way in is present: its version stays open.
  Status keep_quarantined_keys() {
    if (input_.rejected_files.empty()) return {};
    std::vector<std::string> values;
    for (const Column& column : only(layout_.business, layout_.key)) {
      std::string path = "$.\"";
      for (const char c : column.name) {
        if (c == '"' || c == '\\') path += '\\';
        path += c;
      }
      values.push_back(fmt::format("TRY_CAST(x.\"values\"::JSON ->> {} AS {}) AS {}",
                                   model::quote_text(path + '"'), model::to_duckdb(column.type),
                                   model::quote_name(column.name)));
    }
    const Schema columns = {{"values", {model::TypeKind::kVarchar, 0, 0, {}}, true}};
    WEIR_TRY(session_.run(
        fmt::format("CREATE TEMP TABLE quarantined AS SELECT DISTINCT {} FROM {} x "
                    "WHERE json_valid(x.\"values\")",
                    fmt::join(values, ", "), relation(input_.rejected_files, columns))));
    WEIR_ASSIGN(const int64_t before, count_of(fmt::format("kind = {}", number(Kind::kGone))));
    WEIR_TRY(session_.run(fmt::format(
        "DELETE FROM change WHERE kind = {} AND EXISTS (FROM {} c SEMI JOIN quarantined q ON {} "
        "WHERE c.{} = change.group_no AND c.{} = change.group_row)",
        number(Kind::kGone), current(layout_.key), same_key(layout_.key, "c", "q"), kFileColumn,
        kRowColumn)));
    WEIR_ASSIGN(const int64_t after, count_of(fmt::format("kind = {}", number(Kind::kGone))));
    counts_.retained += before - after;
    return {};
  }

  Status settle_vanished() {
    WEIR_ASSIGN(counts_.vanished, count_of(fmt::format("kind = {}", number(Kind::kGone))));
    if (input_.options.deletes == Deletes::kByAbsence) return {};
    counts_.retained += counts_.vanished;
    counts_.vanished = 0;
    return session_.run(fmt::format("DELETE FROM change WHERE kind = {}", number(Kind::kGone)));
  }

  Status count_kinds() {
    WEIR_ASSIGN(const sql::TextResult found,
                session_.query("SELECT kind, count(*) FROM change GROUP BY kind"));
    std::map<std::string, int64_t> by_kind;
    for (const sql::Row& row : found.rows)
      by_kind[row[0].value_or("")] = std::stoll(row[1].value_or("0"));
    const auto of = [&](Kind kind) { return by_kind[fmt::format("{}", number(kind))]; };
    counts_.fresh = of(Kind::kNew);
    counts_.changed = of(Kind::kChanged);
    counts_.in_place = of(Kind::kInPlace);
    counts_.null_key = of(Kind::kNullKey);
    return {};
  }

  sql::Session& session_;
  const DiffInput& input_;
  const Layout& layout_;
  DiffCounts counts_;
};

}  // namespace

Result<DiffCounts> find_changes(sql::Session& session, const DiffInput& input) {
  return while_doing(Diff(session, input).run(), "finding what the snapshot changes");
}

Result<std::vector<Touched>> touched_groups(sql::Session& session) {
  WEIR_ASSIGN(const sql::TextResult found,
              session.query(fmt::format("SELECT group_no, count(*) FILTER (kind <> {0}), "
                                        "count(*) FILTER (kind = {0}) FROM change "
                                        "WHERE group_no IS NOT NULL GROUP BY group_no ORDER BY 1",
                                        number(Kind::kInPlace))));
  std::vector<Touched> groups;
  for (const sql::Row& row : found.rows)
    groups.push_back({static_cast<size_t>(std::stoull(row[0].value_or("0"))),
                      std::stoll(row[1].value_or("0")), std::stoll(row[2].value_or("0"))});
  return groups;
}

Result<std::vector<Kind>> marks_of(sql::Session& session, size_t group_no, int64_t rows) {
  std::vector<Kind> marks(static_cast<size_t>(rows), Kind::kKept);
  WEIR_ASSIGN(
      const auto reader,
      session.stream(fmt::format(
          "SELECT group_row, kind::INTEGER AS kind FROM change WHERE group_no = {}", group_no)));
  while (true) {
    WEIR_ASSIGN(const std::shared_ptr<arrow::RecordBatch> batch, reader->next());
    if (batch == nullptr) return marks;
    const auto& places = static_cast<const arrow::Int64Array&>(*batch->column(0));
    const auto& kinds = static_cast<const arrow::Int32Array&>(*batch->column(1));
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      if (places.Value(i) < 0 || places.Value(i) >= rows)
        return fail(ErrorCode::kInternal, "row {} of a file group of {} rows", places.Value(i),
                    rows);
      marks[static_cast<size_t>(places.Value(i))] = static_cast<Kind>(kinds.Value(i));
    }
  }
}

}  // namespace weir::table::history
