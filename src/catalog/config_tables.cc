#include <algorithm>

#include "base/instant.h"
#include "base/nearest.h"
#include "catalog/config_rows.h"

namespace weir::catalog {
namespace {

using enum ColumnKind;

ConfigColumn required(std::string name) { return {std::move(name), kText, Json(), true}; }
ConfigColumn text(std::string name, std::string otherwise = "") {
  return {std::move(name), kText, std::move(otherwise)};
}
ConfigColumn optional_text(std::string name) { return {std::move(name), kText, Json()}; }
ConfigColumn object(std::string name) { return {std::move(name), kJson, Json::object()}; }
ConfigColumn number(std::string name, int64_t otherwise) {
  return {std::move(name), kInteger, otherwise};
}
ConfigColumn yes(std::string name) { return {std::move(name), kBoolean, true}; }
ConfigColumn null_of(ColumnKind kind, std::string name) { return {std::move(name), kind, Json()}; }
ConfigColumn empty_list(ColumnKind kind, std::string name) {
  return {std::move(name), kind, Json::array()};
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// Splits at commas outside of parentheses: `a decimal(10,2), b varchar`.
std::vector<std::string_view> split_list(std::string_view text) {
  std::vector<std::string_view> items;
  int depth = 0;
  size_t start = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '(') ++depth;
    if (i < text.size() && text[i] == ')') --depth;
    if (i < text.size() && (text[i] != ',' || depth > 0)) continue;
    if (const auto item = trimmed(text.substr(start, i - start)); !item.empty())
      items.push_back(item);
    start = i + 1;
  }
  return items;
}

Result<model::Column> column_of(std::string_view name, std::string_view type) {
  constexpr std::string_view kNotNull = " not null";
  model::Column column;
  column.name = std::string(name);
  std::string lower(type);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower.ends_with(kNotNull)) {
    column.is_nullable = false;
    type.remove_suffix(kNotNull.size());
  }
  WEIR_ASSIGN(column.type, model::parse_type(trimmed(type)));
  return column;
}

/// `icao varchar, "first name" varchar not null`.
Result<model::Schema> schema_of_text(std::string_view text) {
  model::Schema schema;
  for (std::string_view item : split_list(text)) {
    const bool is_quoted = item.starts_with('"');
    const auto end = is_quoted ? item.find('"', 1) : item.find_first_of(" \t\n");
    if (end == std::string_view::npos)
      return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("column '{}' has no type", item),
                            "write name and type, such as: icao varchar, elevation double");
    const auto name = is_quoted ? item.substr(1, end - 1) : item.substr(0, end);
    WEIR_ASSIGN(auto column, column_of(name, trimmed(item.substr(end + 1))));
    schema.push_back(std::move(column));
  }
  return schema;
}

/// `{"icao": "varchar", …}` in the order in which it is written.
Result<model::Schema> schema_of_object(const std::string& text) {
  const auto json = nlohmann::ordered_json::parse(text, nullptr, false);
  if (!json.is_object()) return fail(ErrorCode::kInvalidConfig, "is no valid JSON");
  model::Schema schema;
  for (const auto& [name, type] : json.items()) {
    if (!type.is_string())
      return fail(ErrorCode::kInvalidConfig, "the type of column '{}' is no text", name);
    WEIR_ASSIGN(auto column, column_of(name, type.get<std::string>()));
    schema.push_back(std::move(column));
  }
  return schema;
}

Result<Json> normal_schema(const Json& value) {
  if (value.is_array()) {
    WEIR_ASSIGN(const auto schema, model::schema_from_json(value));
    return model::to_json(schema);
  }
  const std::string text(trimmed(value.get<std::string>()));
  if (text.starts_with('[')) {
    WEIR_ASSIGN(const Json list, parse_json(text));
    return normal_schema(list);
  }
  WEIR_ASSIGN(const auto schema,
              text.starts_with('{') ? schema_of_object(text) : schema_of_text(text));
  return model::to_json(schema);
}

Result<Json> normal_names(const Json& value) {
  Json names = Json::array();
  if (value.is_string()) {
    const std::string text(trimmed(value.get<std::string>()));
    if (text.starts_with('[')) {
      WEIR_ASSIGN(const Json list, parse_json(text));
      return normal_names(list);
    }
    for (const auto name : split_list(text)) names.push_back(std::string(name));
    return names;
  }
  for (const Json& name : value) {
    if (!name.is_string()) return fail(ErrorCode::kInvalidConfig, "{} is no name", dump_json(name));
  }
  return value;
}

bool has_type(const Json& value, ColumnKind kind) {
  switch (kind) {
    case kText:
    case kDuration: return value.is_string();
    case kInteger: return value.is_number_integer();
    case kBoolean: return value.is_boolean();
    case kJson: return true;
    case kSchema:
    case kNames: break;
  }
  return value.is_string() || value.is_array();
}

Result<Json> normal_value(const Json& value, ColumnKind kind) {
  constexpr std::string_view kExpected[] = {"text",       "a whole number", "true or false", "JSON",
                                            "a duration", "columns",        "names"};
  if (!has_type(value, kind))
    return fail(ErrorCode::kInvalidConfig, "{} is not {}", dump_json(value),
                kExpected[static_cast<size_t>(kind)]);
  if (kind == kSchema) return normal_schema(value);
  if (kind == kNames) return normal_names(value);
  if (kind != kDuration) return value;
  WEIR_ASSIGN(const int64_t duration_ms, parse_duration_ms(value.get<std::string>()));
  return format_duration_ms(duration_ms);
}

/// JSON is an object or a list where its default is one.
Result<Json> in_shape(Json value, const ConfigColumn& column) {
  if (column.kind != kJson) return value;
  if (column.otherwise.is_object() && !value.is_object())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("{} is no JSON object", dump_json(value)),
                          "write {}, or {\"key\": value}");
  if (column.otherwise.is_array() && !value.is_array())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("{} is no JSON list", dump_json(value)),
                          "write [], or [\"value\"]");
  return value;
}

std::unexpected<Error> refuse(const ConfigRow& row, std::string_view column, Error error) {
  error.code = ErrorCode::kInvalidConfig;
  error.message = fmt::format("{}, column '{}': {}", describe(row), column, error.message);
  return std::unexpected(std::move(error));
}

std::vector<std::string> names_of(const std::vector<ConfigColumn>& columns) {
  std::vector<std::string> names;
  for (const auto& column : columns) names.push_back(column.name);
  return names;
}

Status check_shape(const ConfigTable* table, const ConfigRow& row) {
  if (table == nullptr) {
    std::vector<std::string> names;
    for (const auto& one : config_tables()) names.push_back(one.name);
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("there is no configuration table '{}'", row.table),
                          did_you_mean(row.table, names));
  }
  if (row.key.size() != table->key.size())
    return fail(ErrorCode::kInvalidConfig, "{} has {} key values, its table {}", describe(row),
                row.key.size(), table->key.size());
  const auto names = names_of(table->columns);
  for (const auto& [name, value] : row.values) {
    if (std::ranges::find(names, name) == names.end())
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("{} has no column '{}'", describe(row), name),
                            did_you_mean(name, names));
  }
  return {};
}

}  // namespace

const std::vector<ConfigTable>& config_tables() {
  static const std::vector<ConfigTable> kTables = {
      {"project", {"key"}, {required("value")}},
      {"layer", {"name"}, {required("uri"), number("position", 0)}},
      {"dataset",
       {"layer", "name"},
       {text("format"), empty_list(kSchema, "columns"), empty_list(kNames, "key_columns"),
        text("identity", "content"), object("contract"), object("options")}},
      {"connection", {"connection_id"}, {required("kind"), object("options"), text("secret_id")}},
      {"template",
       {"template_id"},
       {required("kind"), text("location"), text("sha256"), text("version"),
        object("params_schema"), null_of(kJson, "body"), text("description")}},
      {"pool", {"name"}, {number("slots", 1)}},
      {"calendar",
       {"calendar_id"},
       {text("description"), text("weekdays"), empty_list(kNames, "holidays"),
        empty_list(kNames, "workdays")}},
      {"flow",
       {"flow_id"},
       {text("dag_name"), text("description"), text("owner"), yes("is_enabled"),
        text("overlap", "queue"), number("max_active_runs", 1), object("params"),
        object("defaults"), null_of(kDuration, "deadline")}},
      {"task",
       {"flow_id", "task_id"},
       {required("template_id"), object("params"), text("engine"), object("resources"),
        null_of(kInteger, "retries"), null_of(kDuration, "retry_delay"),
        null_of(kDuration, "timeout"), optional_text("pool"), null_of(kJson, "for_each"),
        text("run_if", "all_succeeded")}},
      {"task_dependency", {"flow_id", "task_id", "needs_task_id"}, {}},
      {"schedule",
       {"flow_id"},
       {optional_text("cron"), optional_text("every"), optional_text("timezone"),
        object("options")}},
      {"file_trigger", {"flow_id"}, {optional_text("pattern"), object("options")}},
      {"notification_rule",
       {"notification_rule_id"},
       {optional_text("flow_id"),
        {"events", kJson, Json::array({"failed"})},
        required("channel"),
        text("target"),
        text("secret_id"),
        object("options"),
        yes("is_enabled")}},
  };
  return kTables;
}

const ConfigTable* find_config_table(std::string_view name) {
  const auto& tables = config_tables();
  const auto found = std::ranges::find(tables, name, &ConfigTable::name);
  return found == tables.end() ? nullptr : &*found;
}

std::string describe(const ConfigRow& row) {
  return fmt::format("table '{}', row '{}'", row.table, fmt::join(row.key, "/"));
}

Result<ConfigRow> normal_form(ConfigRow row) {
  const ConfigTable* table = find_config_table(row.table);
  WEIR_TRY(check_shape(table, row));
  std::map<std::string, Json> values;
  for (const ConfigColumn& column : table->columns) {
    const auto given = row.values.find(column.name);
    const bool is_given = given != row.values.end() && !given->second.is_null();
    if (!is_given && column.is_required)
      return refuse(row, column.name, {ErrorCode::kInvalidConfig, "has no value", {}, "", {}});
    const Json& value = is_given ? given->second : column.otherwise;
    if (value.is_null()) continue;
    auto normal = normal_value(value, column.kind);
    if (normal) normal = in_shape(*std::move(normal), column);
    if (!normal) return refuse(row, column.name, std::move(normal).error());
    values[column.name] = *std::move(normal);
  }
  row.values = std::move(values);
  return row;
}

}  // namespace weir::catalog
