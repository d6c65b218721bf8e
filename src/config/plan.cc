#include "config/plan.h"

#include <algorithm>
#include <map>
#include <set>

#include "catalog/config_rows.h"
#include "config/template_files.h"

namespace weir::config {
namespace {

using catalog::ConfigRow;
using catalog::RowChange;
using Key = std::pair<std::string, std::vector<std::string>>;
using Rows = std::map<Key, ConfigRow>;

Result<Rows> by_key(const std::vector<ConfigRow>& rows) {
  Rows map;
  for (const auto& row : rows) {
    WEIR_ASSIGN(ConfigRow normal, catalog::normal_form(row));
    map[{row.table, row.key}] = std::move(normal);
  }
  return map;
}

void compare(const std::string& field, const Json& before, const Json& after,
             std::vector<FieldChange>& fields) {
  if (before.is_object() && after.is_object()) {
    std::set<std::string> keys;
    for (const auto& [key, value] : before.items()) keys.insert(key);
    for (const auto& [key, value] : after.items()) keys.insert(key);
    for (const auto& key : keys)
      compare(field + "." + key, before.value(key, Json()), after.value(key, Json()), fields);
    return;
  }
  // As text: 1 and 1.0 are one number to JSON, but not to who reads them.
  if (dump_json(before) != dump_json(after)) fields.push_back({field, before, after});
}

std::vector<FieldChange> compare(const ConfigRow& before, const ConfigRow& after) {
  std::set<std::string> columns;
  for (const auto& [column, value] : before.values) columns.insert(column);
  for (const auto& [column, value] : after.values) columns.insert(column);
  std::vector<FieldChange> fields;
  const auto value_of = [](const ConfigRow& row, const std::string& column) {
    const auto found = row.values.find(column);
    return found == row.values.end() ? Json() : found->second;
  };
  for (const auto& column : columns)
    compare(column, value_of(before, column), value_of(after, column), fields);
  return fields;
}

/// What a new row says beyond the defaults of its table.
std::vector<FieldChange> said(const ConfigRow& row) {
  const auto* table = catalog::find_config_table(row.table);
  std::vector<FieldChange> fields;
  for (const auto& column : table->columns) {
    const auto found = row.values.find(column.name);
    if (found == row.values.end()) continue;
    const bool is_default = !column.is_required && found->second == column.otherwise;
    const bool is_empty = found->second.is_structured() && found->second.empty();
    if (!is_default && !is_empty) fields.push_back({column.name, Json(), found->second});
  }
  return fields;
}

size_t order_of(const std::string& table) {
  const auto& tables = catalog::config_tables();
  const auto found = std::ranges::find(tables, table, &catalog::ConfigTable::name);
  return static_cast<size_t>(found - tables.begin());
}

/// Parents first; then what goes away, children first.
void sort_changes(std::vector<RowDiff>& diffs) {
  std::ranges::stable_sort(diffs, [](const RowDiff& a, const RowDiff& b) {
    const bool a_goes = a.change.kind == RowChange::Kind::kDelete;
    const bool b_goes = b.change.kind == RowChange::Kind::kDelete;
    if (a_goes != b_goes) return b_goes;
    const size_t a_order = order_of(a.change.row.table);
    const size_t b_order = order_of(b.change.row.table);
    return a_goes ? b_order < a_order : a_order < b_order;
  });
}

char sign(RowChange::Kind kind) {
  switch (kind) {
    case RowChange::Kind::kInsert: return '+';
    case RowChange::Kind::kUpdate: return '~';
    case RowChange::Kind::kDelete: break;
  }
  return '-';
}

std::string_view word(RowChange::Kind kind) {
  switch (kind) {
    case RowChange::Kind::kInsert: return "add";
    case RowChange::Kind::kUpdate: return "change";
    case RowChange::Kind::kDelete: break;
  }
  return "remove";
}

std::string name_of(const ConfigRow& row) {
  if (row.table == "task_dependency")
    return fmt::format("task {}.{} needs {}", row.key[0], row.key[1], row.key[2]);
  return fmt::format("{} {}", row.table, fmt::join(row.key, "."));
}

std::string shown(const Json& value) {
  constexpr size_t kLongest = 200;
  std::string text = value.is_null() ? "nothing" : dump_json(value);
  if (text.size() <= kLongest) return text;
  size_t end = kLongest;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

std::string text_of(const RowDiff& diff) {
  std::string text = fmt::format("  {} {}\n", sign(diff.change.kind), name_of(diff.change.row));
  const bool is_new = diff.change.kind == RowChange::Kind::kInsert;
  for (const auto& field : diff.fields)
    text += is_new ? fmt::format("      {}: {}\n", field.field, shown(field.after))
                   : fmt::format("      {}: {} → {}\n", field.field, shown(field.before),
                                 shown(field.after));
  return text;
}

Json json_of(const RowDiff& diff) {
  Json fields = Json::array();
  for (const auto& field : diff.fields)
    fields.push_back({{"field", field.field}, {"before", field.before}, {"after", field.after}});
  return {{"action", word(diff.change.kind)},
          {"table", diff.change.row.table},
          {"key", diff.change.row.key},
          {"fields", std::move(fields)}};
}

}  // namespace

std::vector<RowChange> Plan::changes() const {
  std::vector<RowChange> changes;
  for (const auto& diff : diffs) changes.push_back(diff.change);
  return changes;
}

std::string managed_by(const std::string& project) { return "yaml:" + project; }

Result<Plan> make_plan(const std::vector<ConfigRow>& head, const model::Configuration& wanted,
                       const PlanOptions& options) {
  const std::string owner = managed_by(wanted.project);
  WEIR_ASSIGN(const Rows before, by_key(head));
  WEIR_ASSIGN(const Rows after, by_key(catalog::rows_of(without_file_bodies(wanted), owner)));
  Plan plan;
  for (const auto& [key, row] : after) {
    const auto there = before.find(key);
    if (there == before.end()) {
      plan.diffs.push_back({{RowChange::Kind::kInsert, row}, said(row)});
      continue;
    }
    auto fields = compare(there->second, row);
    if (fields.empty()) continue;
    const bool is_ours = there->second.managed_by == owner || options.prune;
    (is_ours ? plan.diffs : plan.blocked)
        .push_back({{RowChange::Kind::kUpdate, row}, std::move(fields)});
  }
  for (const auto& [key, row] : before) {
    if (after.contains(key)) continue;
    if (row.managed_by == owner || options.prune)
      plan.diffs.push_back({{RowChange::Kind::kDelete, row}, {}});
    else
      plan.others.push_back(row);
  }
  sort_changes(plan.diffs);
  sort_changes(plan.blocked);
  return plan;
}

std::string to_text(const Plan& plan) {
  std::string text;
  for (const auto& diff : plan.diffs) text += text_of(diff);
  if (!plan.blocked.empty()) text += "  rows of others that differ (--prune takes them over):\n";
  for (const auto& diff : plan.blocked) text += "  " + text_of(diff);
  const auto count = [&](RowChange::Kind kind) {
    return std::ranges::count_if(plan.diffs, [&](const auto& d) { return d.change.kind == kind; });
  };
  if (plan.is_empty()) {
    text += "plan: nothing to change";
  } else {
    text +=
        fmt::format("plan: {} to add, {} to change, {} to remove", count(RowChange::Kind::kInsert),
                    count(RowChange::Kind::kUpdate), count(RowChange::Kind::kDelete));
    if (!plan.blocked.empty()) text += fmt::format(", {} blocked", plan.blocked.size());
  }
  if (!plan.others.empty()) text += fmt::format("; {} rows of others stay", plan.others.size());
  return text + "\n";
}

Json to_json(const Plan& plan) {
  Json changes = Json::array();
  for (const auto& diff : plan.diffs) changes.push_back(json_of(diff));
  Json blocked = Json::array();
  for (const auto& diff : plan.blocked) blocked.push_back(json_of(diff));
  Json others = Json::array();
  for (const auto& row : plan.others)
    others.push_back({{"table", row.table}, {"key", row.key}, {"managed_by", row.managed_by}});
  return {{"format", 1},
          {"changes", std::move(changes)},
          {"blocked", std::move(blocked)},
          {"others", std::move(others)}};
}

Status apply(catalog::Catalog& catalog, const Plan& plan, const std::string& author) {
  if (!plan.blocked.empty()) {
    const ConfigRow& row = plan.blocked.front().change.row;
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("{} rows differ that this project does not manage, the first: {}",
                    plan.blocked.size(), name_of(row)),
        "--prune takes them over; `weir export` writes them as YAML");
  }
  if (plan.diffs.empty()) return {};
  return while_doing(catalog.apply_changes(plan.changes(), author), "applying the plan");
}

}  // namespace weir::config
