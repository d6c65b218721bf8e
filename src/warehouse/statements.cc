#include "warehouse/statements.h"

#include <algorithm>

namespace weir::warehouse {
namespace {

using model::quote_name;
using model::quote_text;

/// They tell of the run, not of the thing: a row that differs in nothing else is unchanged.
bool is_load_column(std::string_view name) {
  return name == "_run_id" || name == "_loaded_at" || name == "_source_file" ||
         name == "_source_row";
}

bool is_key(const Load& load, std::string_view name) {
  return std::ranges::find(load.key, name) != load.key.end();
}

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::vector<std::string> assignments(const Load& load) {
  std::vector<std::string> sets;
  for (const auto& column : load.columns)
    if (!is_key(load, column.name))
      sets.push_back(fmt::format("{0} = s.{0}", quote_name(column.name)));
  return sets;
}

}  // namespace

std::vector<std::string> names_of(const model::Schema& columns) {
  std::vector<std::string> names;
  for (const auto& column : columns) names.push_back(column.name);
  return names;
}

std::string quoted_list(const std::vector<std::string>& names, std::string_view prefix) {
  std::vector<std::string> parts;
  for (const auto& name : names) parts.push_back(std::string(prefix) + quote_name(name));
  return joined(parts, ", ");
}

std::string files_relation(const std::vector<std::string>& files) {
  std::vector<std::string> parts;
  for (const auto& file : files) parts.push_back(quote_text(file));
  return "read_parquet([" + joined(parts, ", ") + "], union_by_name=true)";
}

std::string select_rows(const Load& load, const std::set<std::string>& in_files) {
  std::vector<std::string> parts;
  for (const auto& column : load.columns) {
    const bool is_there = in_files.contains(column.name);
    parts.push_back(fmt::format("CAST({} AS {}) AS {}",
                                is_there ? quote_name(column.name) : std::string("NULL"),
                                model::to_duckdb(column.type), quote_name(column.name)));
  }
  const std::string from =
      load.files.empty() ? std::string(" WHERE false") : " FROM " + files_relation(load.files);
  return "SELECT " + joined(parts, ", ") + from;
}

std::string sums_of_hashes(const std::string& relation, const std::vector<std::string>& columns) {
  std::vector<std::string> fields;
  for (const auto& name : columns) fields.push_back(quote_name(name) + " := " + quote_name(name));
  // 15 digits are 60 bits: a hugeint takes 2^67 such summands.
  return fmt::format(
      "SELECT count(*), coalesce(sum(('0x' || substr(hash, 1, 15))::BIGINT), 0), "
      "coalesce(sum(('0x' || substr(hash, 16, 15))::BIGINT), 0) "
      "FROM (SELECT canonical_hash(struct_pack({})) AS hash FROM {})",
      joined(fields, ", "), relation);
}

std::string same_key(const std::vector<std::string>& key) {
  std::vector<std::string> parts;
  for (const auto& name : key) parts.push_back(fmt::format("t.{0} = s.{0}", quote_name(name)));
  return joined(parts, " AND ");
}

std::string same_values(const Load& load) {
  std::vector<std::string> parts;
  for (const auto& column : load.columns) {
    if (is_load_column(column.name) || is_key(load, column.name)) continue;
    parts.push_back(fmt::format("t.{0} IS NOT DISTINCT FROM s.{0}", quote_name(column.name)));
  }
  return parts.empty() ? "true" : "(" + joined(parts, " AND ") + ")";
}

std::string merge_rows(const Load& load, const TableName& staged) {
  const auto sets = assignments(load);
  const auto names = names_of(load.columns);
  const std::string update = sets.empty()
                                 ? std::string()
                                 : fmt::format("WHEN MATCHED AND NOT {} THEN UPDATE SET {} ",
                                               same_values(load), joined(sets, ", "));
  return fmt::format(
      "MERGE INTO {} AS t USING {} AS s ON {} {}"
      "WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})",
      load.table.quoted(), staged.quoted(), same_key(load.key), update, quoted_list(names),
      quoted_list(names, "s."));
}

std::string update_rows(const Load& load, const TableName& staged) {
  const auto sets = assignments(load);
  if (sets.empty()) return "";
  return fmt::format("UPDATE {} AS t SET {} FROM {} AS s WHERE {} AND NOT {}", load.table.quoted(),
                     joined(sets, ", "), staged.quoted(), same_key(load.key), same_values(load));
}

std::string insert_missing_rows(const Load& load, const TableName& staged) {
  const auto names = names_of(load.columns);
  return fmt::format(
      "INSERT INTO {} ({}) SELECT {} FROM {} AS s WHERE NOT EXISTS (SELECT 1 FROM {} AS t WHERE "
      "{})",
      load.table.quoted(), quoted_list(names), quoted_list(names, "s."), staged.quoted(),
      load.table.quoted(), same_key(load.key));
}

std::string append_rows(const Load& load, const TableName& staged) {
  const auto names = quoted_list(names_of(load.columns));
  return fmt::format("INSERT INTO {} ({}) SELECT {} FROM {}", load.table.quoted(), names, names,
                     staged.quoted());
}

}  // namespace weir::warehouse
