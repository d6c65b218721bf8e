#include "engine/embedded/rules.h"

#include <algorithm>

#include "base/nearest.h"

namespace weir::engine::embedded {
namespace {

using model::quote_name;

const std::vector<std::string>& known_rules() {
  static const std::vector<std::string> kKnown = {
      "not_null", "unique", "min_rows", "max_rows", "accepted_values", "range", "sql"};
  return kKnown;
}

/// What a rule is read against.
struct Subject {
  const std::string& relation;
  const model::Schema& columns;

  Status has(const std::string& name) const {
    if (model::find_column(columns, name) != nullptr) return {};
    std::vector<std::string> names;
    for (const auto& column : columns) names.push_back(column.name);
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("{} has no column '{}'", relation, name),
                          did_you_mean(name, names));
  }
  std::string where(const std::string& condition) const {
    return fmt::format("SELECT * FROM {} WHERE {}", relation, condition);
  }
};

Result<std::vector<std::string>> column_list(const Json& value, const Subject& subject) {
  std::vector<std::string> names;
  if (value.is_string()) names.push_back(value.get<std::string>());
  if (value.is_array())
    for (const auto& name : value)
      if (name.is_string()) names.push_back(name.get<std::string>());
  if (names.empty() || (value.is_array() && names.size() != value.size()))
    return fail(ErrorCode::kInvalidConfig, "{} is no column and no list of columns",
                dump_json(value));
  for (const auto& name : names) WEIR_TRY(subject.has(name));
  return names;
}

/// A value of a rule as an SQL literal; DuckDB casts it to the column's type.
Result<std::string> literal(const Json& value) {
  if (value.is_string()) {
    const auto text = value.get<std::string>();
    if (text.find('\0') != std::string::npos)
      return fail(ErrorCode::kInvalidConfig, "a value of a rule holds a NUL byte");
    return model::quote_text(text);
  }
  if (value.is_number() || value.is_boolean()) return dump_json(value);
  return fail(ErrorCode::kInvalidConfig, "{} is no value of a rule: write text, a number or a bool",
              dump_json(value));
}

Result<Rule> not_null(const Json& value, const Subject& subject) {
  WEIR_ASSIGN(const auto names, column_list(value, subject));
  std::vector<std::string> conditions;
  for (const auto& name : names) conditions.push_back(quote_name(name) + " IS NULL");
  return Rule{.text = fmt::format("not_null({})", fmt::join(names, ", ")),
              .broken = subject.where(fmt::format("{}", fmt::join(conditions, " OR ")))};
}

Result<Rule> unique(const Json& value, const Subject& subject) {
  WEIR_ASSIGN(const auto names, column_list(value, subject));
  std::vector<std::string> quoted;
  std::vector<std::string> conditions;
  for (const auto& name : names) {
    quoted.push_back(quote_name(name));
    conditions.push_back(quote_name(name) + " IS NOT NULL");
  }
  const auto columns = fmt::format("{}", fmt::join(quoted, ", "));
  std::string rows = "rows";
  while (std::ranges::find(names, rows) != names.end()) rows = "_" + rows;
  // A line a key, so that the examples are different keys.
  return Rule{.text = fmt::format("unique({})", fmt::join(names, ", ")),
              .broken = fmt::format("SELECT {0}, count(*) AS {1} FROM {2} WHERE {3} "
                                    "GROUP BY {0} HAVING count(*) > 1",
                                    columns, quote_name(rows), subject.relation,
                                    fmt::join(conditions, " AND ")),
              .rows_of = fmt::format("coalesce(sum({}), 0)::BIGINT", quote_name(rows))};
}

Result<Rule> accepted_values(const Json& value, const Subject& subject) {
  WEIR_ASSIGN(const auto column, json_field<std::string>(value, "column"));
  WEIR_ASSIGN(const auto values, json_field<Json>(value, "values"));
  WEIR_TRY(subject.has(column));
  if (!values.is_array() || values.empty())
    return fail(ErrorCode::kInvalidConfig, "accepted_values of '{}' has no list of values", column);
  std::vector<std::string> literals;
  for (const auto& accepted : values) {
    WEIR_ASSIGN(literals.emplace_back(), literal(accepted));
  }
  return Rule{.text = fmt::format("accepted_values({})", column),
              .broken = subject.where(
                  fmt::format("{} NOT IN ({})", quote_name(column), fmt::join(literals, ", ")))};
}

Result<Rule> range(const Json& value, const Subject& subject) {
  WEIR_ASSIGN(const auto column, json_field<std::string>(value, "column"));
  WEIR_TRY(subject.has(column));
  std::vector<std::string> conditions;
  std::string bounds;
  for (const auto& [bound, sign] : {std::pair{"min", "<"}, std::pair{"max", ">"}}) {
    WEIR_ASSIGN(const auto limit, json_field_or<Json>(value, bound, Json()));
    if (limit.is_null()) continue;
    WEIR_ASSIGN(const auto text, literal(limit));
    conditions.push_back(fmt::format("{} {} {}", quote_name(column), sign, text));
    bounds += fmt::format(", {} {}", bound, dump_json(limit));
  }
  if (conditions.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("range of '{}' has neither min nor max", column),
                          "write {range: {column: x, min: 0, max: 1}}");
  return Rule{.text = fmt::format("range({}{})", column, bounds),
              .broken = subject.where(fmt::format("{}", fmt::join(conditions, " OR ")))};
}

Result<Rule> row_count(const std::string& name, const Json& value) {
  if (!value.is_number_integer() || value.get<int64_t>() < 0)
    return fail(ErrorCode::kInvalidConfig, "{} wants a number of rows, not {}", name,
                dump_json(value));
  const auto rows = value.get<int64_t>();
  Rule rule{.text = fmt::format("{}({})", name, rows), .broken = {}};
  (name == "min_rows" ? rule.least_rows : rule.most_rows) = rows;
  return rule;
}

Result<Rule> read_rule(const std::string& name, const Json& value, const Subject& subject) {
  if (name == "not_null") return not_null(value, subject);
  if (name == "unique") return unique(value, subject);
  if (name == "accepted_values") return accepted_values(value, subject);
  if (name == "range") return range(value, subject);
  if (name == "min_rows" || name == "max_rows") return row_count(name, value);
  if (name == "sql" && value.is_string())
    return Rule{.text = "sql", .broken = value.get<std::string>(), .is_user_sql = true};
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("rule '{}' is not known", name),
                        did_you_mean(name, known_rules()) +
                            fmt::format("known rules: {}", fmt::join(known_rules(), ", ")));
}

}  // namespace

Result<std::vector<Rule>> read_rules(const Json& rules, const std::string& relation,
                                     const model::Schema& columns) {
  if (!rules.is_array() || rules.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig, "the check has no rules",
                          "write rules: [{not_null: country}, {min_rows: 200}]");
  const Subject subject{relation, columns};
  std::vector<Rule> all;
  for (const auto& entry : rules) {
    if (!entry.is_object() || entry.size() != 1)
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("rule {} is no object with one key", dump_json(entry)),
                            "write {not_null: country}");
    const auto rule = entry.begin();
    WEIR_ASSIGN(all.emplace_back(), while_doing(read_rule(rule.key(), rule.value(), subject),
                                                fmt::format("reading rule {}", dump_json(entry))));
  }
  return all;
}

}  // namespace weir::engine::embedded
