#include "table/history/version_queries.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "table/relations.h"

namespace weir::table::history {
namespace {

using model::Column;
using model::Schema;

// Above it new versions are written as they come: a sort of whole rows costs more than the
// locality is worth, and sources mostly come in the order of their key.
constexpr int64_t kMostSortedRows = 200'000;

/// Snapshot rows with their origin; a source that has no load columns is traced by file and place.
std::string source_rows(const DiffInput& input) {
  const HistoryColumns& columns = input.options.columns;
  Schema schema = input.layout.source;
  schema.push_back({columns.source_file, {model::TypeKind::kVarchar, 0, 0, {}}, true});
  schema.push_back({columns.source_row, {model::TypeKind::kBigint, 0, 0, {}}, true});
  return relation(input.source_files, schema);
}

/// The name of the file that a row of relation `s` lies in.
std::string file_name_expression(const DiffInput& input) {
  std::vector<std::string> names;
  for (const std::string& file : input.source_files)
    names.push_back(model::quote_text(file.substr(file.find_last_of('/') + 1)));
  return fmt::format("list_extract([{}]::VARCHAR[], s.{} + 1)", fmt::join(names, ", "),
                     kFileColumn);
}

std::string group_row(const DiffInput& input) {
  return relation(input.group_files, input.layout.data);
}

/// Where a merged row's business column comes from: the snapshot, or the version that it replaces.
std::string merged_columns(const Layout& layout, const std::vector<std::string>& from_group) {
  std::vector<std::string> parts;
  for (const Column& column : layout.business)
    parts.push_back(fmt::format("{}.{}", contains(from_group, column.name) ? "g" : "s",
                                model::quote_name(column.name)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string version_id_of(const DiffInput& input, int64_t valid_from_us) {
  std::vector<std::string> fields;
  for (const std::string& name : input.layout.key)
    fields.push_back(fmt::format("{0} := x.{0}", model::quote_name(name)));
  fields.push_back(fmt::format("{} := {}", model::quote_name(input.options.columns.valid_from),
                               instant_literal(valid_from_us)));
  return fmt::format("canonical_hash(struct_pack({}))", fmt::join(fields, ", "));
}

/// Columns of `layout.data` from relation `x`, where some are given by an expression.
std::string data_columns(const Layout& layout,
                         const std::vector<std::pair<std::string, std::string>>& given) {
  std::vector<std::string> parts;
  for (const Column& column : layout.data) {
    const std::string name = model::quote_name(column.name);
    std::string expression = "x." + name;
    for (const auto& [given_name, given_expression] : given) {
      if (given_name == column.name) expression = given_expression;
    }
    parts.push_back(
        fmt::format("CAST({} AS {}) AS {}", expression, model::to_duckdb(column.type), name));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace

std::string opened_versions(const DiffInput& input, const DiffCounts& counts,
                            const VersionOrigin& origin) {
  const Layout& layout = input.layout;
  const HistoryColumns& columns = input.options.columns;
  const int64_t opened = counts.fresh + counts.changed;
  std::string from = fmt::format("{} s", source_rows(input));
  // Every row opens a version (a first load): nothing to look up.
  if (opened < counts.rows)
    from += fmt::format(
        " SEMI JOIN (FROM change WHERE kind IN ({}, {})) a ON a.source_file = s.{} "
        "AND a.source_row = s.{}",
        static_cast<int>(Kind::kNew), static_cast<int>(Kind::kChanged), kFileColumn, kRowColumn);
  if (!layout.missing.empty() && counts.changed > 0) {
    from += fmt::format(
        " LEFT JOIN (SELECT c.source_file, c.source_row, {0} FROM change c JOIN {1} g ON "
        "c.group_no = g.{2} AND c.group_row = g.{3} WHERE c.kind = {4}) g ON g.source_file = s.{2} "
        "AND g.source_row = s.{3}",
        columns_of(layout.missing, "g"), group_row(input), kFileColumn, kRowColumn,
        static_cast<int>(Kind::kChanged));
  } else if (!layout.missing.empty()) {
    Schema missing;
    for (const Column& column : layout.business) {
      if (contains(layout.missing, column.name)) missing.push_back(column);
    }
    from += fmt::format(" LEFT JOIN {} g ON false", relation({}, missing));
  }
  const std::string merged = fmt::format(
      "(SELECT {}, coalesce(s.{}, {}) AS _weir_source_file, coalesce(s.{}, s.{} + 1) AS "
      "_weir_source_row FROM {})",
      merged_columns(layout, layout.missing), model::quote_name(columns.source_file),
      file_name_expression(input), model::quote_name(columns.source_row), kRowColumn, from);
  const std::string order =
      opened <= kMostSortedRows ? fmt::format(" ORDER BY {}", columns_of(layout.key)) : "";
  return fmt::format(
      "SELECT {} FROM {} x{}",
      data_columns(layout, {{columns.version_id, version_id_of(input, origin.as_of_us)},
                            {columns.valid_from, instant_literal(origin.as_of_us)},
                            {columns.valid_to, "NULL"},
                            {columns.is_current, "true"},
                            {columns.is_deleted, "false"},
                            {columns.row_hash, hash_of(layout.tracked, "x")},
                            {columns.run_id, model::quote_text(origin.run_id)},
                            {columns.source_file, "x._weir_source_file"},
                            {columns.source_row, "x._weir_source_row"},
                            {columns.loaded_at, instant_literal(origin.loaded_at_us)}}),
      merged, order);
}

std::string versions_in_place(const DiffInput& input, size_t group_no) {
  const Layout& layout = input.layout;
  std::vector<std::string> kept;  // business columns whose value stays
  for (const Column& column : layout.business) {
    if (!contains(layout.added, column.name) && !contains(layout.refreshed, column.name))
      kept.push_back(column.name);
  }
  Schema taken;
  for (const Column& column : layout.source) {
    if (!contains(kept, column.name)) taken.push_back(column);
  }
  std::vector<std::string> own;
  for (const Column& column : history_columns(input.options.columns)) own.push_back(column.name);
  const std::string merged = fmt::format(
      "(SELECT {0}, {1} FROM {2} g JOIN (FROM change WHERE kind = {3} AND group_no = {4}) c ON "
      "c.group_row = g.{5} JOIN {6} s ON s.{7} = c.source_file AND s.{5} = c.source_row)",
      merged_columns(layout, kept), columns_of(own, "g"),
      relation({input.group_files[group_no]}, layout.data), static_cast<int>(Kind::kInPlace),
      group_no, kRowColumn, relation(input.source_files, taken), kFileColumn);
  return fmt::format(
      "SELECT {} FROM {} x",
      data_columns(layout, {{input.options.columns.row_hash, hash_of(layout.tracked, "x")}}),
      merged);
}

std::string quarantined_rows(const DiffInput& input, const VersionOrigin& origin) {
  const HistoryColumns& columns = input.options.columns;
  std::vector<std::string> fields;
  for (const Column& column : input.layout.source)
    fields.push_back(fmt::format("{0} := CAST(s.{0} AS VARCHAR)", model::quote_name(column.name)));
  std::string key_list;
  for (const std::string& name : input.layout.key)
    key_list += (key_list.empty() ? "" : ", ") + name;
  std::string null_column = "CASE";
  for (const std::string& name : input.layout.key)
    null_column +=
        fmt::format(" WHEN s.{} IS NULL THEN {}", model::quote_name(name), model::quote_text(name));
  return fmt::format(
      "SELECT q.reason, CASE WHEN q.reason = 'null_key' THEN {0} END ELSE {1} END AS \"column\", "
      "CASE WHEN q.reason = 'null_key' THEN 'the key is NULL' "
      "ELSE 'the key comes with different values' END AS message, "
      "coalesce(s.{2}, s.{3} + 1) AS line, NULL::BIGINT AS byte_offset, NULL::BIGINT AS "
      "byte_length, "
      "NULL::BLOB AS raw, to_json(struct_pack({4}))::VARCHAR AS \"values\", "
      "coalesce(s.{5}, {6}) AS source_file, NULL::VARCHAR AS source_sha256, "
      "{8} AS as_of, {9}::VARCHAR AS _run_id, {10} AS _loaded_at FROM {11} s JOIN ("
      "SELECT source_file AS file, source_row AS row, 'null_key' AS reason FROM change "
      "WHERE kind = {12} UNION ALL SELECT file, row, 'conflict_same_key' FROM repeated "
      "WHERE is_conflict) q ON q.file = s.{7} AND q.row = s.{3} ORDER BY q.file, q.row",
      null_column, model::quote_text(key_list), model::quote_name(columns.source_row), kRowColumn,
      fmt::join(fields, ", "), model::quote_name(columns.source_file), file_name_expression(input),
      kFileColumn, instant_literal(origin.as_of_us), model::quote_text(origin.run_id),
      instant_literal(origin.loaded_at_us), source_rows(input), static_cast<int>(Kind::kNullKey));
}

}  // namespace weir::table::history
