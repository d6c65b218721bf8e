#include "table/hudi/partition_values.h"

#include <cctype>

namespace weir::table {
namespace {

constexpr std::string_view kNullFolder = "__HIVE_DEFAULT_PARTITION__";

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  while (true) {
    const size_t end = text.find(at);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool is_on(const TableProperties& properties, std::string_view key) {
  return property_or(properties, key, "false") == "true";
}

int hex_digit(char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }

/// `%2F` as `/`. What is no such escape stays as it is, as in Hive and Hudi.
std::string unescaped(std::string_view text) {
  const auto is_hex = [&](size_t at) {
    return at < text.size() && std::isxdigit(static_cast<unsigned char>(text[at])) != 0;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && is_hex(i + 1) && is_hex(i + 2)) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// A generator that writes a time in another form, or a mixture, makes paths that are no values.
Status check_generator(const TableProperties& properties) {
  const std::string type = property_or(properties, "hoodie.table.keygenerator.type", "");
  const std::string name = property_or(properties, "hoodie.table.keygenerator.class", "");
  for (const std::string_view odd : {"TIMESTAMP", "CUSTOM"}) {
    if (!type.starts_with(odd)) continue;
    return fail(ErrorCode::kUnsupported,
                "{}: hoodie.table.keygenerator.type is {}: the paths of partitions are not the "
                "values of their columns",
                kPropertiesFile, type);
  }
  for (const std::string_view odd : {"Timestamp", "Custom"}) {
    if (name.find(odd) == std::string::npos) continue;
    return fail(ErrorCode::kUnsupported,
                "{}: hoodie.table.keygenerator.class is {}: the paths of partitions are not the "
                "values of their columns",
                kPropertiesFile, name);
  }
  return {};
}

}  // namespace

std::vector<std::string> partition_columns(const TableProperties& properties) {
  const std::string fields = property_or(properties, "hoodie.table.partition.fields", "");
  if (fields.empty()) return {};
  std::vector<std::string> columns = split(fields, ',');
  // A custom key generator's fields carry their kind: `ts:TIMESTAMP`.
  for (auto& column : columns) column = column.substr(0, column.find(':'));
  return columns;
}

std::vector<std::string> path_columns(const TableProperties& properties) {
  if (!is_on(properties, "hoodie.datasource.write.drop.partition.columns")) return {};
  return partition_columns(properties);
}

Result<std::vector<PartitionValue>> partition_values(const TableProperties& properties,
                                                     std::string_view path) {
  const std::vector<std::string> columns = partition_columns(properties);
  if (columns.empty() && path.empty()) return std::vector<PartitionValue>();
  WEIR_TRY(check_generator(properties));
  // One column's value may itself have a '/' in it where nothing is escaped.
  const std::vector<std::string> folders =
      columns.size() == 1 ? std::vector<std::string>{std::string(path)} : split(path, '/');
  if (folders.size() != columns.size())
    return fail(ErrorCode::kUnsupported, "partition '{}' has {} folders for {} partition columns",
                path, folders.size(), columns.size());
  const bool has_names = is_on(properties, "hoodie.datasource.write.hive_style_partitioning");
  const bool is_escaped = is_on(properties, "hoodie.datasource.write.partitionpath.urlencode");
  std::vector<PartitionValue> values;
  for (size_t i = 0; i < columns.size(); ++i) {
    std::string_view text = folders[i];
    if (has_names) {
      if (!text.starts_with(columns[i] + "="))
        return fail(ErrorCode::kUnsupported, "partition '{}' does not name its column '{}'", path,
                    columns[i]);
      text.remove_prefix(columns[i].size() + 1);
    }
    PartitionValue value{columns[i], std::nullopt};
    if (text != kNullFolder) value.text = is_escaped ? unescaped(text) : std::string(text);
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace weir::table
