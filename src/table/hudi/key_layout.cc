#include "table/hudi/key_layout.h"

#include <algorithm>
#include <sstream>

namespace weir::table {
namespace {

using model::TypeKind;

constexpr std::string_view kNullPartition = "__HIVE_DEFAULT_PARTITION__";

// The columns of a list. Custom key generators write `column:simple`: what follows is left out.
std::vector<std::string> names_in(const std::string& list) {
  std::vector<std::string> names;
  std::istringstream parts(list);
  for (std::string name; std::getline(parts, name, ',');) {
    name.resize(std::min(name.size(), name.find(':')));
    const size_t from = name.find_first_not_of(' ');
    if (from == std::string::npos) continue;
    names.push_back(name.substr(from, name.find_last_not_of(' ') - from + 1));
  }
  return names;
}

// The characters that Hive escapes in names of partitions.
bool is_escaped(unsigned char c) {
  return c < 0x20 || c == 0x7F ||
         std::string_view("\"#%'*/:=?\\{[]^").find(static_cast<char>(c)) != std::string_view::npos;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_escaped(static_cast<unsigned char>(c)))
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out;
}

bool can_be_folder(const std::string& name) {
  return name != "." && name != ".." && std::ranges::find(name, '/') == name.end() &&
         !name.starts_with(".hoodie");
}

/// Types whose text is the same for Spark's rows, for Avro's and for DuckDB.
bool has_one_text(const model::DataType& type) {
  // Java writes smaller decimals with an exponent.
  constexpr int kMostPlainScale = 6;
  switch (type.kind) {
    case TypeKind::kVarchar:
    case TypeKind::kUuid:
    case TypeKind::kInteger:
    case TypeKind::kBigint:
    case TypeKind::kBoolean:
    case TypeKind::kDate: return true;
    case TypeKind::kDecimal: return type.scale <= kMostPlainScale;
    default: return false;
  }
}

std::string text_sql(std::string_view qualifier, const std::string& column) {
  return fmt::format("CAST({}.{} AS VARCHAR)", qualifier, model::quote_name(column));
}

}  // namespace

Result<KeyLayout> key_layout_of(const TableProperties& properties) {
  KeyLayout layout;
  layout.key = names_in(property_or(properties, "hoodie.table.recordkey.fields", ""));
  layout.partition_by = names_in(property_or(properties, "hoodie.table.partition.fields", ""));
  layout.ordering_field = property_or(properties, "hoodie.table.precombine.field", "");
  if (layout.ordering_field.empty())
    layout.ordering_field = property_or(properties, "hoodie.table.ordering.fields", "");
  layout.is_hive_style =
      property_or(properties, "hoodie.datasource.write.hive_style_partitioning", "false") == "true";
  layout.is_encoded =
      property_or(properties, "hoodie.datasource.write.partitionpath.urlencode", "false") == "true";
  const auto refuse = [](std::string_view key, std::string_view value, std::string_view why) {
    return fail_with_hint(ErrorCode::kUnsupported,
                          fmt::format("{}: {} is '{}'; {}", kPropertiesFile, key, value, why),
                          "write this table with the engine that made it");
  };
  if (layout.key.empty())
    return refuse("hoodie.table.recordkey.fields", "absent", "rows have no key to find them by");
  if (layout.key.size() == 1 && layout.partition_by.size() > 1)
    return refuse("hoodie.table.partition.fields",
                  property_or(properties, "hoodie.table.partition.fields", ""),
                  "with one key column, releases of Hudi disagree about how its keys are written");
  for (const std::string_view key :
       {"hoodie.table.keygenerator.class", "hoodie.table.keygenerator.type"}) {
    const std::string generator = property_or(properties, key, "");
    for (const std::string_view other : {"Timestamp", "TIMESTAMP", "Custom", "CUSTOM", "Global",
                                         "GLOBAL", "AutoRecord", "UserProvided", "USER_PROVIDED"}) {
      if (generator.find(other) != std::string::npos)
        return refuse(key, generator, "weir does not make such keys");
    }
  }
  if (layout.ordering_field.find(',') != std::string::npos)
    return refuse("hoodie.table.ordering.fields", layout.ordering_field,
                  "weir orders rows by one column");
  return layout;
}

Status check_key_types(const KeyLayout& layout, const model::Schema& schema) {
  for (const auto* names : {&layout.key, &layout.partition_by}) {
    for (const std::string& name : *names) {
      const std::string_view what = names == &layout.key ? "key" : "partition";
      const model::Column* column = model::find_column(schema, name);
      if (column == nullptr)
        return fail(ErrorCode::kInvalidConfig, "{} column '{}' is no column of the table", what,
                    name);
      if (!has_one_text(column->type))
        return fail_with_hint(
            ErrorCode::kUnsupported,
            fmt::format("{} column '{}' is {}: Hudi's own writers disagree about its text", what,
                        name, model::to_text(column->type)),
            "use a column of text, whole numbers, dates or booleans");
    }
  }
  return {};
}

std::string record_key_sql(const KeyLayout& layout, std::string_view qualifier) {
  if (layout.key.size() == 1)
    return fmt::format("nullif({}, '')", text_sql(qualifier, layout.key.front()));
  std::string parts;
  std::string texts;
  for (const std::string& name : layout.key) {
    const std::string text = text_sql(qualifier, name);
    parts += fmt::format(
        "{}{} || CASE WHEN {} IS NULL THEN '__null__' WHEN {} = '' THEN "
        "'__empty__' ELSE {} END",
        parts.empty() ? "" : " || ',' || ", model::quote_text(name + ":"), text, text, text);
    texts += fmt::format("{}nullif({}, '')", texts.empty() ? "" : ", ", text);
  }
  return fmt::format("CASE WHEN coalesce({}) IS NOT NULL THEN {} END", texts, parts);
}

Result<std::string> partition_path(const KeyLayout& layout,
                                   std::span<const std::optional<std::string>> values) {
  std::string path;
  for (size_t i = 0; i < layout.partition_by.size(); ++i) {
    const std::string& column = layout.partition_by[i];
    std::string folder(kNullPartition);
    if (values[i] && !values[i]->empty())
      folder = layout.is_encoded ? escaped(*values[i]) : *values[i];
    if (!can_be_folder(folder))
      return fail_with_hint(
          ErrorCode::kInvalidData,
          fmt::format("partition column '{}' has the value '{}', which cannot be the name of a "
                      "folder",
                      column, *values[i]),
          "a table with hoodie.datasource.write.partitionpath.urlencode=true takes any value");
    if (!path.empty()) path += '/';
    if (layout.is_hive_style) path += column + "=";
    path += folder;
  }
  return path;
}

}  // namespace weir::table
