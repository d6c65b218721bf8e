#include "config/places.h"

#include <fmt/ranges.h>

#include "model/task_id.h"

namespace weir::config {
namespace {

std::string joined(const Subject& subject, size_t steps) {
  // The unit separator stands in no name and in no YAML key that anybody writes.
  std::string text = subject.table;
  for (const auto& part : subject.key) text += '\x1f' + part;
  for (size_t i = 0; i < steps; ++i) text += '\x1e' + subject.path[i];
  return text;
}

/// `load[orders]` was written as `load` (for_each.h).
Subject as_written(Subject subject) {
  if (subject.table == "task" && subject.key.size() == 2)
    subject.key[1] = std::string(model::written_task_id(subject.key[1]));
  return subject;
}

/// The row that a flow's key fills, where that is one of another table.
Subject row_of(Subject subject) {
  if (subject.table != "flow" || subject.path.empty()) return subject;
  const std::string key = subject.path.front();
  if (key != "schedule" && key != "file_trigger") return subject;
  subject.table = key;
  subject.path.erase(subject.path.begin());
  return subject;
}

/// YAML's short words and the columns of the tables that they fill.
std::string column_of(const Subject& subject) {
  if (subject.path.empty()) return {};
  const std::string& key = subject.path.front();
  if (subject.table == "task" && key == "with") return "params";
  if (subject.table == "task" && key == "template") return "template_id";
  if (subject.table == "template" && key == "params") return "params_schema";
  if (subject.table == "connection" && key != "kind" && key != "secret_id") return "options";
  if (subject.table == "schedule" && key != "cron" && key != "every" && key != "timezone")
    return "options";
  if (subject.table == "file_trigger" && key != "pattern") return "options";
  if (subject.table == "notification_rule" && key != "channel" && key != "events" &&
      key != "is_enabled")
    return "options";
  return key;
}

}  // namespace

Subject Subject::in(std::string step) const {
  Subject inner = *this;
  inner.path.push_back(std::move(step));
  return inner;
}

void Places::add(const Subject& subject, const Node& node) {
  Both& both = places_[joined(subject, subject.path.size())];
  both.value = mark_of(node);
  if (both.key.line == 0) both.key = both.value;
  for (const auto& entry : node.entries) {
    const Subject inner = subject.in(entry.key.text);
    places_[joined(inner, inner.path.size())].key = mark_of(entry.key);
    add(inner, entry.value);
  }
  for (size_t i = 0; i < node.items.size(); ++i) add(subject.in(std::to_string(i)), node.items[i]);
}

Places::Mark Places::mark_of(const Node& node) {
  return {node.source, node.line, node.column, node.length};
}

Place Places::place_at(const Mark& mark) {
  Node node;
  node.source = mark.source;
  node.line = mark.line;
  node.column = mark.column;
  node.length = mark.length;
  return place_of(node);
}

std::optional<Place> Places::in_file(const Subject& subject) const {
  const auto found = places_.find(joined(subject, subject.path.size()));
  if (found == places_.end()) return std::nullopt;
  return place_at(found->second.value);
}

Place Places::find(const Subject& asked, bool is_key) const {
  const Subject subject = places_.contains(joined(asked, 0)) ? asked : as_written(asked);
  for (size_t steps = subject.path.size() + 1; steps-- > 0;) {
    const auto found = places_.find(joined(subject, steps));
    if (found == places_.end()) continue;
    const bool is_exact = steps == subject.path.size();
    return place_at(is_key || !is_exact ? found->second.key : found->second.value);
  }
  const Subject at = row_of(subject);
  Place row;
  row.file = "table " + at.table;
  row.text = fmt::format("key {}", fmt::join(at.key, ", "));
  const std::string column = column_of(at);
  if (!column.empty()) row.text += "; column " + column;
  return row;
}

std::string label_of(const Subject& subject) {
  if (subject.table == "task" && subject.key.size() == 2)
    return fmt::format("task '{}' of flow '{}'", subject.key[1], subject.key[0]);
  if (subject.key.empty()) return subject.table;
  if (subject.table == "notification_rule")
    return fmt::format("notification '{}'", subject.key.front());
  return fmt::format("{} '{}'", subject.table, fmt::join(subject.key, "."));
}

Error fault_of(const Places& places, const Subject& subject, const std::string& message,
               std::string hint) {
  return Error{ErrorCode::kInvalidConfig,
               fmt::format("{}: {}", label_of(subject), message),
               {},
               std::move(hint),
               places.of(subject)};
}

}  // namespace weir::config
