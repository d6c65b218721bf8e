#include "table/relations.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/instant.h"
#include "model/canonical.h"

namespace weir::table {
namespace {

std::string qualified(std::string_view qualifier, std::string_view name) {
  return qualifier.empty() ? model::quote_name(name)
                           : fmt::format("{}.{}", qualifier, model::quote_name(name));
}

}  // namespace

std::string relation(const std::vector<std::string>& files, const model::Schema& columns) {
  std::string casts;
  std::string typed;  // an empty row: gives a column that no file has its type
  for (const model::Column& column : columns) {
    const std::string name = model::quote_name(column.name);
    const std::string type = model::to_duckdb(column.type);
    casts += fmt::format("CAST(r.{} AS {}) AS {}, ", name, type, name);
    typed += fmt::format("NULL::{} AS {}, ", type, name);
  }
  std::string from = fmt::format("SELECT {}NULL::UBIGINT AS {}, NULL::BIGINT AS {} WHERE false",
                                 typed, kFileColumn, kRowColumn);
  if (!files.empty()) {
    std::vector<std::string> quoted;
    for (const std::string& file : files) quoted.push_back(model::quote_text(file));
    from += fmt::format(
        " UNION ALL BY NAME SELECT *, file_index AS {}, file_row_number AS {} FROM "
        "read_parquet([{}], union_by_name=true)",
        kFileColumn, kRowColumn, fmt::join(quoted, ", "));
  }
  return fmt::format("(SELECT {}CAST(r.{} AS INTEGER) AS {}, r.{} FROM ({}) r)", casts, kFileColumn,
                     kFileColumn, kRowColumn, from);
}

std::string columns_of(const std::vector<std::string>& names, std::string_view qualifier) {
  std::vector<std::string> parts;
  for (const std::string& name : names) parts.push_back(qualified(qualifier, name));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string hash_of(const std::vector<std::string>& names, std::string_view qualifier) {
  if (names.empty()) return model::quote_text(model::canonical_hash("\x01"));
  std::vector<std::string> fields;
  for (const std::string& name : names)
    fields.push_back(fmt::format("{} := {}", model::quote_name(name), qualified(qualifier, name)));
  return fmt::format("canonical_hash(struct_pack({}))", fmt::join(fields, ", "));
}

std::string narrow_hash_of(const std::vector<std::string>& names, std::string_view qualifier) {
  return fmt::format("CAST({} AS UUID)", hash_of(names, qualifier));
}

std::string same_key(const std::vector<std::string>& key, std::string_view a, std::string_view b) {
  std::vector<std::string> parts;
  for (const std::string& name : key)
    parts.push_back(fmt::format("{} = {}", qualified(a, name), qualified(b, name)));
  return fmt::format("{}", fmt::join(parts, " AND "));
}

std::string any_of(const std::vector<std::string>& names, std::string_view qualifier,
                   std::string_view test) {
  if (names.empty()) return "false";
  std::vector<std::string> parts;
  for (const std::string& name : names)
    parts.push_back(fmt::format("{} {}", qualified(qualifier, name), test));
  return fmt::format("({})", fmt::join(parts, " OR "));
}

std::string instant_literal(int64_t at_us) {
  return fmt::format("TIMESTAMPTZ {}", model::quote_text(format_instant(at_us)));
}

}  // namespace weir::table
