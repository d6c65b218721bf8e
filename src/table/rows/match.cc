#include "table/rows/match.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "table/relations.h"

namespace weir::table::rows {
namespace {

using model::Column;
using model::Schema;

bool is_delete(const RowWrite& write) { return write.operation == RowOperation::kDelete; }

/// Rows are ordered where the table has an ordering field and they bring it.
bool has_order(const MatchInput& input) {
  return !input.layout.ordering_field.empty() && !is_delete(input.write) &&
         model::find_column(input.write.schema, input.layout.ordering_field) != nullptr;
}

/// The columns that the rows have of the table's, in its types.
Schema own_columns(const MatchInput& input) {
  Schema columns;
  for (const Column& column : input.schema) {
    if (model::find_column(input.write.schema, column.name) != nullptr) columns.push_back(column);
  }
  return columns;
}

std::vector<std::string> names_of(const Schema& schema) {
  std::vector<std::string> names;
  for (const Column& column : schema) names.push_back(column.name);
  return names;
}

/// What rows of one key are told apart by.
std::string identity_of(const MatchInput& input) {
  return input.write.scope == KeyScope::kTable
             ? std::string(kKeyColumn)
             : fmt::format("{}, {}", kPartitionColumn, kKeyColumn);
}

/// Whether a row of `x` comes to delete.
std::string goes_sql(const MatchInput& input) {
  if (is_delete(input.write)) return "true";
  if (input.write.delete_flag.empty()) return "false";
  return fmt::format("coalesce(x.{}, false)", model::quote_name(input.write.delete_flag));
}

Status check_columns(const MatchInput& input) {
  for (const auto* names : {&input.layout.key, &input.layout.partition_by}) {
    for (const std::string& name : *names) {
      const bool may_lack = is_delete(input.write) && names == &input.layout.partition_by &&
                            input.write.scope == KeyScope::kTable;
      if (may_lack || model::find_column(input.write.schema, name) != nullptr) continue;
      return fail(ErrorCode::kSchemaDrift, "the rows lack the column '{}' of the table's {}", name,
                  names == &input.layout.key ? "key" : "partitions");
    }
  }
  for (const Column& column : input.write.schema) {
    if (column.name == kNumberColumn || column.name == kKeyColumn ||
        column.name == kPartitionColumn || column.name == kGoesColumn)
      return fail(ErrorCode::kInvalidConfig, "the rows have a column '{}', which weir uses itself",
                  column.name);
  }
  return {};
}

/// The distinct values of the partition columns become folders, each with a number.
Result<std::vector<std::string>> number_partitions(sql::Session& session, const MatchInput& input) {
  constexpr int64_t kMostPartitions = 100'000;
  const auto& columns = input.layout.partition_by;
  const bool has_them = std::ranges::all_of(columns, [&](const std::string& name) {
    return model::find_column(input.write.schema, name) != nullptr;
  });
  if (columns.empty() || !has_them) {
    WEIR_TRY(session.run(
        fmt::format("ALTER TABLE incoming ADD COLUMN {} BIGINT DEFAULT 0", kPartitionColumn)));
    return std::vector<std::string>{""};
  }
  std::vector<std::string> texts;
  for (size_t i = 0; i < columns.size(); ++i)
    texts.push_back(fmt::format("CAST({} AS VARCHAR) AS p{}", model::quote_name(columns[i]), i));
  WEIR_TRY(
      session.run(fmt::format("CREATE OR REPLACE TEMP TABLE partition_value AS SELECT *, "
                              "row_number() OVER () - 1 AS no FROM "
                              "(SELECT DISTINCT {} FROM incoming ORDER BY ALL)",
                              fmt::join(texts, ", "))));
  WEIR_ASSIGN(const auto found,
              session.query("SELECT * FROM partition_value ORDER BY no", kMostPartitions));
  std::vector<std::string> paths;
  for (const auto& row : found.rows) {
    WEIR_ASSIGN(auto path, partition_path(input.layout, std::span(row).first(columns.size())));
    paths.push_back(std::move(path));
  }
  std::vector<std::string> same;
  for (size_t i = 0; i < columns.size(); ++i)
    same.push_back(fmt::format("CAST(i.{} AS VARCHAR) IS NOT DISTINCT FROM p.p{}",
                               model::quote_name(columns[i]), i));
  WEIR_TRY(
      session.run(fmt::format("CREATE OR REPLACE TEMP TABLE numbered AS SELECT i.*, p.no AS {} "
                              "FROM incoming i JOIN partition_value p "
                              "ON {}; DROP TABLE incoming; ALTER TABLE numbered RENAME TO incoming",
                              kPartitionColumn, fmt::join(same, " AND "))));
  return paths;
}

Status check_no_nulls(sql::Session& session, const MatchInput& input) {
  WEIR_ASSIGN(const int64_t without_key,
              session.query_number(
                  fmt::format("SELECT count(*) FROM incoming WHERE {} IS NULL", kKeyColumn)));
  if (without_key > 0)
    return fail(ErrorCode::kInvalidData, "{} rows have no key: '{}' is NULL or empty", without_key,
                fmt::join(input.layout.key, "', '"));
  if (!has_order(input)) return {};
  WEIR_ASSIGN(const int64_t without_order,
              session.query_number(fmt::format("SELECT count(*) FROM incoming WHERE {} IS NULL",
                                               model::quote_name(input.layout.ordering_field))));
  if (without_order > 0)
    return fail(ErrorCode::kInvalidData,
                "{} rows have NULL in '{}', by which the table orders rows", without_order,
                input.layout.ordering_field);
  return {};
}

std::unexpected<Error> ambiguous(const MatchInput& input, const std::string& key) {
  return fail_with_hint(
      ErrorCode::kInvalidData,
      fmt::format("rows with the key '{}' differ, and nothing says which is the newer", key),
      input.layout.ordering_field.empty()
          ? std::string("give the table an ordering field, or send each key once")
          : fmt::format("they are equal in '{}': send each key once, or make it finer",
                        input.layout.ordering_field));
}

/// Of rows with one key one is left. How many went.
Result<int64_t> drop_repeated(sql::Session& session, const MatchInput& input) {
  const std::string identity = identity_of(input);
  WEIR_TRY(session.run(
      fmt::format("CREATE OR REPLACE TEMP TABLE twice AS SELECT {} FROM incoming GROUP BY {} "
                  "HAVING count(*) > 1",
                  identity, identity)));
  WEIR_ASSIGN(const int64_t keys, session.query_number("SELECT count(*) FROM twice"));
  if (keys == 0) return 0;
  const std::string order =
      has_order(input) ? model::quote_name(input.layout.ordering_field) + " DESC, " : std::string();
  const std::string rank = has_order(input) ? model::quote_name(input.layout.ordering_field) : "0";
  std::vector<std::string> told_apart = names_of(own_columns(input));
  told_apart.emplace_back(kGoesColumn);
  WEIR_TRY(session.run(fmt::format(
      "CREATE OR REPLACE TEMP TABLE ranked AS SELECT {0}, {1}, row_number() OVER (PARTITION BY {0} "
      "ORDER BY {2}{1}) AS nth, {3} IS NOT DISTINCT FROM max({3}) OVER (PARTITION BY {0}) AS "
      "is_newest, {4} AS h FROM incoming SEMI JOIN twice USING ({0})",
      identity, kNumberColumn, order, rank, narrow_hash_of(told_apart, "incoming"))));
  if (!is_delete(input.write)) {
    WEIR_ASSIGN(const auto unclear, session.query(fmt::format(
                                        "SELECT any_value({}) FROM ranked WHERE is_newest GROUP BY "
                                        "{} HAVING count(DISTINCT h) > 1 ORDER BY 1 LIMIT 1",
                                        kKeyColumn, identity)));
    if (!unclear.rows.empty()) return ambiguous(input, unclear.rows[0][0].value_or(""));
  }
  WEIR_ASSIGN(const int64_t gone,
              session.query_number("SELECT count(*) FROM ranked WHERE nth > 1"));
  WEIR_TRY(session.run(fmt::format(
      "DELETE FROM incoming WHERE {0} IN (SELECT {0} FROM ranked WHERE nth > 1)", kNumberColumn)));
  return gone;
}

/// Between what a key column of the rows that come lies, as SQL constants of its type.
struct ComingRange {
  std::string column;
  std::string type;
  std::string least;
  std::string greatest;
};

/// Of the key columns that have a value in each row.
Result<std::vector<ComingRange>> coming_ranges(sql::Session& session, const MatchInput& input) {
  std::vector<ComingRange> ranges;
  for (const std::string& name : input.layout.key) {
    const Column* column = model::find_column(input.schema, name);
    WEIR_ASSIGN(const auto found,
                session.query(fmt::format("SELECT min({0})::VARCHAR, max({0})::VARCHAR, "
                                          "count(*) FILTER ({0} IS NULL) FROM incoming",
                                          model::quote_name(name))));
    const auto& row = found.rows.at(0);
    if (column == nullptr || !row[0] || !row[1] || row[2] != "0") continue;
    const std::string type = model::to_duckdb(column->type);
    const auto constant = [&](const std::string& text) {
      return fmt::format("CAST({} AS {})", model::quote_text(text), type);
    };
    ranges.push_back({name, type, constant(*row[0]), constant(*row[1])});
  }
  return ranges;
}

/// What key columns of the table's rows must be to be met. Constants, so that the scan leaves out
/// row groups by their statistics without a look.
Result<std::string> key_range(sql::Session& session, const MatchInput& input) {
  WEIR_ASSIGN(const auto ranges, coming_ranges(session, input));
  std::string text;
  for (const ComingRange& range : ranges)
    text += fmt::format(" AND e.{} BETWEEN {} AND {}", model::quote_name(range.column), range.least,
                        range.greatest);
  return text;
}

/// Where the rows of the table lie, in the files from this one on, that have a key of the rows that
/// come.
std::string join_to_table(const MatchInput& input, const std::vector<std::string>& files,
                          size_t first, const std::string& range) {
  Schema wanted;
  for (const Column& column : input.schema) {
    const bool is_key = std::ranges::find(input.layout.key, column.name) != input.layout.key.end();
    const bool is_order = has_order(input) && column.name == input.layout.ordering_field;
    if (is_key || is_order) wanted.push_back(column);
  }
  std::vector<std::string> same;
  for (const std::string& name : input.layout.key) {
    // One key column is never NULL; an equality lets the scan leave out what cannot match.
    const std::string_view is = input.layout.key.size() == 1 ? "=" : "IS NOT DISTINCT FROM";
    same.push_back(fmt::format("e.{0} {1} i.{0}", model::quote_name(name), is));
  }
  const std::string is_newer = has_order(input)
                                   ? fmt::format("coalesce(i.{0} >= e.{0}, true)",
                                                 model::quote_name(input.layout.ordering_field))
                                   : std::string("true");
  return fmt::format(
      "SELECT g.no AS group_no, e.{} AS group_row, i.{} AS n, {} AS is_newer, i.{} <> g.part AS "
      "moves, i.{} AS goes FROM {} e JOIN incoming i ON {} JOIN group_partition g ON g.no = e.{} + "
      "{} WHERE true{}{}",
      kRowColumn, kNumberColumn, is_newer, kPartitionColumn, kGoesColumn, relation(files, wanted),
      fmt::join(same, " AND "), kFileColumn, first, range,
      input.write.scope == KeyScope::kPartition
          ? fmt::format(" AND g.part = i.{}", kPartitionColumn)
          : std::string());
}

Status list_groups(sql::Session& session, const Groups& groups) {
  std::vector<std::string> values;
  for (size_t i = 0; i < groups.partition_of.size(); ++i)
    values.push_back(fmt::format("({}, {})", i, groups.partition_of[i]));
  WEIR_TRY(session.run("CREATE OR REPLACE TEMP TABLE group_partition (no INTEGER, part BIGINT)"));
  if (values.empty()) return {};
  return session.run(fmt::format("INSERT INTO group_partition VALUES {}", fmt::join(values, ", ")));
}

/// Makes `hit`: where the rows of the table lie that have a key of the rows that come.
Status find_hits(sql::Session& session, const MatchInput& input, const Groups& groups) {
  WEIR_TRY(list_groups(session, groups));
  WEIR_TRY(session.run(
      "CREATE OR REPLACE TEMP TABLE hit (group_no INTEGER, group_row BIGINT, n BIGINT, is_newer "
      "BOOLEAN, moves BOOLEAN, goes BOOLEAN)"));
  if (groups.files.empty()) return {};
  WEIR_ASSIGN(const std::string range, key_range(session, input));
  for (size_t first = 0; first < groups.files.size(); first += kFilesPerQuery) {
    const auto files = std::span(groups.files).subspan(first);
    const auto part = files.first(std::min(files.size(), kFilesPerQuery));
    WEIR_TRY(session.run("INSERT INTO hit " +
                         join_to_table(input, {part.begin(), part.end()}, first, range)));
  }
  return {};
}

Status refuse_known(sql::Session& session) {
  WEIR_ASSIGN(const auto known,
              session.query(fmt::format("SELECT {} FROM incoming WHERE {} IN (SELECT n FROM hit) "
                                        "ORDER BY 1 LIMIT 1",
                                        kKeyColumn, kNumberColumn)));
  if (known.rows.empty()) return {};
  return fail_with_hint(
      ErrorCode::kAlreadyExists,
      fmt::format("the key '{}' is in the table already", known.rows[0][0].value_or("")),
      "an upsert replaces its row");
}

}  // namespace

Result<Incoming> take_rows(sql::Session& session, const MatchInput& input) {
  WEIR_TRY(check_columns(input));
  std::string columns;
  for (const Column& column : own_columns(input)) {
    columns += fmt::format(", CAST(x.{0} AS {1}) AS {0}", model::quote_name(column.name),
                           model::to_duckdb(column.type));
  }
  WEIR_TRY(session.run(fmt::format(
      "CREATE OR REPLACE TEMP TABLE incoming AS SELECT row_number() OVER () AS {}, {} AS {}, x.* "
      "FROM (SELECT {} AS {}{} FROM {} x) x",
      kNumberColumn, record_key_sql(input.layout, "x"), kKeyColumn, goes_sql(input), kGoesColumn,
      columns, input.write.rows)));
  Incoming incoming;
  WEIR_ASSIGN(incoming.rows, session.query_number("SELECT count(*) FROM incoming"));
  WEIR_TRY(check_no_nulls(session, input));
  WEIR_ASSIGN(incoming.partitions, number_partitions(session, input));
  WEIR_ASSIGN(incoming.deduplicated, drop_repeated(session, input));
  return incoming;
}

Result<std::vector<bool>> may_hold_keys(sql::Session& session, const MatchInput& input,
                                        const std::vector<FileSlice>& files) {
  std::vector<bool> may_hold(files.size(), true);
  WEIR_ASSIGN(const auto coming, coming_ranges(session, input));
  for (const ComingRange& range : coming) {
    std::vector<std::string> recorded;
    for (size_t i = 0; i < files.size(); ++i) {
      const auto found = std::ranges::find(files[i].key_ranges, range.column, &KeyRange::column);
      if (found == files[i].key_ranges.end()) continue;
      recorded.push_back(fmt::format("({}, {}, {})", i, model::quote_text(found->least),
                                     model::quote_text(found->greatest)));
    }
    if (recorded.empty()) continue;
    WEIR_ASSIGN(const auto without,
                session.query(fmt::format(
                    "SELECT no FROM (VALUES {0}) r(no, least, greatest) WHERE TRY_CAST(least AS "
                    "{1}) > {2} OR TRY_CAST(greatest AS {1}) < {3}",
                    fmt::join(recorded, ", "), range.type, range.greatest, range.least)));
    for (const auto& row : without.rows) may_hold[std::stoull(row[0].value_or(""))] = false;
  }
  return may_hold;
}

std::string arrivals() {
  return fmt::format("incoming i ANTI JOIN settled s ON s.n = i.{} WHERE NOT i.{}", kNumberColumn,
                     kGoesColumn);
}

Result<Matched> match_rows(sql::Session& session, const MatchInput& input, const Groups& groups) {
  WEIR_TRY(find_hits(session, input, groups));
  if (input.write.operation == RowOperation::kInsert) WEIR_TRY(refuse_known(session));
  // A row that is older than one of the table's is passed over altogether. Of several rows of one
  // key (another writer left them) one is replaced, where it stays in its partition if it can, and
  // the others go.
  WEIR_TRY(session.run(
      "CREATE OR REPLACE TEMP TABLE stale AS SELECT DISTINCT n FROM hit WHERE NOT is_newer;"
      "CREATE OR REPLACE TEMP TABLE change AS SELECT group_no, group_row, "
      "CASE WHEN nth = 1 AND NOT moves AND NOT goes THEN n END AS n, "
      "nth = 1 AND moves AND NOT goes AS moves FROM (SELECT *, row_number() OVER "
      "(PARTITION BY n ORDER BY moves, group_no, group_row) AS nth FROM hit ANTI JOIN stale "
      "USING (n));"
      "CREATE OR REPLACE TEMP TABLE settled AS SELECT n FROM change WHERE n IS NOT NULL UNION ALL "
      "FROM stale"));
  const auto count = [&](const std::string& from) {
    return session.query_number("SELECT count(*) FROM " + from);
  };
  Matched matched;
  WEIR_ASSIGN(matched.stale, count("stale"));
  WEIR_ASSIGN(matched.updated, count("change WHERE n IS NOT NULL OR moves"));
  WEIR_ASSIGN(matched.deleted, count("change WHERE n IS NULL AND NOT moves"));
  WEIR_ASSIGN(const int64_t arriving, count(arrivals()));
  WEIR_ASSIGN(const int64_t moved, count("change WHERE moves"));
  matched.inserted = arriving - moved;
  WEIR_ASSIGN(const int64_t to_delete, count(fmt::format("incoming WHERE {}", kGoesColumn)));
  WEIR_ASSIGN(matched.flagged,
              count("(SELECT DISTINCT n FROM hit ANTI JOIN stale USING (n) WHERE goes)"));
  WEIR_ASSIGN(const int64_t too_late,
              count("(SELECT DISTINCT n FROM hit SEMI JOIN stale USING (n) WHERE goes)"));
  matched.passed_over = to_delete - matched.flagged - too_late;
  return matched;
}

}  // namespace weir::table::rows
