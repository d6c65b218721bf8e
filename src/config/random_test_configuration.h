#pragma once

/// Random configurations that keep the rules, with names and texts that are hard on YAML and SQL.

#include <rapidcheck.h>

#include <set>

#include "model/configuration.h"

namespace weir::config::sample {

inline std::string hard_text() {
  static const std::vector<std::string> kParts = {
      "a",    "B",  "7",    "-",         ":",       ": ",      " #",       ", ",  "[",   "}",  "&",
      "*",    "!",  "|",    ">",         "'",       "\"",      "%",        "@",   "`",   "?",  "\\",
      " ",    "\n", "\n  ", "\t",        "null",    "true",    "1e5",      "0x1", "---", "<<", "ü",
      "日本", "🦆", "$${",  "SELECT 1;", "${A:-b}", "{{ x }}", "\xc2\x85", "\r"};
  std::string text;
  for (const auto& part : *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(kParts)))
    text += part;
  return text;
}

/// A name that model::check_name takes; no two of one set are the same.
inline std::string hard_name(std::set<std::string>& taken, bool may_have_dots = true) {
  static const std::vector<std::string> kParts = {
      "a",    "B",    "7",   "-", ":",    ": ", " #", "'", "\"", "&", "*",
      "null", "true", "1e5", "ü", "日本", "🦆", " ",  "_", "{",  "]", ","};
  std::string name;
  for (const auto& part : *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(kParts)))
    name += part;
  if (may_have_dots && *rc::gen::arbitrary<bool>()) name += ".x";
  name = name.substr(0, 40);
  while ((name.size() > 0 && (static_cast<uint8_t>(name.back()) & 0x80) != 0)) name.pop_back();
  if (name.empty()) name = "n";
  std::string unique = name;
  for (int i = 2; !taken.insert(unique).second; ++i) unique = name + std::to_string(i);
  return unique;
}

inline Json hard_json(int depth) {
  switch (*rc::gen::inRange(0, depth > 0 ? 7 : 5)) {
    case 0: return *rc::gen::arbitrary<int64_t>();
    case 1: return *rc::gen::arbitrary<double>();
    case 2: return *rc::gen::arbitrary<bool>();
    case 3: return nullptr;
    case 4: return hard_text();
    case 5: {
      Json list = Json::array();
      for (int i = *rc::gen::inRange(0, 3); i > 0; --i) list.push_back(hard_json(depth - 1));
      return list;
    }
    default: break;
  }
  Json map = Json::object();
  std::set<std::string> taken;
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) map[hard_name(taken)] = hard_json(depth - 1);
  return map;
}

inline Json hard_map() {
  Json map = Json::object();
  std::set<std::string> taken;
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) map[hard_name(taken)] = hard_json(3);
  return map;
}

inline int few() { return *rc::gen::inRange(0, 4); }

inline std::optional<int64_t> maybe(int64_t most) {
  if (*rc::gen::arbitrary<bool>()) return std::nullopt;
  return *rc::gen::inRange<int64_t>(0, most);
}

inline model::Schema random_columns() {
  static const std::vector<std::string> kTypes = {"varchar",
                                                  "bigint",
                                                  "decimal(10,2)",
                                                  "timestamp",
                                                  "varchar[]",
                                                  "struct(a integer, \"b c\" double)",
                                                  "map(varchar, bigint)"};
  model::Schema schema;
  std::set<std::string> taken;
  for (int i = few(); i > 0; --i)
    schema.push_back({hard_name(taken), *model::parse_type(*rc::gen::elementOf(kTypes)),
                      *rc::gen::arbitrary<bool>()});
  return schema;
}

inline model::Task random_task(const std::string& flow_id, std::set<std::string>& taken,
                               const model::Configuration& configuration) {
  model::Task task;
  task.flow_id = flow_id;
  task.task_id = hard_name(taken);
  task.template_id = "ingest_files";
  task.params = hard_map();
  if (*rc::gen::arbitrary<bool>())
    task.params["sql"] = "SELECT a\n  FROM b -- '" + hard_text() + "\nWHERE c\n";
  task.engine = *rc::gen::element<std::string>("", "glue", "${ENGINE}");
  task.resources = hard_map();
  task.retries = maybe(1000);
  task.retry_delay_ms = maybe(100'000'000);
  task.timeout_ms = maybe(100'000'000);
  if (!configuration.pools.empty() && *rc::gen::arbitrary<bool>())
    task.pool = configuration.pools.front().name;
  if (*rc::gen::arbitrary<bool>()) task.for_each = hard_json(2);
  return task;
}

inline model::Flow random_flow(const std::string& flow_id,
                               const model::Configuration& configuration) {
  model::Flow flow;
  flow.flow_id = flow_id;
  flow.dag_name = hard_text();
  flow.description = hard_text();
  flow.owner = hard_text();
  flow.is_enabled = *rc::gen::arbitrary<bool>();
  flow.overlap = *rc::gen::element(model::Overlap::kQueue, model::Overlap::kCancel,
                                   model::Overlap::kFail, model::Overlap::kSkip);
  flow.max_active_runs = *rc::gen::inRange<int64_t>(1, 100);
  flow.params = hard_map();
  if (*rc::gen::arbitrary<bool>())
    flow.defaults = Json{{"retries", 2}, {"timeout", "1h30m"}, {"resources", hard_map()}};
  if (*rc::gen::arbitrary<bool>()) flow.schedule = Json{{"cron", hard_text()}, {"catchup", "all"}};
  if (*rc::gen::arbitrary<bool>())
    flow.file_trigger = Json{{"pattern", hard_text()}, {"settle", "10s"}};
  std::set<std::string> taken;
  for (int i = few(); i > 0; --i) flow.tasks.push_back(random_task(flow_id, taken, configuration));
  std::ranges::sort(flow.tasks, {}, &model::Task::task_id);
  for (auto& task : flow.tasks) {
    for (const auto& other : flow.tasks)
      if (other.task_id != task.task_id && *rc::gen::arbitrary<bool>())
        task.needs.push_back(other.task_id);
  }
  return flow;
}

inline void add_rows(model::Configuration& c) {
  std::set<std::string> layers;
  for (int i = few(); i > 0; --i)
    c.layers.push_back(
        {hard_name(layers, false), "u" + hard_text(), *rc::gen::inRange<int64_t>(0, 5)});
  std::ranges::sort(c.layers, [](const auto& a, const auto& b) {
    return std::tie(a.position, a.name) < std::tie(b.position, b.name);
  });
  std::set<std::string> names;
  for (const auto& layer : c.layers) {
    model::Dataset dataset;
    dataset.name = {layer.name, hard_name(names)};
    dataset.format = *rc::gen::element<std::string>("", "parquet", "hudi");
    dataset.columns = random_columns();
    for (const auto& column : dataset.columns) dataset.key.push_back(column.name);
    dataset.identity =
        *rc::gen::element(model::Identity::kContent, model::Identity::kAsOfAndContent);
    dataset.contract.rows =
        *rc::gen::element(model::RowPolicy::kQuarantine, model::RowPolicy::kFail);
    dataset.contract.columns =
        *rc::gen::element(model::ColumnPolicy::kEvolve, model::ColumnPolicy::kDiscardValue);
    dataset.options = hard_map();
    c.datasets.push_back(std::move(dataset));
  }
  std::ranges::sort(c.datasets, {}, &model::Dataset::name);
  std::set<std::string> ids;
  for (int i = few(); i > 0; --i) {
    model::Connection connection{hard_name(ids), "k" + hard_text(), hard_map(), hard_text()};
    if (*rc::gen::arbitrary<bool>())
      connection.options[*rc::gen::element<std::string>("kind", "options")] = hard_json(2);
    c.connections.push_back(std::move(connection));
  }
  std::ranges::sort(c.connections, {}, &model::Connection::connection_id);
  for (int i = few(); i > 0; --i)
    c.pools.push_back({hard_name(ids), *rc::gen::inRange<int64_t>(1, 9)});
  std::ranges::sort(c.pools, {}, &model::Pool::name);
  for (int i = few(); i > 0; --i)
    c.calendars.push_back({hard_name(ids), hard_text(), hard_text(), {"12-25"}, {"2026-12-25"}});
  std::ranges::sort(c.calendars, {}, &model::Calendar::calendar_id);
}

inline model::TemplateRow random_template(std::set<std::string>& taken) {
  model::TemplateRow row;
  row.template_id = hard_name(taken);
  row.kind = "composite";
  row.version = hard_text();
  row.description = hard_text();
  row.params_schema =
      Json{{"p", {{"type", "integer"}, {"default", hard_json(1)}, {"doc", hard_text()}}}};
  row.body = Json::array({Json{{"id", "a"}, {"template", "ingest_files"}, {"with", hard_map()}}});
  return row;
}

/// Sorted as model::Configuration says.
inline model::Configuration random_configuration() {
  model::Configuration c;
  std::set<std::string> projects;
  c.project = hard_name(projects);
  add_rows(c);
  std::set<std::string> templates;
  for (int i = few(); i > 0; --i) c.templates.push_back(random_template(templates));
  std::ranges::sort(c.templates, {}, &model::TemplateRow::template_id);
  if (*rc::gen::arbitrary<bool>()) c.defaults = Json{{"retries", 1}, {"engine", hard_text()}};
  std::set<std::string> flows;
  for (int i = few(); i > 0; --i) c.flows.push_back(random_flow(hard_name(flows), c));
  std::ranges::sort(c.flows, {}, &model::Flow::flow_id);
  std::set<std::string> rules;
  for (int i = few(); i > 0; --i) {
    model::NotificationRule rule;
    rule.rule_id = hard_name(rules);
    rule.channel = "log";
    if (!c.connections.empty() && *rc::gen::arbitrary<bool>()) {
      c.connections.front().kind = "webhook";  // The tables take the kinds that can be told.
      rule.channel = c.connections.front().connection_id;
    }
    for (const auto& flow : c.flows) rule.flows.push_back(flow.flow_id);
    if (*rc::gen::arbitrary<bool>()) rule.events = {"failed", "slow"};
    rule.subject = hard_text();
    rule.link = hard_text();
    if (*rc::gen::arbitrary<bool>()) rule.slow_after_ms = *rc::gen::inRange<int64_t>(1, 90'000);
    rule.is_enabled = *rc::gen::arbitrary<bool>();
    c.notifications.push_back(std::move(rule));
  }
  std::ranges::sort(c.notifications, {}, &model::NotificationRule::rule_id);
  if (!c.connections.empty() && *rc::gen::arbitrary<bool>()) {
    c.connections.front().kind = "webhook";
    c.lineage = {c.connections.front().connection_id, hard_text()};
  }
  return c;
}

}  // namespace weir::config::sample
